"""Returns and profits that workers have reported, put together over the dates of a sweep.

A worker that reports `result(ret=...)` (the simple return of its date) or `result(pnl=...)` gets a
table: one row per combination of the other axes, in the order of the matrix. Partitions of one date
are added up (`pnl`) or averaged (`ret`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from openbell.core.matrix import label
from openbell.core.model import Step
from openbell.core.state import RunRecord
from openbell.report.results import BOUND, number, succeeded
from openbell.store.records import AttemptInfo

_YEAR = 252
"""Trading days by which a Sharpe ratio is annualised."""

MEASURES = {"ret": "return", "pnl": "PnL"}
"""Results that are put together over dates, in the order of preference, and what they are called."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One combination of parameters over its dates. `values`: per date; `equity`: cumulated."""

    name: str
    dates: tuple[str, ...]
    values: tuple[float, ...]
    equity: tuple[float, ...]
    total: float
    sharpe: float | None
    drawdown: float
    """The deepest fall from a peak: a fraction for returns, an amount for profits. Not positive."""


@dataclass(frozen=True, slots=True)
class Performance:
    """All curves of one step. `measure`: `ret` or `pnl`."""

    step: str
    measure: str
    curves: tuple[Curve, ...]

    def lines(self) -> Iterable[str]:
        """The table as text."""
        width = max(len("parameters"), *(len(curve.name) for curve in self.curves))
        name = MEASURES[self.measure]
        yield f"{'parameters':<{width}}  {'dates':>6}  {name:>12}  {'Sharpe':>7}  {'drawdown':>12}"
        for curve in self.curves:
            sharpe = f"{curve.sharpe:.2f}" if curve.sharpe is not None else "-"
            total, drawdown = self.amount(curve.total), self.amount(curve.drawdown)
            yield f"{curve.name:<{width}}  {len(curve.dates):>6}  {total:>12}  {sharpe:>7}  {drawdown:>12}"

    def amount(self, value: float) -> str:
        """A return in per cent or a profit, with its sign unless it is nothing."""
        form = ".2%" if self.measure == "ret" else ",.2f"
        return format(value, "+" * bool(value) + form)

    def data(self) -> list[dict[str, Any]]:
        """The table as JSON data."""
        return [
            {
                "parameters": curve.name,
                "dates": len(curve.dates),
                self.measure: curve.total,
                "sharpe": curve.sharpe,
                "drawdown": curve.drawdown,
            }
            for curve in self.curves
        ]


def performance(record: RunRecord, attempts: Iterable[AttemptInfo]) -> Performance | None:
    """The performance of the first step with dates whose workers report it; None without any.

    `attempts`: the last of each task. Curves that leave every sensible range are left out.
    """
    dated = {step.name: step for step in record.run.pipeline if step.matrix.axis("date") is not None}
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for info in succeeded(record, attempts):
        for measure in MEASURES if info.key.step in dated else ():
            if (value := number(info.result.get(measure))) is not None:
                found.setdefault((info.key.step, measure), []).append((info.key.cell, value))
    for name, step in dated.items():
        for measure in MEASURES:
            if curves := tuple(_curves(step, measure, found.get((name, measure), []))):
                return Performance(name, measure, curves)
    return None


def _curves(step: Step, measure: str, found: Iterable[tuple[int, float]]) -> Iterable[Curve]:
    axes = step.matrix.axes
    at = next(n for n, axis in enumerate(axes) if axis.kind == "date")
    others = [n for n, axis in enumerate(axes) if axis.kind not in ("date", "partition")]
    by_place: dict[tuple[int, ...], dict[str, list[float]]] = {}
    for cell, value in found:
        positions = step.matrix.positions(cell)
        days = by_place.setdefault(tuple(positions[n] for n in others), {})
        days.setdefault(str(axes[at].values[positions[at]]), []).append(value)
    for place, days in sorted(by_place.items()):
        chosen = {axes[n].name: axes[n].values[m] for n, m in zip(others, place, strict=True)}
        values = {
            day: fmean(parts) if measure == "ret" else sum(parts) for day, parts in sorted(days.items())
        }
        curve = _curve(label(chosen) or "all", values, measure)
        if all(abs(level) <= BOUND for level in curve.equity):
            yield curve


def _curve(name: str, by_day: Mapping[str, float], measure: str) -> Curve:
    values = tuple(by_day.values())
    compounding = measure == "ret"
    level = peak = 1.0 if compounding else 0.0
    deepest = 0.0
    equity = []
    for value in values:
        level = level * (1 + value) if compounding else level + value
        peak = max(peak, level)
        deepest = min(deepest, level / peak - 1 if compounding else level - peak)
        equity.append(level - 1 if compounding else level)
    spread = stdev(values) if len(values) > 1 else 0.0
    sharpe = fmean(values) / spread * sqrt(_YEAR) if spread > 0 else None
    return Curve(name, tuple(by_day), values, tuple(equity), equity[-1], sharpe, deepest)
