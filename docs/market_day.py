"""Draws docs/market-day.svg: one day of four markets, with their states as bands, asked of the code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from openbell.market import Market, MarketState, market

DAY = datetime(2024, 12, 24, tzinfo=UTC)  # three half days, and Christmas begins in the east
MARKETS = {"XNYS": "New York", "XLON": "London", "XTKS": "Tokyo", "XHKG": "Hong Kong"}
COLOURS = {
    MarketState.HOLIDAY: "#e5e7eb",
    MarketState.OVERNIGHT: "#cbd5e1",
    MarketState.PRE_OPEN: "#56b4e9",
    MarketState.SESSION: "#009e73",
    MarketState.BREAK: "#f0e442",
    MarketState.POST_CLOSE: "#cc79a7",
}
LEFT, HOUR, TOP, ROW, BAND = 96, 32, 40, 52, 26
WIDTH = LEFT + 24 * HOUR + 16


def picture() -> str:
    """The SVG, of plain shapes and text, on a background of its own."""
    height = TOP + ROW * len(MARKETS) + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">',
        '<g font-family="system-ui, sans-serif" font-size="12" fill="#111827">',
        f"<title>States of four markets on {DAY:%Y-%m-%d}, in UTC</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_hours(height),
    ]
    for row, (name, city) in enumerate(MARKETS.items()):
        parts += _market(market(name), city, TOP + row * ROW)
    return "\n".join([*parts, *_legend(height - 22), "</g>", "</svg>", ""])


def _hours(height: int) -> Iterator[str]:
    for hour in range(0, 25, 2):
        x = LEFT + hour * HOUR
        yield f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 40}" stroke="#e5e7eb"/>'
        yield f'<text x="{x}" y="{TOP - 14}" text-anchor="middle">{hour:02}</text>'
    yield f'<text x="8" y="{TOP - 14}">UTC</text>'


def _market(one: Market, city: str, y: int) -> Iterator[str]:
    yield f'<text x="8" y="{y + 17}">{city}</text>'
    for begin, end, state in _bands(one):
        x, width = _x(begin), _x(end) - _x(begin)
        local = f"{begin.astimezone(one.tz):%H:%M} to {end.astimezone(one.tz):%H:%M}"
        yield (
            f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{BAND}" fill="{COLOURS[state]}">'
            f"<title>{city}: {state}, {local} local time</title></rect>"
        )
        if state is MarketState.SESSION:
            opens = f"{begin.astimezone(one.tz):%H:%M}"
            yield f'<text x="{x:g}" y="{y + BAND + 13}" font-size="10">{opens}</text>'


def _bands(one: Market) -> Iterator[tuple[datetime, datetime, MarketState]]:
    end = DAY + timedelta(days=1)
    begin, state = DAY, one.state(DAY)
    for change in one.transitions(DAY, end):
        yield begin, change.at, state
        begin, state = change.at, change.state
    yield begin, end, state


def _x(at: datetime) -> float:
    return LEFT + (at - DAY) / timedelta(hours=1) * HOUR


def _legend(y: int) -> Iterator[str]:
    for place, (state, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 118
        yield f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 17}" y="{y + 10}">{state}</text>'
