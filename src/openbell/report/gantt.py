"""A stretch of days as a chart: a row for each day, a bar for each run, light while it waits for its time.

What goes wrong is marked where it should have been, with a line as long as it is late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from zoneinfo import ZoneInfo

from openbell.core.states import RunState
from openbell.report.rehearsed import Kind, Problem, began
from openbell.sim.rehearsal import Occurrence

_WIDTH = 960
_LEFT, _TOP, _BOTTOM, _KEY = 104, 46, 22, 20
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#6b7280")
_FAILED = "#d55e00"
_STROKE = 'fill="none" stroke="#b91c1c" stroke-width="1.5"'
_DAY = timedelta(days=1)
_MARKS = {
    Kind.DEADLINE: "m0 -5v10m2 0v-10",
    Kind.OVERLAP: "m-3 -3l6 6m0 -6l-6 6",
    Kind.STARVED: "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0",
    Kind.MISSED: "m-4 -3h8l-4 7z",
    Kind.SKIPPED: "m-3 0h6",
    Kind.ENDED: "m-3 -3h6v6h-6z",
}
"""The shape of each, drawn around the point that it begins at."""
_THINNEST, _THICKEST = 4.0, 26.0  # of a row
_TALLEST = 1800.0


def gantt(
    occurrences: Sequence[Occurrence],
    wrong: Sequence[Problem],
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
) -> str:
    """The chart as SVG. Days and hours are those of `zone`."""
    first, last = start.astimezone(zone).date(), (end - timedelta(seconds=1)).astimezone(zone).date()
    days = (last - first).days + 1
    names = list(dict.fromkeys([one.fire.pipeline for one in occurrences] + [one.pipeline for one in wrong]))
    kinds = [kind for kind in Kind if any(one.kind is kind for one in wrong)]
    row = min(_THICKEST, max(_THINNEST, _TALLEST / days))
    height = _TOP + days * row + _BOTTOM + _KEY * (1 + len(names) // 5 + bool(kinds))
    parts = [
        _svg(height, zone),
        *_hours(days * row, zone),
        *_days(first, days, row),
    ]
    lane = row / max(1, len(names))
    for one in occurrences:
        colour = _COLOURS[names.index(one.fire.pipeline) % len(_COLOURS)]
        parts += _run(one, colour, names.index(one.fire.pipeline) * lane, lane, first, row, zone, end)
    for found in wrong:
        if start <= found.at < end:
            middle = (names.index(found.pipeline) + 0.5) * lane
            parts += _mark(found, middle, first, row, zone, end)
    below = _TOP + days * row + _BOTTOM
    parts += _names(names, below)
    parts += _kinds(kinds, below + _KEY * (1 + len(names) // 5))
    return "\n".join([*parts, "</svg>"])


def _svg(height: float, zone: ZoneInfo) -> str:
    label = f"Runs by day and hour, {escape(str(zone))}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{label}" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
    )


def _x(hours: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 8) * hours / 24


def _hours(height: float, zone: ZoneInfo) -> Iterator[str]:
    yield f'<text x="{_LEFT}" y="14" font-weight="600">{escape(str(zone))}</text>'
    for hour in range(0, 25, 3):
        x = _x(hour)
        yield f'<path d="M{x:.1f} {_TOP - 6}V{_TOP + height:.1f}" stroke="#8884" stroke-width="1"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 10}" text-anchor="middle">{hour:02}:00</text>'


def _days(first: date, days: int, row: float) -> Iterator[str]:
    """Labels as dense as they can be read, and a tint on weekends."""
    every = next(step for step in (1, 7, 14, 28, 56, 112, 366) if step * row >= 13)
    for number in range(days):
        day = first + number * _DAY
        y = _TOP + number * row
        if day.weekday() >= 5:
            wide = _WIDTH - _LEFT - 8
            yield f'<rect x="{_LEFT}" y="{y:.1f}" width="{wide}" height="{row:.1f}" fill="#8881"/>'
        if number % every == 0:
            yield f'<text x="{_LEFT - 8}" y="{y + 10:.1f}" text-anchor="end">{day:%a %Y-%m-%d}</text>'


def _run(
    one: Occurrence,
    colour: str,
    offset: float,
    lane: float,
    first: date,
    row: float,
    zone: ZoneInfo,
    end: datetime,
) -> Iterator[str]:
    """The bars of a run: waiting, then working; one that passes midnight goes on in the next row."""
    closed = one.closed or end
    start = began(one) or closed
    bad = one.outcome not in (None, RunState.SUCCEEDED)
    told = f"{one.run}: {start.astimezone(zone):%a %H:%M}-{closed.astimezone(zone):%H:%M %Z}"
    for begin, stop, opacity in ((one.opened, start, 0.18), (start, closed, 0.95)):
        for day, left, right in _pieces(begin, stop, zone):
            y = _TOP + (day - first).days * row + offset
            wide = max(_x(right) - _x(left), 1.2 if opacity > 0.5 else 0)
            tall = max(lane * 0.85, min(row * 0.7, 2.5))
            yield (
                f'<rect x="{_x(left):.1f}" y="{y:.2f}" width="{wide:.1f}" height="{tall:.2f}" '
                f'fill="{_FAILED if bad else colour}" fill-opacity="{opacity}">'
                f"<title>{escape(told)}</title></rect>"
            )


def _mark(
    one: Problem, middle: float, first: date, row: float, zone: ZoneInfo, end: datetime
) -> Iterator[str]:
    """A sign, and a line for as long as it is late."""
    told = escape(f"{one.kind.value}: {one.where}: {one.what}")
    path = ""
    for day, left, right in _pieces(one.at, min(end, one.at + (one.by or timedelta(0))), zone):
        y = _TOP + (day - first).days * row + middle
        start = "" if path else _MARKS[one.kind] + f"M{_x(left):.1f} {y:.2f}"
        path += f"M{_x(left):.1f} {y:.2f}{start}H{_x(right):.1f}"
    yield f'<path class="{one.kind.value}" d="{path}" {_STROKE}><title>{told}</title></path>'


def _kinds(kinds: Sequence[Kind], top: float) -> Iterator[str]:
    for number, kind in enumerate(kinds):
        x, y = _LEFT + number * 130, top
        yield f'<path d="M{x + 6} {y + 6:.0f}{_MARKS[kind]}" {_STROKE}/>'
        yield f'<text x="{x + 18}" y="{y + 10:.0f}">{kind.value}</text>'


def _pieces(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[date, float, float]]:
    """A stretch cut at the midnights of a zone: the day, and from which hour to which."""
    while begin <= end:
        day = begin.astimezone(zone).date()
        midnight = datetime.combine(day + _DAY, time(), zone).astimezone(UTC)
        stop = min(end, midnight)
        right = 24.0 if stop == midnight else _hour(stop, zone)
        yield day, _hour(begin, zone), right
        if stop == end:
            return
        begin = midnight


def _hour(at: datetime, zone: ZoneInfo) -> float:
    there = at.astimezone(zone)
    return there.hour + there.minute / 60 + there.second / 3600


def _names(names: Sequence[str], top: float) -> Iterator[str]:
    for number, name in enumerate(names):
        x, y = _LEFT + (number % 5) * 165, top + (number // 5) * _KEY
        yield f'<rect x="{x}" y="{y:.0f}" width="12" height="12" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        yield f'<text x="{x + 18}" y="{y + 10:.0f}">{escape(name)}</text>'


def page(svg: str) -> str:
    """The chart as a page of its own that needs nothing else."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Rehearsal</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>:root{color-scheme:light dark}body{margin:1.5rem auto;max-width:1100px}</style>"
        f"{svg}</html>"
    )
