"""The one state machine: what a task can be, and which step leads from where to where.

`ready`, `blocked`, `retrying` and `scheduled` are no states: they are WAITING plus its blockers.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class TaskState(IntEnum):
    """The state of one task. One byte: a run keeps one of these per cell."""

    WAITING = 0
    """Not started, or between two tries. The engine moves it on; nothing is lost by a crash."""
    STARTING = 1
    """The intent is durable, the executor has not confirmed. After a crash the executor is asked."""
    RUNNING = 2
    """An executor has confirmed the attempt. Only its report ends this, never elapsed time."""
    STOPPING = 3
    """A stop was asked for; the end is not confirmed yet, so the slot is still taken."""
    SUCCEEDED = 4
    """The last attempt ended by itself with exit status 0, or somebody has said so. Only one whose input has
    got better since, or a mark that is taken back, is opened again."""
    FAILED = 5
    """No try is left, or its kind of failure is not retried."""
    CANCELLED = 6
    """Somebody, a closed window, an interrupt or `max_failures` ended it, or kept it from starting."""
    SKIPPED = 7
    """What it needs cannot come any more; it never started."""

    @property
    def final(self) -> bool:
        """No attempt lives and none will start, unless somebody reopens the task."""
        return self >= TaskState.SUCCEEDED

    @property
    def live(self) -> bool:
        """An attempt exists: it holds its slot."""
        return TaskState.STARTING <= self <= TaskState.STOPPING


class Verb(StrEnum):
    """What can happen to a task. `vouch` and `excuse`: somebody marks it succeeded, or skipped."""

    START = "start"
    CONFIRM = "confirm"
    STOP = "stop"
    SUCCEED = "succeed"
    RETRY = "retry"
    FAIL = "fail"
    CANCEL = "cancel"
    SKIP = "skip"
    REOPEN = "reopen"
    VOUCH = "vouch"
    EXCUSE = "excuse"


TRANSITIONS: Mapping[tuple[TaskState, Verb], TaskState] = {
    (TaskState.WAITING, Verb.START): TaskState.STARTING,
    (TaskState.WAITING, Verb.CANCEL): TaskState.CANCELLED,
    (TaskState.WAITING, Verb.SKIP): TaskState.SKIPPED,
    (TaskState.WAITING, Verb.FAIL): TaskState.FAILED,
    (TaskState.STARTING, Verb.CONFIRM): TaskState.RUNNING,
    (TaskState.STARTING, Verb.STOP): TaskState.STOPPING,
    (TaskState.STARTING, Verb.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.STARTING, Verb.RETRY): TaskState.WAITING,
    (TaskState.STARTING, Verb.FAIL): TaskState.FAILED,
    (TaskState.RUNNING, Verb.STOP): TaskState.STOPPING,
    (TaskState.RUNNING, Verb.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.RUNNING, Verb.RETRY): TaskState.WAITING,
    (TaskState.RUNNING, Verb.FAIL): TaskState.FAILED,
    (TaskState.STOPPING, Verb.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.STOPPING, Verb.RETRY): TaskState.WAITING,
    (TaskState.STOPPING, Verb.FAIL): TaskState.FAILED,
    (TaskState.STOPPING, Verb.CANCEL): TaskState.CANCELLED,
    (TaskState.FAILED, Verb.REOPEN): TaskState.WAITING,
    (TaskState.CANCELLED, Verb.REOPEN): TaskState.WAITING,
    (TaskState.SKIPPED, Verb.REOPEN): TaskState.WAITING,
    (TaskState.SUCCEEDED, Verb.REOPEN): TaskState.WAITING,
    (TaskState.WAITING, Verb.VOUCH): TaskState.SUCCEEDED,
    (TaskState.FAILED, Verb.VOUCH): TaskState.SUCCEEDED,
    (TaskState.CANCELLED, Verb.VOUCH): TaskState.SUCCEEDED,
    (TaskState.SKIPPED, Verb.VOUCH): TaskState.SUCCEEDED,
    (TaskState.WAITING, Verb.EXCUSE): TaskState.SKIPPED,
    (TaskState.FAILED, Verb.EXCUSE): TaskState.SKIPPED,
    (TaskState.CANCELLED, Verb.EXCUSE): TaskState.SKIPPED,
}
"""Every step that exists. A pair that is not here is a bug and raises `InvalidTransition`."""


class FailureKind(StrEnum):
    """Why an attempt failed. The exit code of a run is a fold over these."""

    START = "start"
    """It never ran: refused, no such program, no input, start timeout. (Exit code 1.)"""
    EXIT = "exit"
    """It ran and ended badly: exit code, signal, memory. (Exit code 2.)"""
    TIMEOUT = "timeout"
    """It ran longer than it may."""
    LOST = "lost"
    """Its supervisor died and took the outcome along."""
    OUTPUTS = "outputs"
    """It ended well, and a file that it had to leave is not there, not readable or empty."""
    VERIFY = "verify"
    """It ended well, and the check of what it has done did not pass."""
    LATE = "late"
    """Its time was over before it could begin. No attempt ends so. (Exit code 1.)"""


TRIED = frozenset(FailureKind) - {FailureKind.LATE}
"""What attempts fail by, and what another try may follow."""


class StopReason(StrEnum):
    """Why we stop an attempt."""

    CANCEL = "cancel"
    """Somebody cancelled the task or the run."""
    INTERRUPT = "interrupt"
    """The user wants to leave now (second Ctrl-C)."""
    WINDOW = "window"
    """The time window of the step has closed."""
    TIMEOUT = "timeout"
    """It ran longer than it may."""
    START_TIMEOUT = "start_timeout"
    """It took longer to begin than it may."""
    MEMORY = "memory"
    """It passed its memory cap."""
    END = "end"
    """The time that it was to hold is over: this is how it succeeds."""


class RunState(StrEnum):
    """The state of a run: a fold of its tasks (and of its brake)."""

    ACTIVE = "active"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (RunState.ACTIVE, RunState.PAUSED)
