"""The words of the core as frozen records: what a user defines, and what a run of it is.

A sweep is a step with a matrix, a stage is a step with needs: one model carries all of them.
Everything here is plain data (JSON scalars, tuples, aware datetimes) and survives a round trip
through the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import IntEnum, StrEnum
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from openbell.core.alerts import NOBODY, Alerts, Deadline
from openbell.core.fallbacks import HOLDS_UP
from openbell.core.fallbacks import LAST_SUCCESS as LAST_SUCCESS
from openbell.core.fallbacks import OnFailure as OnFailure
from openbell.core.fallbacks import Past as Past
from openbell.core.freshness import Required
from openbell.core.history import Batch as Batch
from openbell.core.history import Replay as Replay
from openbell.core.inputs import Absent, Files
from openbell.core.matrix import SINGLE, Matrix, Scalar
from openbell.core.provenance import UNKNOWN, Provenance
from openbell.core.relations import Need as Need
from openbell.core.relations import NeedMode as NeedMode
from openbell.core.states import TRIED, FailureKind
from openbell.core.triggers import Trigger
from openbell.core.work import Cache as Cache
from openbell.core.work import Call as Call
from openbell.core.work import Command as Command
from openbell.core.work import Marker as Marker
from openbell.core.work import Script as Script
from openbell.core.work import Work as Work


class TaskKey(NamedTuple):
    """One task: a cell of a step of a run. `cell` is its index in the step's matrix."""

    run: str
    step: str
    cell: int

    def __str__(self) -> str:
        return f"{self.run}/{self.step}/{self.cell}"


class AttemptKey(NamedTuple):
    """One try of a task; attempts count from 1. The text form is also the name of a remote query."""

    run: str
    step: str
    cell: int
    attempt: int

    @property
    def task(self) -> TaskKey:
        return TaskKey(self.run, self.step, self.cell)

    def __str__(self) -> str:
        return f"{self.run}/{self.step}/{self.cell}#{self.attempt}"


EXECUTORS = ("process", "ray", "deephaven")
"""Names of the places where attempts can run."""

RUNTIMES = ("python", "deephaven-core")
"""What a worker script finds around it: plain Python, or the embedded engine with `db`."""


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed attempt is followed by another one.

    The n-th retry waits `delay * backoff**(n-1)`, at most `max_delay`, spread by up to `jitter`
    (a fraction, deterministic per task and attempt).
    """

    attempts: int = 1
    delay: timedelta = timedelta(seconds=1)
    backoff: float = 2.0
    max_delay: timedelta = timedelta(minutes=10)
    jitter: float = 0.1
    on: frozenset[FailureKind] = TRIED


class Priority(IntEnum):
    """Who gets a slot first. Lower runs earlier."""

    CRITICAL = 0
    STANDARD = 1
    OPTIONAL = 2


@dataclass(frozen=True, slots=True)
class Demand:
    """What one task of a step takes from the pools while it lives.

    `memory` is in bytes. It is a reservation; with `memory_cap` it is also enforced.
    """

    cpu: float = 1.0
    memory: int = 0
    memory_cap: bool = True
    pools: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """A daily window in a time zone, on every day or on the business days of a calendar.

    Attempts start inside it only, and are stopped when it closes.
    """

    start: time
    stop: time
    tz: str
    calendar: str
    business_days: bool = True


class Late(StrEnum):
    """What becomes of a step whose time in its session's day has passed."""

    RUN = "run"
    """It runs all the same, on the data of its own session."""
    SKIP = "skip"
    """It is skipped, with that reason, unless it had begun in its time."""
    FAIL = "fail"
    """It fails with that reason, unless it had begun in its time."""


class Overlap(StrEnum):
    """What becomes of an occasion whose predecessor still runs."""

    FORBID = "forbid"
    """It is missed, and recorded so."""
    QUEUE = "queue"
    """It waits for its turn."""
    ALLOW = "allow"
    """Both run."""
    REPLACE = "replace"
    """The predecessor is cancelled, and makes room."""


