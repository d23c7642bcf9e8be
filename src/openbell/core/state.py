"""What the engine knows: runs, their steps' cells (one byte each), the attempts that live.

Everything here is written by `evolve` (and filled by the store at recovery), nowhere else.
The tasks of one step differ only in when they may run again, so they are kept as a group:
`decide` asks the gates once per group and never looks at a million cells.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openbell.core.durations import Durations
from openbell.core.events import Fire
from openbell.core.graph import topological
from openbell.core.links import Link, links
from openbell.core.model import Pipeline, Run, Step, TaskKey
from openbell.core.requests import Request
from openbell.core.states import FailureKind, RunState, StopReason, TaskState
from openbell.market import Market

DELAYED = 8
"""Byte of a cell that waits for its `not_before`. To everybody else it is WAITING."""

HELD = 9
"""Byte of a cell that waits for another cell. To everybody else it is WAITING."""

_COUNTS = 10
_WAITING = bytes([TaskState.WAITING])
_STATES = bytes(code if code < DELAYED else TaskState.WAITING for code in range(256))
_HOLDING = bytes(HELD if code in (TaskState.WAITING, DELAYED) else code for code in range(256))


@dataclass(slots=True)
class Live:
    """An attempt that holds a slot."""

    attempt: int
    state: TaskState
    since: datetime
    """When its start was decided."""
    started: datetime | None = None
    handle: str = ""
    stop: StopReason | None = None
    unreachable_since: datetime | None = None
    heard: int = 0
    """How far its worker's reports have been recorded."""


