"""Failed tasks, put together by what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from openbell.core.failure import fingerprint
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.state import RunRecord
from openbell.core.states import TaskState


@dataclass(slots=True)
class FailureGroup:
    """Failures of one kind: the first one's words, and all its tasks."""

    error: str
    traceback: str
    tasks: list[TaskKey] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.tasks)


def failure_groups(record: RunRecord, outcomes: Iterable[tuple[AttemptKey, str, str]]) -> list[FailureGroup]:
    """The failed tasks of a run in groups, the largest first.

    `outcomes`: key, error and traceback of the last attempt of each task.
    """
    groups: dict[str, FailureGroup] = {}
    for key, error, traceback in outcomes:
        if record.groups[key.step].state(key.cell) is TaskState.FAILED:
            group = groups.setdefault(fingerprint(error, traceback), FailureGroup(error, traceback))
            group.tasks.append(key.task)
    return sorted(groups.values(), key=lambda group: -group.count)