class Opening(NamedTuple):
    """A stretch in which a step may start: from `start`, before `end`; without an end, from `start` on."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A node of a pipeline: what to run, its gates, its matrix, its retry policy."""

    name: str
    work: Work
    needs: tuple[Need, ...] = ()
    matrix: Matrix = SINGLE
    sequential: str = ""
    """The axis whose cells run in order, each after its predecessor has succeeded; empty: in any order."""
    retry: Retry = Retry()
    on_failure: OnFailure = HOLDS_UP
    partial: bool = False
    """Whether those who need all of it are content with some: one that succeeded among others that failed."""
    timeout: timedelta | None = None
    start_timeout: timedelta | None = None
    grace: timedelta = timedelta(seconds=10)
    priority: Priority = Priority.STANDARD
    demand: Demand = Demand()
    executor: str = "process"
    runtime: str = "python"
    """What its script finds around it, where it does not run on Enterprise."""
    heap_gb: float | None = None
    """The heap of its Java virtual machine, where it has one."""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    """Of its executor, over those of the pipeline."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Values may hold `${VAR}` references: they are resolved when an attempt starts, never stored."""
    mode: Replay | Batch | None = None
    preload: tuple[str, ...] = ()
    window: Window | None = None
    openings: tuple[Opening, ...] = ()
    """Its times in the day of the run's own session, in order; empty: any time."""
    late: Late = Late.RUN
    absent: str = ""
    """Why it has no time at all in this session, which skips it: a half day has no lunch."""
    stop_at: datetime | None = None
    """What still runs then is stopped, and what still waits is cancelled."""
    files: Files | None = None
    """What it takes in; None: nothing that anybody watches for."""
    requires: tuple[Required, ...] = ()
    """Data sets that have to be fresh."""
    provides: tuple[str, ...] = ()
    """Data sets that are fresh when every task of it has succeeded."""
    empty: Absent = Absent.SKIP
    """What becomes of it when an axis that is made from results has no value."""
    alerts: Alerts = NOBODY
    """Who is told of its failure, and of its success."""
    hold: bool = False
    """It runs for all of its time: tried again when it crashes, stopped at the end, and then succeeded."""
    query_name: str = ""
    """Template of the name that remote queries and QUERY_NAME bear; empty: the attempt's id."""
    outputs: tuple[str, ...] = ()
    """Templates of files that an attempt has to leave, or it has failed."""
    verify: Command | Call | None = None
    """What has to pass before a success is one."""
    done_when: Marker | None = None
    checkpoint: bool = False
    """The folder that outlives the attempts of a task is there when they begin."""
    cache: Cache | None = None

    @property
    def templates(self) -> tuple[str, ...]:
        """Every text of it that may hold fields, those about its inputs aside."""
        words = (work.argv for work in (self.work, self.verify) if isinstance(work, Command))
        kept = self.cache.inputs if self.cache else ()
        return (*chain.from_iterable(words), *self.outputs, *kept, self.query_name)

    @property
    def hosted(self) -> bool:
        """Whether its attempts are given, one after the other, to a worker that is kept warm."""
        return isinstance(self.work, Call) or self.runtime != "python"

    @property
    def ends(self) -> datetime | None:
        """When a step that holds is stopped; None for all others."""
        known = (self.stop_at, self.openings[-1].end if self.openings else None)
        return min((at for at in known if at is not None), default=None) if self.hold else None

    def freed(self) -> Step:
        """The step without its conditions: it starts when there is room. Who adds one, lifts it here."""
        return replace(
            self,
            needs=(),
            sequential="",
            window=None,
            openings=(),
            late=Late.RUN,
            absent="",
            stop_at=self.ends,
            requires=(),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which part of its definition a pipeline is: the mode, and the steps that were named."""

    mode: str = ""
    """Empty where the definition has no modes."""
    steps: tuple[str, ...] = ()
    """As they were named: `book`, `+book` with all that it needs, `book+` with all that needs it."""
    left_out: tuple[str, ...] = ()
    """Steps of the definition that are no part of it."""
    dropped: tuple[tuple[str, str], ...] = ()
    """(step, need): needs on steps that were left out. They are not waited for."""
    unbacked: tuple[tuple[str, str], ...] = ()
    """(step, stand-in): fallbacks that were left out."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A named, validated definition. `name` is safe in paths, `title` is what the user wrote."""

    name: str
    steps: tuple[Step, ...]
    title: str = ""
    market: str | None = None
    tz: str = "UTC"
    concurrency: int | None = None
    max_failures: int | None = None
    folder: str = "."
    """Absolute folder of the file: the working directory of its tasks."""
    source: str = ""
    """The file that the definition was read from."""
    python: str | None = None
    """Interpreter of the workers; None: openbell's own."""
    params: Mapping[str, Scalar] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    """Folder of each data namespace."""
    output: str = ""
    """The folder of results."""
    settings: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    """Settings of executors, by executor; secrets in there stay `${VAR}` references."""
    sessions: Mapping[str, str] = field(default_factory=dict)
    """The session that this is bound to, as `session`, and those near it: `session-1`."""
    calendars: Mapping[str, str] = field(default_factory=dict)
    """Digest of each market whose sessions went into it."""
    triggers: tuple[Trigger, ...] = ()
    """What opens runs of it by itself, while a daemon leads."""
    catch_up: int = 1
    """After the engine was down: so many of the last occasions are made up for, the others are missed."""
    overlap: Overlap | None = None
    """None: sessions wait for the one before them, slots of a clock are missed (docs/adr/0007)."""
    alerts: Alerts = NOBODY
    """Who is told how its runs end."""
    deadline: Deadline | None = None
    """By when its runs have to have ended."""
    choice: Choice = Choice()

    def step(self, name: str) -> Step:
        """The step of that name. KeyError when there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def takes_files(self) -> bool:
        """Whether it takes something in, so that it has more to do when it has been run."""
        return any(step.files is not None for step in self.steps)

    @property
    def shown(self) -> str:
        """The name to show: what the user wrote."""
        return self.title or self.name

    @property
    def size(self) -> int:
        """Number of tasks of one run."""
        return sum(len(step.matrix) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Forced:
    """Somebody's word that the conditions of a run do not count. `by`: user and host."""

    by: str
    reason: str = ""

    def __str__(self) -> str:
        return f"by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Run:
    """One occurrence of a pipeline for one logical key."""

    id: str
    pipeline: Pipeline
    digest: str
    opened_at: datetime
    origin: str = ""
    """Who asked: user, host and command."""
    forced: Forced | None = None
    """Who has lifted its conditions; None: they count."""
    provenance: Provenance = UNKNOWN

    def step(self, name: str) -> Step:
        """The step as it counts in this run. KeyError when there is none."""
        step = self.pipeline.step(name)
        return step.freed() if self.forced else step

    @property
    def uid(self) -> str:
        """A UUID that follows from the run: the same for everybody, another in every project."""
        text = "\n".join((self.id, self.digest, self.opened_at.isoformat(), self.origin))
        found = blake2b(text.encode(), digest_size=16).hexdigest()
        return "-".join((found[:8], found[8:12], f"8{found[13:16]}", f"9{found[17:20]}", found[20:]))


def run_name(run_id: str) -> tuple[str, str]:
    """Pipeline name and key of a run id such as `momentum/3`."""
    name, _, key = run_id.rpartition("/")
    return name, key
