"""Returns and profits that workers have reported, put together over the dates of a sweep.

A worker that reports `result(ret=...)` (the simple return of its date) or `result(pnl=...)` gets a
table: one row per combination of the other axes. Partitions of one date are added up (`pnl`) or
averaged (`ret`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, stdev
from typing import Any

from openbell.core.matrix import Matrix, label
from openbell.core.model import Step
from openbell.core.state import RunRecord
from openbell.core.states import TaskState
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
        return f"{value:+.2%}" if self.measure == "ret" else f"{value:+,.2f}"

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
    """The performance of the first step with dates whose workers report it; None without any."""
    attempts = list(attempts)
    for step in record.run.pipeline:
        if step.matrix.axis("date") is None:
            continue
        group = record.groups[step.name]
        done = [
            info
            for info in attempts
            if info.key.step == step.name and group.state(info.key.cell) is TaskState.SUCCEEDED
        ]
        for measure in MEASURES:
            found = [(info.key.cell, float(info.result[measure])) for info in done if _reports(info, measure)]
            if found:
                return Performance(step.name, measure, tuple(_curves(step, measure, found)))
    return None


def _reports(info: AttemptInfo, measure: str) -> bool:
    value = info.result.get(measure)
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _curves(step: Step, measure: str, found: list[tuple[int, float]]) -> Iterable[Curve]:
    by_name: dict[str, dict[str, list[float]]] = {}
    order = _parameter_order(step.matrix)
    for cell, value in found:
        coordinates = step.matrix.coordinates(cell)
        day = str(next(coordinates[axis.name] for axis in step.matrix.axes if axis.kind == "date"))
        name = label({axis: coordinates[axis] for axis in order}) or "all"
        by_name.setdefault(name, {}).setdefault(day, []).append(value)
    for name, days in by_name.items():
        ordered = sorted(days.items())
        dates = tuple(day for day, _ in ordered)
        values = tuple(fmean(found) if measure == "ret" else sum(found) for _, found in ordered)
        yield _curve(name, dates, values, measure)


def _parameter_order(matrix: Matrix) -> list[str]:
    return [axis.name for axis in matrix.axes if axis.kind not in ("date", "partition")]


def _curve(name: str, dates: tuple[str, ...], values: tuple[float, ...], measure: str) -> Curve:
    compounding = measure == "ret"
    level = 1.0 if compounding else 0.0
    peak, deepest = level, 0.0
    equity = []
    for value in values:
        level = level * (1 + value) if compounding else level + value
        peak = max(peak, level)
        fall = level / peak - 1 if compounding and peak > 0 else level - peak
        deepest = min(deepest, fall)
        equity.append(level - 1 if compounding else level)
    spread = stdev(values) if len(values) > 1 else 0.0
    sharpe = fmean(values) / spread * sqrt(_YEAR) if spread > 0 else None
    return Curve(name, dates, values, tuple(equity), equity[-1], sharpe, deepest)