class Group:
    """The tasks of one step of one run."""

    __slots__ = (
        "base",
        "codes",
        "counts",
        "cursor",
        "delayed",
        "doomed",
        "due",
        "followers",
        "kinds",
        "links",
        "live",
        "step",
        "tries",
    )

    def __init__(self, step: Step, rest: TaskState = TaskState.WAITING) -> None:
        size = len(step.matrix)
        self.step = step
        self.codes = bytearray([rest]) * size
        self.tries = array("I", bytes(4 * size))
        self.counts = [0] * _COUNTS
        self.counts[rest] = size
        self.cursor = 0
        self.base: dict[int, int] = {}
        """Attempts that do not count against the bound: earlier generations, never-begun ones."""
        self.due: dict[int, datetime] = {}
        self.delayed: list[tuple[datetime, int]] = []
        """Heap over `due`; entries that `due` no longer holds are stale and passed over."""
        self.live: dict[int, Live] = {}
        self.kinds: dict[int, FailureKind] = {}
        self.links: list[Link] = []
        """How its cells wait for others."""
        self.followers: list[tuple[Link, Group]] = []
        """The groups whose cells wait for cells of this one."""
        self.doomed: dict[int, None] = {}
        """Waiting cells, in the order in which this was found, whose other cell ended without success."""

    @property
    def size(self) -> int:
        return len(self.codes)

    @property
    def waiting(self) -> int:
        return self.counts[TaskState.WAITING] + self.counts[DELAYED] + self.counts[HELD]

    def count(self, state: TaskState) -> int:
        """Number of tasks in this state."""
        return self.waiting if state is TaskState.WAITING else self.counts[state]

    @property
    def closed(self) -> bool:
        """Every task is final."""
        return not self.waiting and not self.live

    @property
    def begun(self) -> bool:
        """Something of it has been tried. Looks at every task: not for the common path."""
        return max(self.tries, default=0) > 0

    def state(self, cell: int) -> TaskState:
        code = self.codes[cell]
        return TaskState(code) if code < DELAYED else TaskState.WAITING

    def states(self) -> bytes:
        """The states of all cells, one byte each."""
        return bytes(self.codes.translate(_STATES))

    def spent(self, cell: int) -> int:
        """Attempts of this generation that count."""
        return self.tries[cell] - self.base.get(cell, 0)

    def next_due(self) -> datetime | None:
        """When the first delayed task may run. (`put` keeps the head of the heap valid.)"""
        return self.delayed[0][0] if self.delayed else None

    def ready(self, now: datetime) -> Iterator[int]:
        """Waiting cells that may start, retries first, then in matrix order. Reads only."""
        yield from self._ripe(now)
        if not self.counts[TaskState.WAITING]:
            return
        cell = self.codes.find(_WAITING, self.cursor)
        while cell >= 0:
            yield cell
            cell = self.codes.find(_WAITING, cell + 1)

    def _ripe(self, now: datetime) -> Iterator[int]:
        """Delayed cells whose time has come, in order: k of them cost O(k log k), whatever waits behind."""
        seen: set[int] = set()
        frontier = [(self.delayed[0], 0)] if self.delayed else []
        while frontier:
            (when, cell), position = heapq.heappop(frontier)
            if when > now:
                return
            if self._delays(cell, when) and cell not in seen:
                seen.add(cell)
                yield cell
            for child in (2 * position + 1, 2 * position + 2):
                if child < len(self.delayed):
                    heapq.heappush(frontier, (self.delayed[child], child))

    # ── written by evolve and by the store's loader ──────────────────────────────────────────

    def put(self, cell: int, state: TaskState, not_before: datetime | None = None) -> None:
        """Set one cell. `not_before` delays a waiting one."""
        code = DELAYED if not_before is not None else int(state)
        self.due.pop(cell, None)
        self.doomed.pop(cell, None)
        if not_before is not None:
            self.due[cell] = not_before
        self._set(cell, code)
        if code == TaskState.WAITING:
            self.cursor = min(self.cursor, cell)
        elif code == TaskState.STARTING:
            self._advance()
        if state is not TaskState.FAILED:
            self.kinds.pop(cell, None)

    def hold(self, cell: int) -> None:
        """A waiting cell waits for another one."""
        self._set(cell, HELD)

    def hold_all(self) -> None:
        """Every waiting cell waits for another one."""
        self.codes = self.codes.translate(_HOLDING)
        self.counts[HELD] = self.waiting
        self.counts[TaskState.WAITING] = self.counts[DELAYED] = 0
        self.delayed.clear()
        self.doomed.clear()

    def release(self, cell: int) -> None:
        """A waiting cell waits for no other cell any more."""
        self.doomed.pop(cell, None)
        if self.codes[cell] == HELD:
            self._set(cell, DELAYED if cell in self.due else int(TaskState.WAITING))
            self.cursor = min(self.cursor, cell)

    def release_all(self) -> None:
        """No cell waits for another one."""
        cell = self.codes.find(HELD)
        while cell >= 0:
            self.release(cell)
            cell = self.codes.find(HELD, cell + 1)

    def put_all(self, states: tuple[TaskState, ...], to: TaskState) -> None:
        """Move every cell that is in one of `states`, at the speed of bytes."""
        codes = {int(state) for state in states}
        if TaskState.WAITING in states:
            codes |= {DELAYED, HELD}
        self.codes = self.codes.translate(bytes(int(to) if c in codes else c for c in range(256)))
        for code in codes - {int(to)}:
            self.counts[to] += self.counts[code]
            self.counts[code] = 0
        if DELAYED in codes:
            self.doomed.clear()
            self.due.clear()
            self.delayed.clear()
        if TaskState.FAILED in states:
            self.kinds.clear()
        if to is TaskState.WAITING:
            self.cursor = 0

    def _set(self, cell: int, code: int) -> None:
        self.counts[self.codes[cell]] -= 1
        self.counts[code] += 1
        self.codes[cell] = code
        if code == DELAYED:
            heapq.heappush(self.delayed, (self.due[cell], cell))
        while self.delayed and not self._delays(self.delayed[0][1], self.delayed[0][0]):
            heapq.heappop(self.delayed)

    def _delays(self, cell: int, when: datetime) -> bool:
        """Whether an entry of the heap holds (still)."""
        return self.codes[cell] == DELAYED and self.due.get(cell) == when

    def _advance(self) -> None:
        found = self.codes.find(_WAITING, self.cursor)
        self.cursor = found if found >= 0 else self.size


