"""Failed tasks, put together by what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from openbell.core.failure import fingerprint
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.state import RunRecord
from openbell.core.states import TaskState


class Outcome(Protocol):
    """What an attempt came to."""

    @property
    def key(self) -> AttemptKey: ...
    @property
    def error(self) -> str: ...
    @property
    def traceback(self) -> str: ...


@dataclass(slots=True)
class FailureGroup:
    """Failures of one kind: the first one's words, and all its tasks."""

    error: str
    traceback: str
    tasks: list[TaskKey] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.tasks)


def failure_groups(record: RunRecord, attempts: Iterable[Outcome]) -> list[FailureGroup]:
    """The failed tasks of a run in groups, the largest first. `attempts`: the last of each task."""
    groups: dict[str, FailureGroup] = {}
    for name, its in record.groups.items():
        if its.refused and its.count(TaskState.FAILED):
            cells = (cell for cell in range(its.size) if its.state(cell) is TaskState.FAILED)
            tasks = [TaskKey(record.id, name, cell) for cell in cells if not its.spent(cell)]
            groups[f"{name} was refused"] = FailureGroup(its.refused, "", tasks)
    for attempt in attempts:
        key = attempt.key
        if record.groups[key.step].state(key.cell) is TaskState.FAILED:
            kind = fingerprint(attempt.error, attempt.traceback)
            group = groups.setdefault(kind, FailureGroup(attempt.error, attempt.traceback))
            group.tasks.append(key.task)
    return sorted(groups.values(), key=lambda group: -group.count)
