"""The words for what a step takes in: files that settle, are bound, consumed once, and put away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from openbell.core.matrix import Scalar
from openbell.core.states import FailureKind


class Absent(StrEnum):
    """What becomes of a step whose input does not come."""

    WAIT = "wait"
    """It waits on."""
    SKIP = "skip"
    """It is skipped, with that reason."""
    FAIL = "fail"
    """It fails without a try."""


class Consume(StrEnum):
    """What the engine does with an input after the success that consumed it is durable."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


class InputFile(NamedTuple):
    """One file as it was seen. `key` is the digest of its content: under it the file is consumed once."""

    path: str
    size: int
    mtime_ns: int
    key: str
    role: str = ""
    """`signal` for the file that told that the others are complete; empty for the input itself."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Globs of the files by which a writer tells how far it is. Empty: it does not tell that."""

    complete: str
    start: str = ""
    progress: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """The newest signal of a writer: `phase` is `start`, `progress` or `complete`."""

    phase: str
    at: datetime
    text: str = ""
    since: datetime | None = None
    """When it began, by its newest `start`; None where it has told nothing of that."""

    @property
    def writes(self) -> bool:
        """Whether it has begun, and has not completed."""
        return self.phase != "complete"


@dataclass(frozen=True, slots=True)
class Files:
    """The input gate of a step. Globs are absolute, and may hold templates of the run: `{session}`."""

    globs: tuple[str, ...]
    settle: timedelta = timedelta(seconds=5)
    """A file counts when its size and time have stood still for so long."""
    signal: Signal | None = None
    stalled: timedelta | None = None
    """So long after its last signal a writer that has not completed counts as stuck."""
    timeout: timedelta | None = None
    """So long a missing input is waited for before `absent` decides; None: not at all."""
    absent: Absent = Absent.WAIT
    consume: Consume = Consume.KEEP
    archive: str = "archive"
    """Folder for `consume: archive`, beside each file. May hold templates."""
    axis: str = ""
    """The axis of the step's matrix that takes one file per cell; empty: every cell takes all of them."""
    bound: tuple[InputFile, ...] | None = None
    """The files that the step has taken; None before that."""
    bound_at: datetime | None = None

    @property
    def templates(self) -> tuple[str, ...]:
        """Every text of it that may hold fields."""
        signal = (self.signal.complete, self.signal.start, self.signal.progress) if self.signal else ()
        return (*self.globs, *signal, self.archive)


@dataclass(frozen=True, slots=True)
class Lookout:
    """What a sensor is asked to look for: patterns without templates."""

    globs: tuple[str, ...]
    settle: timedelta
    signal: Signal | None = None
    count: int = 0
    """Counts up when what was seen may be old: then everything is told once more."""


WaitingFor = tuple[str, str]
"""Run and step of a gate that waits for files."""


# ── events: actions and facts about inputs ───────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Bind:
    """The values of this step's open axes, and the files that it takes, are these from here on."""

    at: datetime
    run: str
    step: str
    values: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    files: tuple[InputFile, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """The waiting cells of this step have failed without a try: what they need has not come in time."""

    at: datetime
    run: str
    step: str
    reason: str
    kind: FailureKind = FailureKind.START

    def covers(self, cell: int) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True, slots=True)
class Clear:
    """Put a consumed file away. Its consumption is durable before that."""

    at: datetime
    run: str
    step: str
    file: InputFile
    consume: Consume
    folder: str
    """Where `archive` puts it, absolute."""


@dataclass(frozen=True, slots=True)
class FilesSeen:
    """What is there for a step that waits for files, as a sensor sees it."""

    at: datetime
    run: str
    step: str
    files: tuple[InputFile, ...] = ()
    """Those that have settled and that no run has consumed, oldest first."""
    unsettled: int = 0
    """How many are there that may still be written."""
    told: Told | None = None
    """The newest signal of their writer, where it gives signals."""
    consumed: int = 0
    """How many are there that runs of this pipeline have consumed before."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What is there for a trigger that waits for files: settled ones, of which none has opened a run yet."""

    at: datetime
    pipeline: str
    trigger: str
    files: tuple[InputFile, ...]
    told: Told | None = None
    """The newest signal of their writer, where it gives signals."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """A consumed file has been put away, or, with an `error`, could not be."""

    at: datetime
    run: str
    step: str
    path: str
    key: str
    note: str = ""
    """Where it is now, or why it was left alone."""
    error: str = ""


# ── what is known of them ────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Intake:
    """What a step that takes in files knows about them, beyond what its definition holds."""

    seen: FilesSeen | None = None
    """What its sensor has seen last; None before the first look, and when that may be old."""
    since: datetime | None = None
    """When it began to wait for them."""
    count: int = 0
    """How often what was seen has become old."""
    spent: dict[str, str] = field(default_factory=dict)
    """Keys of bound files that have been consumed -> the run that did."""
    withheld: set[int] = field(default_factory=set)
    """Cells whose success uses nothing up: they were ended after their marker, and not verified."""


@dataclass(slots=True)
class Chore:
    """A consumed file that has to be put away."""

    run: str
    step: str
    file: InputFile
    consume: Consume
    folder: str
    ordered: bool = False
    error: str = ""
    """Why it could not be: nobody waits for it, and the next engine tries again."""
