"""What people ask of the engine: through the command line, a signal, and later the API.

A request is durable before it is answered, and carries an id of its asker: asking twice with the
same id is asking once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openbell.core.model import Forced, Pipeline
from openbell.core.provenance import UNKNOWN, Provenance
from openbell.core.retention import Part
from openbell.core.states import TaskState


class Only(StrEnum):
    """Which final tasks a rerun opens again."""

    FAILED = "failed"
    MISSING = "missing"
    """Everything that has not succeeded."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Run this pipeline: resume the unfinished run of the same digest, else open a new one."""

    pipeline: Pipeline
    digest: str
    origin: str = ""
    new: bool = False
    """Open a new run even where one of this digest succeeded."""
    reopen: bool = True
    """Of a run that has ended, open again what is missing; otherwise leave it and open a new run."""
    only: Only = Only.MISSING
    exclusive: bool = False
    """Refuse while another run of the same name is under way (they would share names and outputs)."""
    forced: Forced | None = None
    """Start whatever there is room for: needs, times and windows do not count. None: they do (again)."""
    key: str = ""
    """The logical key of a run that a trigger opens; empty: it is counted."""
    provenance: Provenance = UNKNOWN


@dataclass(frozen=True, slots=True)
class RetryTasks:
    """Reopen final tasks of a run: a new generation of each."""

    run: str
    only: Only = Only.FAILED
    step: str | None = None
    cell: int | None = None
    actor: str = ""
    downstream: bool = True
    """Whether what was made without them is made again when they succeed."""


@dataclass(frozen=True, slots=True)
class MarkTasks:
    """Say of a step or of one cell that it has succeeded, or is skipped, whatever its attempts came to."""

    run: str
    step: str
    outcome: TaskState
    reason: str
    cell: int | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class CancelTasks:
    """Cancel a run, a step of it, or one cell: stop what runs, never start what waits."""

    run: str
    step: str | None = None
    cell: int | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class PauseRun:
    """Start nothing more of this run; what runs ends by itself."""

    run: str
    reason: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Lift the brake of `PauseRun`."""

    run: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class HaltRun:
    """Stop what runs, now, and leave the rest of the run for later."""

    run: str
    reason: str
    actor: str = ""


@dataclass(frozen=True, slots=True)
class AckAlert:
    """Somebody sees to this alert of a run: it does not escalate."""

    run: str
    alert: int
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PruneRuns:
    """Let go of these runs, or of parts of them, for good. What is needed by what is under way stays."""

    runs: tuple[str, ...]
    parts: tuple[Part, ...]
    actor: str = ""
    reason: str = ""
    before: datetime | None = None
    """What is about no run goes as well where it is older."""

    @property
    def run(self) -> str:
        """It is about no single run."""
        return ""


Request = (
    Submit | RetryTasks | MarkTasks | CancelTasks | PauseRun | ResumeRun | HaltRun | AckAlert | PruneRuns
)
