"""Numbers that workers have reported, each over all tasks of its step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from openbell.core.state import RunRecord
from openbell.core.states import TaskState
from openbell.store.records import AttemptInfo

BOUND = 1e100
"""Numbers beyond it are a worker's mistake, and sums of them would leave the range of floats."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One named result of one step. `count`: tasks that have reported a number of this name."""

    step: str
    name: str
    count: int
    low: float
    mean: float
    high: float


def figures(record: RunRecord, attempts: Iterable[AttemptInfo]) -> list[Figure]:
    """Every numeric result, by step and name. `attempts`: the last of each task."""
    found: dict[tuple[str, str], list[float]] = {}
    for info in succeeded(record, attempts):
        for name, value in info.result.items():
            if (numeric := number(value)) is not None:
                found.setdefault((info.key.step, name), []).append(numeric)
    order = list(record.groups)
    keys = sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    return [
        Figure(*key, len(values), min(values), fmean(values), max(values))
        for key in keys
        if (values := found[key])
    ]


def succeeded(record: RunRecord, attempts: Iterable[AttemptInfo]) -> Iterator[AttemptInfo]:
    """Those whose task has succeeded."""
    for info in attempts:
        if record.groups[info.key.step].state(info.key.cell) is TaskState.SUCCEEDED:
            yield info


def number(value: Any) -> float | None:
    """The value as a finite number of a sensible size. None for anything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= BOUND else None