class RunRecord:
    """One run: its definition, its groups in topological order, its brake."""

    __slots__ = (
        "durations",
        "forgiven",
        "groups",
        "last_end",
        "outcome",
        "paused",
        "run",
        "stalled",
        "version",
    )

    def __init__(self, run: Run, rests: Mapping[str, TaskState] | None = None) -> None:
        """`rests`: the state in which the cells of a step are, where that is not WAITING."""
        self.run = run
        self.groups = {
            name: Group(run.step(name), (rests or {}).get(name, TaskState.WAITING))
            for name in topological(run.pipeline.steps)
        }
        self._link()
        self.paused = ""
        self.forgiven = 0
        """Failures that were there when somebody last asked for another try of something."""
        self.outcome: RunState | None = None
        self.durations = Durations()
        self.last_end = run.opened_at
        """When a task of it ended last; the run's start before that."""
        self.stalled = False
        self.version = 0
        """Counts the events about this run that this engine has seen."""

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def state(self) -> RunState:
        return self.outcome or (RunState.PAUSED if self.paused else RunState.ACTIVE)

    @property
    def live(self) -> int:
        """Attempts that hold a slot."""
        return sum(len(group.live) for group in self.groups.values())

    @property
    def size(self) -> int:
        return sum(group.size for group in self.groups.values())

    def count(self, state: TaskState) -> int:
        return sum(group.count(state) for group in self.groups.values())

    @property
    def tripped(self) -> bool:
        """`max_failures` final failures have happened since somebody last asked for another try."""
        limit = self.run.pipeline.max_failures
        return limit is not None and self.count(TaskState.FAILED) - self.forgiven >= max(1, limit)

    @property
    def complete(self) -> bool:
        """Every task is final."""
        return all(group.closed for group in self.groups.values())

    def amend(self, run: Run) -> None:
        """Take over a definition of the same shape, or its conditions lifted."""
        self.run = run
        for name, group in self.groups.items():
            group.step = run.step(name)
        self._link()

    def _link(self) -> None:
        """Tell each group which others its cells wait for, and whose cells wait for its own."""
        for group in self.groups.values():
            group.links = links(group.step, lambda name: self.groups[name].step.matrix)
            group.followers = []
        for group in self.groups.values():
            for link in group.links:
                self.groups[link.upstream].followers.append((link, group))


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one executor can hold. `keeps_time`: it enforces timeouts itself, by a monotonic clock."""

    slots: int
    keeps_time: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What there is to share out: executors by name, and pools (`memory` in bytes, others by count)."""

    executors: Mapping[str, Capacity] = field(default_factory=dict)
    pools: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pipeline whose triggers are heeded. `market` is that of the pipeline, where it has one."""

    pipeline: Pipeline
    market: Market | None = None


@dataclass(slots=True)
class State:
    """All that `decide` looks at."""

    limits: Limits = field(default_factory=Limits)
    runs: dict[str, RunRecord] = field(default_factory=dict)
    requests: dict[str, tuple[Request, str]] = field(default_factory=dict)
    """Pending requests: id -> (request, the run it means)."""
    space_low: bool = False
    epoch: int = 0
    led_at: datetime | None = None
    """When the engine took the lead."""
    schedules: Mapping[str, Schedule] | None = None
    """The pipelines that open runs by themselves; None for an engine that only carries out requests."""
    positions: dict[tuple[str, str], str] = field(default_factory=dict)
    """How far each trigger (pipeline, trigger) has been dealt with: an instant, or the label of a session."""
    fired: dict[str, Fire] = field(default_factory=dict)
    """Occasions that have come, by the run that is to be opened for each."""
    ended: dict[str, dict[str, RunState]] = field(default_factory=dict)
    """How the latest runs ended, by pipeline and label: for triggers that wait for them."""

    def rivals(self, name: str) -> list[str]:
        """Runs of a pipeline that are under way, or about to be opened."""
        under_way = [
            record.id
            for record in self.runs.values()
            if record.run.pipeline.name == name
            and record.outcome is None
            and (record.live or not record.paused)
        ]
        return under_way + [fire.run for fire in self.fired.values() if fire.pipeline == name]

    def live(self, task: TaskKey, attempt: int) -> Live | None:
        """The live attempt of that number, or None: then a report about it is stale."""
        record = self.runs.get(task.run)
        group = record.groups.get(task.step) if record else None
        live = group.live.get(task.cell) if group else None
        return live if live is not None and live.attempt == attempt else None
