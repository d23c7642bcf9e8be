"""The event of a mark: somebody's word about tasks, which counts as if they had come to it by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from openbell.core.states import TaskState


@dataclass(frozen=True, slots=True)
class Mark:
    """On somebody's word, cells of this step in one of `states` (or the one named) have succeeded, or are
    skipped. Of a whole step, what somebody has marked before stays as it is.
    """

    at: datetime
    run: str
    step: str
    to: TaskState
    states: tuple[TaskState, ...]
    actor: str
    reason: str
    cell: int | None = None

    def covers(self, cell: int) -> bool:
        return self.cell in (None, cell)
