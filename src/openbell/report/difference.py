"""What two runs have in common and what not: definitions, outcomes, results, durations.

Tasks are matched by their step and their coordinates, so sweeps over different dates can be compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from math import isclose
from statistics import fmean
from typing import Any

from openbell.core.matrix import label
from openbell.core.model import TaskKey
from openbell.core.state import RunRecord
from openbell.core.states import TaskState
from openbell.report.results import number
from openbell.store.codec import encode_pipeline
from openbell.store.records import AttemptInfo

_LONGEST = 8  # values of a list that are shown
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Change:
    """One key of the definitions. None: the key is not there."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Moved:
    """Tasks of a step that are in another state; None: there is no such task on that side."""

    step: str
    before: str | None
    after: str | None
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """A number over the tasks that succeeded on both sides. `changed`: of so many it is another one."""

    step: str
    name: str
    count: int
    changed: int
    before: float
    after: float
    largest: float
    """The largest difference of one task, with its sign."""
    example: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything in which two runs differ."""

    before: str
    after: str
    definition: tuple[Change, ...]
    tasks: tuple[Moved, ...]
    results: tuple[Shift, ...]
    seconds: tuple[Shift, ...]
    """Mean durations of the steps, over the tasks that succeeded on both sides."""

    @property
    def nothing(self) -> bool:
        """Whether they are the same but for their durations."""
        return not (self.definition or self.tasks or any(shift.changed for shift in self.results))

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the runs. `attempts`: the last of each task."""

    record: RunRecord
    attempts: Iterable[AttemptInfo]


_Place = tuple[str, str]
"""Step, and the label of the cell."""


def difference(before: Side, after: Side) -> Difference:
    """What has changed from one run to the other."""
    one, other = _outcomes(before), _outcomes(after)
    shifts = list(_shifts(one, other))
    return Difference(
        before=before.record.id,
        after=after.record.id,
        definition=tuple(_changes(before.record, after.record)),
        tasks=tuple(_moved(one, other)),
        results=tuple(shift for shift in shifts if shift.name),
        seconds=tuple(shift for shift in shifts if not shift.name),
    )


# ── definitions ──────────────────────────────────────────────────────────────────────────────


def _changes(before: RunRecord, after: RunRecord) -> Iterator[Change]:
    one, other = _flat(_definition(before)), _flat(_definition(after))
    for key in [*one, *(key for key in other if key not in one)]:
        if one.get(key) != other.get(key):
            yield Change(key, _short(one.get(key)), _short(other.get(key)))


def _definition(record: RunRecord) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(encode_pipeline(record.run.pipeline))
    data["steps"] = {step.pop("name"): step | _axes(step.pop("matrix")) for step in data["steps"]}
    return {**data, "digest": record.run.digest}


def _axes(matrix: Mapping[str, Any]) -> dict[str, Any]:
    axes = {axis["name"]: axis["values"] for axis in matrix["axes"]}
    return {"matrix": axes | ({"sample": matrix["pick"]} if matrix["pick"] is not None else {})}


def _flat(data: Any, key: str = "") -> dict[str, Any]:
    """Leaves by dotted key. Lists are leaves, and what is empty says nothing."""
    if not isinstance(data, dict):
        return {} if data in (None, "", [], ()) else {key: data}
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(value, f"{key}.{name}" if key else str(name))
    return found


def _short(value: Any) -> Any:
    """A long list by its ends and its length."""
    if isinstance(value, list) and len(value) > _LONGEST:
        return f"{len(value)} values, {value[0]} to {value[-1]}"
    return value


# ── tasks ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Outcome:
    state: TaskState
    seconds: float | None = None
    result: Mapping[str, Any] | None = None


def _outcomes(side: Side) -> dict[_Place, _Outcome]:
    record = side.record
    last = {info.key.task: info for info in side.attempts}
    found = {}
    for name, group in record.groups.items():
        for cell in range(group.size):
            info = last.get(TaskKey(record.id, name, cell))
            seconds = info.exit.elapsed if info is not None and info.exit is not None else None
            place = (name, label(group.step.matrix.coordinates(cell)))
            found[place] = _Outcome(group.state(cell), seconds, info.result if info is not None else None)
    return found


def _moved(one: Mapping[_Place, _Outcome], other: Mapping[_Place, _Outcome]) -> Iterator[Moved]:
    counts: Counter[tuple[str, str | None, str | None]] = Counter()
    examples: dict[tuple[str, str | None, str | None], list[str]] = {}
    for place in [*one, *(place for place in other if place not in one)]:
        states = tuple(side[place].state.name.lower() if place in side else None for side in (one, other))
        if states[0] != states[1]:
            kind = (place[0], states[0], states[1])
            counts[kind] += 1
            if len(known := examples.setdefault(kind, [])) < _EXAMPLES:
                known.append(place[1])
    for kind, count in counts.items():
        yield Moved(*kind, count, tuple(filter(None, examples[kind])))


def _shifts(one: Mapping[_Place, _Outcome], other: Mapping[_Place, _Outcome]) -> Iterator[Shift]:
    """Numbers that both sides have, by step and name; durations under an empty name."""
    pairs: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for place, before in one.items():
        after = other.get(place)
        if after is None or not before.state is after.state is TaskState.SUCCEEDED:
            continue
        if before.seconds is not None and after.seconds is not None:
            pairs.setdefault((place[0], ""), []).append((before.seconds, after.seconds, place[1]))
        for name in (before.result or {}).keys() & (after.result or {}).keys():
            values = number((before.result or {})[name]), number((after.result or {})[name])
            if values[0] is not None and values[1] is not None:
                pairs.setdefault((place[0], name), []).append((values[0], values[1], place[1]))
    for (step, name), found in sorted(pairs.items()):
        changed = sum(not isclose(before, after, rel_tol=1e-9) for before, after, _ in found)
        worst = max(found, key=lambda pair: abs(pair[1] - pair[0]))
        means = fmean(pair[0] for pair in found), fmean(pair[1] for pair in found)
        yield Shift(step, name, len(found), changed, *means, worst[1] - worst[0], worst[2])
