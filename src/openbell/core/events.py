"""The journal's words. Actions are imperatives (we decided), facts are past participles (the world said).

Each action is also the event that records it, so the intent is durable before it is attempted.
Folding the events in order gives the state; nothing else changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openbell.core.alerts import Acknowledge as Acknowledge
from openbell.core.alerts import Bounced as Bounced
from openbell.core.alerts import Delivered as Delivered
from openbell.core.alerts import Notify as Notify
from openbell.core.alerts import Overdue as Overdue
from openbell.core.exits import Exit as Exit
from openbell.core.fallbacks import FallBack as FallBack
from openbell.core.fallbacks import Recalled as Recalled
from openbell.core.firings import Fire as Fire
from openbell.core.firings import Miss as Miss
from openbell.core.firings import Unplanned as Unplanned
from openbell.core.firings import Unwatch as Unwatch
from openbell.core.firings import Watch as Watch
from openbell.core.inputs import Arrived, Bind, Clear, Cleared, Fail, FilesSeen
from openbell.core.marks import Mark as Mark
from openbell.core.model import Forced, Pipeline, Run, TaskKey
from openbell.core.requests import Request
from openbell.core.retention import Prune as Prune
from openbell.core.states import RunState, StopReason, TaskState

# ── actions: what decide() orders ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A new run with all its cells waiting."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True)
class Amend:
    """The run goes on under a definition of the same digest whose operational keys differ."""

    at: datetime
    run: str
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Start:
    """Start this attempt. Durable before the executor hears of it."""

    at: datetime
    task: TaskKey
    attempt: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop this attempt. It holds its slot until its end is confirmed."""

    at: datetime
    task: TaskKey
    attempt: int
    reason: StopReason


@dataclass(frozen=True, slots=True)
class Skip:
    """Waiting cells of this step (or `count` of them from `cell` on) will not run: a need cannot be met."""

    at: datetime
    run: str
    step: str
    reason: str
    cell: int | None = None
    count: int = 1

    def covers(self, cell: int) -> bool:
        return self.cell is None or self.cell <= cell < self.cell + self.count


@dataclass(frozen=True, slots=True)
class Cancel:
    """Waiting cells of this step (or the one named) will not run."""

    at: datetime
    run: str
    step: str
    reason: str
    cell: int | None = None

    def covers(self, cell: int) -> bool:
        return self.cell in (None, cell)


@dataclass(frozen=True, slots=True)
class Reopen:
    """Final cells of this step in one of `states` (or the one named) wait again: a new generation.

    Of a whole step, those that somebody has marked stay as they are. `alone`: what was made without them is
    left as it is when they succeed.
    """

    at: datetime
    run: str
    step: str
    states: tuple[TaskState, ...]
    reason: str
    cell: int | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Force:
    """The conditions of the run do not count from here on, on somebody's word; without one, they do again."""

    at: datetime
    run: str
    forced: Forced | None


@dataclass(frozen=True, slots=True)
class Pause:
    """The brake: nothing of this run starts; what runs ends by itself."""

    at: datetime
    run: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    """The brake of `Pause` is lifted."""

    at: datetime
    run: str


@dataclass(frozen=True, slots=True)
class Stall:
    """A warning: nothing has finished for `seconds`; `task` is the oldest that runs."""

    at: datetime
    run: str
    task: TaskKey
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CloseRun:
    """Every task is final."""

    at: datetime
    run: str
    outcome: RunState


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a request; the request is done with."""

    at: datetime
    request: str
    accepted: bool
    message: str
    run: str | None = None


Action = (
    OpenRun
    | Amend
    | Bind
    | Start
    | Stop
    | Skip
    | Fail
    | Cancel
    | Reopen
    | Mark
    | FallBack
    | Force
    | Pause
    | Resume
    | Stall
    | Clear
    | CloseRun
    | Answer
    | Notify
    | Overdue
    | Acknowledge
    | Watch
    | Unwatch
    | Fire
    | Miss
    | Unplanned
    | Prune
)


# ── facts: what the world reports ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Led:
    """An engine took the lead. `adopt` false: runs found under way are paused until asked for."""

    at: datetime
    epoch: int
    holder: str
    adopt: bool


@dataclass(frozen=True, slots=True)
class Requested:
    """A request arrived. `run` is the run it means: for Submit, the id of the run to resume or open."""

    at: datetime
    id: str
    request: Request
    run: str


@dataclass(frozen=True, slots=True)
class Started:
    """The executor confirms that the attempt runs. `handle`: pid or remote serial."""

    at: datetime
    task: TaskKey
    attempt: int
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """The attempt has ended. What that comes to (success, another try, failure) follows from its exit."""

    at: datetime
    task: TaskKey
    attempt: int
    exit: Exit
    result: Mapping[str, Any] = field(default_factory=dict)
    """What the worker reported with `worker.result(...)`: JSON values."""
    became: TaskState | None = None
    """What the task became by it: written down by the engine, for readers of the journal only."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The executor did not take the attempt.

    `counted` false: no capacity, or it never began. Such a try is free, and the next one comes after
    `retry_after` seconds.
    """

    at: datetime
    task: TaskKey
    attempt: int
    reason: str
    counted: bool = True
    retry_after: float = 0.0
    became: TaskState | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt is provably gone and its outcome with it."""

    at: datetime
    task: TaskKey
    attempt: int
    reason: str
    became: TaskState | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The place where it runs does not answer. It may live: it keeps its slot."""

    at: datetime
    task: TaskKey
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reached:
    """The place where it runs answers again."""

    at: datetime
    task: TaskKey
    attempt: int


@dataclass(frozen=True, slots=True)
class Reported:
    """The worker said something: `topic` is `log`, `metric` or `progress`."""

    at: datetime
    task: TaskKey
    attempt: int
    topic: str
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    heard: int = 0
    """Position in the worker's reports after this one: a new engine goes on from there."""


@dataclass(frozen=True, slots=True)
class SpaceChanged:
    """The disk of the state folder fell below its floor, or rose above it again."""

    at: datetime
    free: int
    low: bool


Fact = (
    Led
    | Requested
    | Recalled
    | Started
    | Exited
    | Refused
    | Lost
    | Unreachable
    | Reached
    | Reported
    | SpaceChanged
    | Delivered
    | Bounced
    | FilesSeen
    | Arrived
    | Cleared
)
Event = Action | Fact
AttemptFact = Started | Exited | Refused | Lost | Unreachable | Reached | Reported
