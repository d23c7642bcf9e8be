"""Charts as inline SVG: no script is needed to see them, no other host is asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from openbell.report.performance import MEASURES, Curve, Performance

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B", "#808080")
"""Okabe and Ito's palette: told apart by everybody. Dashes tell curves apart as well."""

_DASHES = ("none", "6 3", "2 3", "8 3 2 3")
_WIDTH, _HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 28
_BAR = 100  # height of the tallest bar


def strokes(table: Performance) -> dict[str, int]:
    """The curves that are drawn, by name, with the number of their stroke.

    Only so many can be told apart: of more, those with the highest totals are drawn.
    """
    best = sorted(table.curves, key=lambda curve: -curve.total)[: len(COLOURS) * len(_DASHES)]
    names = {curve.name for curve in best}
    return {name: n for n, name in enumerate(c.name for c in table.curves if c.name in names)}


def equity(table: Performance) -> str:
    """The cumulated curves over their dates. Each begins with nothing, one place before its first date."""
    drawn = strokes(table)
    curves = [curve for curve in table.curves if curve.name in drawn]
    dates = sorted({day for curve in curves for day in curve.dates})
    values = [0.0, *(value for curve in curves for value in curve.equity)]
    ticks = nice_ticks(min(values), max(values))
    plane = _Plane({day: n for n, day in enumerate(dates, 1)}, ticks[0], ticks[-1])
    parts = [_level(plane.y(tick), _tick(table, tick), zero=tick == 0) for tick in ticks]
    parts += [_month(plane.x(day), day) for day in _month_starts(dates)]
    for curve in curves:
        title = f"<title>{escape(curve.name)}: {table.amount(curve.total)}</title>"
        points = f'points="{plane.points(curve)}" {_stroke(drawn[curve.name])}'
        parts.append(f'<polyline class="curve" {points}>{title}</polyline>')
    label = f"Cumulated {MEASURES[table.measure]} by date, one curve per combination of parameters"
    return _svg("".join(parts), label)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where dates and values lie on the chart. `places`: dates from 1 on."""

    places: Mapping[str, int]
    low: float
    high: float

    def x(self, day: str, before: int = 0) -> float:
        """Across; `before`: so many places earlier."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (self.places[day] - before) / len(self.places)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)

    def points(self, curve: Curve) -> str:
        start = f"{self.x(curve.dates[0], before=1):.1f},{self.y(0.0):.1f}"
        steps = zip(curve.dates, curve.equity, strict=True)
        return " ".join([start, *(f"{self.x(day):.1f},{self.y(value):.1f}" for day, value in steps)])


def key(n: int) -> str:
    """The mark of the n-th stroke, for tables."""
    return f'<svg class="key" viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4H24" {_stroke(n)}/></svg>'


def histogram(seconds: Sequence[float]) -> str:
    """How long attempts took: counts over a logarithmic scale."""
    edges = _edges(seconds)
    counts = [0] * (len(edges) - 1)
    for value in seconds:
        counts[min(max(0, bisect_right(edges, value) - 1), len(counts) - 1)] += 1
    wide = (_WIDTH - _LEFT - _RIGHT) / len(counts)
    parts = []
    for n, count in enumerate(counts):
        left = _LEFT + n * wide
        if count:
            told = f"{_short(edges[n])} to {_short(edges[n + 1])}: {count:,}"
            parts.append(_bar(left, wide, max(1.0, _BAR * count / max(counts)), count, told))
        if n % 3 == 0:
            parts.append(_text(left, _BAR + 34, _short(edges[n])))
    return _svg("".join(parts), "Durations of attempts", height=_BAR + 40)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values that cover the range, about `count` of them, two at least, ascending."""
    span = max(high - low, 1e-9 * max(abs(low), abs(high)))
    rough = span / count if span > 1e-100 else 1.0
    power = 10.0 ** floor(log10(rough))
    step = next((power * factor for factor in (1, 2, 2.5, 5) if power * factor >= rough), power * 10)
    first = floor(low / step)
    return [step * n for n in range(first, max(first + 1, ceil(high / step)) + 1)]


def _edges(seconds: Sequence[float]) -> list[float]:
    low = max(0.001, min(seconds))
    high = max(low * 1.3, *seconds)
    count = 24
    ratio = (high / low) ** (1 / count)
    return [low * ratio**n for n in range(count + 1)]


def _short(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 60 else f"{seconds / 60:.3g} min"


def _tick(table: Performance, value: float) -> str:
    if value == 0:
        return "0"
    if table.measure == "ret":
        return f"{value * 100:+,.4g}%"
    for unit, size in (("bn", 1e9), ("m", 1e6), ("k", 1e3)):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:+.4g}{unit}"
    return f"{value:+.4g}"


def _stroke(n: int) -> str:
    """Colour and dashes of the n-th stroke."""
    dashes = _DASHES[n // len(COLOURS) % len(_DASHES)]
    return f'stroke="{COLOURS[n % len(COLOURS)]}" stroke-dasharray="{dashes}"'


def _bar(left: float, wide: float, tall: float, count: int, told: str) -> str:
    """One bar with its count above it."""
    top = _BAR + 16 - tall
    return (
        f'<rect class="bar" x="{left + 1:.1f}" y="{top:.1f}" width="{wide - 2:.1f}" height="{tall:.1f}">'
        f"<title>{told}</title></rect>{_text(left + wide / 2, top - 4, f'{count:,}', 'middle')}"
    )


def _level(y: float, text: str, *, zero: bool) -> str:
    kind = "zero" if zero else "level"
    line = f'<path class="{kind}" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
    return line + _text(_LEFT - 8, y + 4, text, "end")


def _month(x: float, day: str) -> str:
    line = f'<path class="level" d="M{x:.1f} {_HEIGHT - _BOTTOM}v5"/>'
    return line + _text(min(x, _WIDTH - 24), _HEIGHT - 8, day[:7], "middle")


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _month_starts(dates: Sequence[str]) -> list[str]:
    """The first date of each month, thinned out until the labels have room."""
    starts = [day for n, day in enumerate(dates) if n == 0 or day[:7] != dates[n - 1][:7]]
    return starts[:: ceil(len(starts) / 12)]


def _svg(content: str, label: str, height: int = _HEIGHT) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}"'
    return f'<svg class="chart" {box}>{content}</svg>'
