"""What the store tells about the past, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openbell.core.alerts import Letter, Severity, Topic
from openbell.core.events import Exit
from openbell.core.model import AttemptKey, Forced, TaskKey
from openbell.core.provenance import UNKNOWN, Provenance
from openbell.core.states import FailureKind, RunState, StopReason, TaskState


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write. `last` is the number of the newest journal entry."""

    epoch: int
    last: int


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run without its tasks."""

    id: str
    name: str
    title: str
    digest: str
    state: RunState
    paused: str
    opened_at: datetime
    closed_at: datetime | None
    size: int
    origin: str
    session: str = ""
    """The session that it is bound to; empty for none."""
    mode: str = ""
    """The mode that it was started in; empty for none."""
    forced: Forced | None = None
    provenance: Provenance = UNKNOWN
    overdue: datetime | None = None
    """The deadline that it has missed."""
    """Who has lifted its conditions; None: they count."""


@dataclass(frozen=True, slots=True)
class MissInfo:
    """Occasions that no run answers for: `count` of them, by the keys of the first and the last."""

    pipeline: str
    trigger: str
    first: str
    last: str
    count: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that has been touched; one that never was has no record."""

    key: TaskKey
    state: TaskState
    attempts: int
    kind: FailureKind | None
    not_before: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """One attempt, from its start to its end."""

    key: AttemptKey
    decided_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    handle: str
    stop: StopReason | None
    kind: FailureKind | None
    error: str
    exit: Exit | None
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def traceback(self) -> str:
        """That of the worker, where it left one."""
        return self.exit.traceback if self.exit else ""


@dataclass(frozen=True, slots=True)
class AlertInfo:
    """An alert and what has become of it. `step` is empty for one about the whole run."""

    number: int
    run: str
    step: str
    topic: Topic
    severity: Severity
    text: str
    at: datetime
    escalate_to: tuple[str, ...]
    escalate_at: datetime | None
    escalated_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    note: str
    resolved_at: datetime | None
    """When what raised it was opened again, or came to its end."""

    @property
    def open(self) -> bool:
        """Something is wrong, and nobody has said that he sees to it."""
        return self.topic is not Topic.SUCCESS and self.acknowledged_at is None and self.resolved_at is None


@dataclass(frozen=True, slots=True)
class LetterInfo:
    """A letter of the outbox, and what has become of it."""

    letter: Letter
    error: str
    tried_at: datetime | None
    delivered_at: datetime | None
    given_up_at: datetime | None

    @property
    def waits(self) -> bool:
        """It is still to be delivered."""
        return self.delivered_at is None and self.given_up_at is None
