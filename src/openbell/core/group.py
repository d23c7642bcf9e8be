"""The tasks of one step of one run: a byte of state for each, and the few that live or wait for a time.

Written by `evolve`, and by the store's loader at recovery; read by everybody else.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.core.inputs import Intake
from openbell.core.lanes import WHOLE, Lanes, lane, lanes
from openbell.core.links import Link
from openbell.core.model import Step
from openbell.core.states import FailureKind, StopReason, TaskState

DELAYED = 8
"""Byte of a cell that waits for its `not_before`. To everybody else it is WAITING."""

HELD = 9
"""Byte of a cell that waits for another cell. To everybody else it is WAITING."""

MARKED = 1
"""Flag of a cell that is what somebody has said, and not what an attempt has come to."""

OUTDATED = 2
"""Flag of a cell that began before what it was given became better."""

_COUNTS = 10
_CALM = int(TaskState.WAITING)
_WAITING = bytes([TaskState.WAITING])
_STATES = bytes(code if code < DELAYED else TaskState.WAITING for code in range(256))
_DIGITS = bytes(ord("0") + code for code in _STATES[:DELAYED]) + bytes([ord("0")]) * (256 - DELAYED)
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
        "_took",
        "base",
        "behind",
        "codes",
        "consumers",
        "counts",
        "cursor",
        "delayed",
        "doomed",
        "due",
        "earlier",
        "error",
        "fallback",
        "flags",
        "followers",
        "intake",
        "kinds",
        "lanes",
        "links",
        "live",
        "marked",
        "outdated",
        "outdates",
        "predicted",
        "refused",
        "results",
        "stand_in",
        "stands_in_for",
        "step",
        "tries",
        "without",
    )

    def __init__(self, step: Step, rest: TaskState = TaskState.WAITING) -> None:
        self.intake = Intake() if step.files else None
        self.refused = ""
        """Why its tasks have failed without a try."""
        self.results: dict[int, Mapping[str, Any]] = {}
        """What successful cells have reported, where an axis of another step is made from it."""
        self.stand_in: Group | None = None
        """The group that runs when this one has failed."""
        self.stands_in_for: list[Group] = []
        self.earlier = ""
        """The run of its last success, where it may fall back on that and there is one."""
        self.fallback = ""
        """The run with whose results those who need it go on, because it has failed."""
        self.without = ""
        """What it was made without, as far as this engine has seen it: for texts only."""
        self._took: Mapping[str, float] = {}
        self.predicted = 0.0
        """Seconds that a task of it will take, by earlier runs; 0 where nothing is known."""
        self.outdates = False
        """Whether a success of it puts out of date what was made without: it has been opened again."""
        self._lay(step, rest)

    def _lay(self, step: Step, rest: TaskState) -> None:
        size = len(step.matrix)
        self.step = step
        self.codes = bytearray([rest]) * size
        self.tries = array("I", bytes(4 * size))
        self.flags = bytearray(size)
        """What else is known of each cell: `MARKED`, `OUTDATED`."""
        self.marked = self.outdated = 0
        """How many cells have that flag."""
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
        self.error = ""
        """What the last failure was, as far as this engine has seen it: for texts only."""
        self.lanes: Lanes | None = None
        """The order in which its cells start; None: that of the matrix."""
        self.links: list[Link] = []
        """How its cells wait for others."""
        self.followers: list[tuple[Link, Group]] = []
        """The groups whose cells wait for cells of this one."""
        self.behind: list[Group] = []
        """The groups of which it needs the end, where nothing comes of it before one of them has ended."""
        self.consumers: list[Group] = []
        """The groups that wait for what this one comes to as a whole."""
        self.doomed: dict[int, None] = {}
        """Waiting cells, in the order in which this was found, whose other cell ended without success."""

    @property
    def size(self) -> int:
        return len(self.codes)

    @property
    def unbound(self) -> bool:
        """Its files or the values of one of its axes are not known yet: nothing of it can start."""
        files = self.step.files
        return self.step.matrix.open or (files is not None and files.bound is None)

    def bind(self, step: Step) -> None:
        """Take over a definition with bound files and axes. Cells of another matrix begin anew."""
        if step.matrix != self.step.matrix:
            self._lay(step, TaskState.WAITING)
        self.step = step

    @property
    def waiting(self) -> int:
        counts = self.counts  # asked for several times for every step, every turn
        return counts[_CALM] + counts[DELAYED] + counts[HELD]

    def count(self, state: TaskState) -> int:
        """Number of tasks in this state."""
        return self.waiting if state is TaskState.WAITING else self.counts[state]

    @property
    def closed(self) -> bool:
        """Every task is final."""
        return not self.live and not self.waiting

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

    @property
    def digits(self) -> str:
        """The states of all cells, one digit each."""
        return self.codes.translate(_DIGITS).decode()

    def spent(self, cell: int) -> int:
        """Attempts of this generation that count."""
        return self.tries[cell] - self.base.get(cell, 0)

    def next_due(self) -> datetime | None:
        """When the first delayed task may run. (`put` keeps the head of the heap valid.)"""
        return self.delayed[0][0] if self.delayed else None

    def ready(self, now: datetime) -> Iterator[int]:
        """Waiting cells that may start: retries first, then by lanes, or in matrix order. Reads only."""
        yield from self._ripe(now)
        if not self.counts[TaskState.WAITING]:
            return
        if self.lanes is not None:
            yield from self.lanes.waiting(self.codes)
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
        if state is TaskState.WAITING:
            self._forget(cell)
        if code == TaskState.WAITING:
            self._back(cell)
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
            self._back(cell)

    def release_all(self) -> None:
        """No cell waits for another one."""
        cell = self.codes.find(HELD)
        while cell >= 0:
            self.release(cell)
            cell = self.codes.find(HELD, cell + 1)

    def flag(self, cell: int, flag: int) -> None:
        """Set a flag of a cell."""
        if not self.flags[cell] & flag:
            self.flags[cell] |= flag
            self.marked += flag == MARKED
            self.outdated += flag == OUTDATED

    def unflag(self, cell: int) -> None:
        """Take all flags from a cell."""
        self.marked -= self.flags[cell] & MARKED != 0
        self.outdated -= self.flags[cell] & OUTDATED != 0
        self.flags[cell] = 0

    def _forget(self, cell: int) -> None:
        """A cell that waits has come to nothing yet."""
        if self.flags[cell]:
            self.unflag(cell)
        self.results.pop(cell, None)
        if self.intake is not None:
            self.intake.withheld.discard(cell)

    def flagged(self, flag: int) -> Iterator[int]:
        """The cells with this flag."""
        if self.marked if flag == MARKED else self.outdated:
            yield from (cell for cell, found in enumerate(self.flags) if found & flag)

    def put_all(self, states: tuple[TaskState, ...], to: TaskState) -> None:
        """Move every cell that is in one of `states`, at the speed of bytes. What is marked stays."""
        if self.marked and any(self.state(cell) in states for cell in self.flagged(MARKED)):
            for cell in range(self.size):
                if self.state(cell) in states and not self.flags[cell] & MARKED:
                    self.put(cell, to)
            return
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
            self.line_up(self._took)
            for cell in {
                *self.flagged(OUTDATED),
                *self.results,
                *(self.intake.withheld if self.intake else ()),
            }:
                if self.codes[cell] == TaskState.WAITING:
                    self._forget(cell)

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

    def line_up(self, took: Mapping[str, float]) -> None:
        """Order the cells anew by what earlier runs took, unless they wait for each other."""
        self._took = took
        self.predicted = took.get(WHOLE, 0.0)
        self.lanes = lanes(self.step.matrix, took) if took and not self.links else None
        self.cursor = 0

    @property
    def longest(self) -> float:
        """Seconds that the longest task that waits will take; 0 where nothing is known."""
        return self.lanes.longest if self.lanes is not None else self.predicted

    def expected(self, cell: int) -> float:
        """Seconds that this task will take, by earlier runs; 0 where nothing is known."""
        return self._took.get(lane(self.step.matrix, cell), self.predicted) if self._took else 0.0

    def _advance(self) -> None:
        if self.lanes is not None:
            self.lanes.advance(self.codes)
        found = self.codes.find(_WAITING, self.cursor)
        self.cursor = found if found >= 0 else self.size

    def _back(self, cell: int) -> None:
        self.cursor = min(self.cursor, cell)
        if self.lanes is not None:
            self.lanes.back(cell)
