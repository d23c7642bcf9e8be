"""Simulated time and simulated processes: what really happens, whatever the engine believes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

from openbell.clock import SimClock
from openbell.core.events import Exit, Exited, Fact, Lost, Reached, Refused, Started, Unreachable
from openbell.core.model import AttemptKey
from openbell.core.state import Capacity
from openbell.core.states import StopReason
from openbell.executors.protocol import Brief, Orphan, Report
from openbell.sim.scenario import START, Scenario


class Broken(AssertionError):
    """A law does not hold."""


@dataclass(slots=True)
class Process:
    """One attempt as it really is."""

    key: AttemptKey
    brief: Brief
    begun: datetime
    ended: datetime | None = None
    exit: Exit | None = None
    lost: bool = False
    stop: StopReason | None = None


@dataclass(slots=True)
class World:
    """The queue of what will happen, and the truth about every attempt."""

    rng: Random
    scenario: Scenario
    now: datetime = START
    skew: timedelta = timedelta(0)
    jumped: bool = False
    clock: SimClock = field(default_factory=lambda: SimClock(START))
    processes: dict[AttemptKey, Process] = field(default_factory=dict)
    barred: set[AttemptKey] = field(default_factory=set)
    """Attempts that were reported as never begun: they may not begin any more."""
    _queue: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    calm: bool = False
    """No more faults: everything must come to its end now."""
    pace: float = 1.0
    """How much longer than half a minute tasks take at most."""

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do this later."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + timedelta(seconds=seconds), self._count, do))

    def next(self) -> datetime | None:
        return self._queue[0][0] if self._queue else None

    def advance(self, to: datetime) -> None:
        """Let time pass, and everything happen that is due by then."""
        while self._queue and self._queue[0][0] <= to:
            when, _, do = heapq.heappop(self._queue)
            self._set(max(when, self.now))
            do()
        self._set(max(to, self.now))

    def jump(self) -> None:
        """The machine's clock is set, forward or back."""
        self.jumped = True
        self.skew += timedelta(seconds=self.rng.choice((-3600, -60, 60, 3600)))
        self._set(self.now)

    def happens(self, probability: float) -> bool:
        return not self.calm and self.rng.random() < probability

    def alive(self) -> list[Process]:
        return [process for process in self.processes.values() if process.ended is None]

    def _set(self, now: datetime) -> None:
        self.now = now
        self.clock.move(now + self.skew)


class SimExecutor:
    """An executor over simulated processes: reports late, twice, and sometimes not until it is asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._report: Report | None = None
        self._generation = 0

    @property
    def capacity(self) -> Capacity:
        scenario = self._world.scenario
        return Capacity(scenario.slots, scenario.keeps_time, scenario.keeps_start)

    def open(self, report: Report) -> None:
        self._report = report
        self._generation += 1

    def close(self) -> None:
        self._report = None

    def start(self, brief: Brief) -> None:
        world, key = self._world, brief.key
        if key in world.processes:
            raise Broken(f"{key} was started twice")
        if key in world.barred:
            raise Broken(f"{key} was started after it had been reported as never begun")
        for other in world.alive():
            if other.key.task == key.task:
                raise Broken(f"{key} was started while {other.key} lives")
        if world.happens(world.scenario.refuse):
            counted = world.rng.random() < 0.5
            world.barred.add(key)
            self._tell(Refused(world.clock.now(), key.task, key.attempt, "no room", counted, 5.0), 0.1)
            return
        process = world.processes[key] = Process(key, brief, world.now)
        hangs = world.happens(world.scenario.hang) or (brief.step.hold and world.happens(0.6))
        if not (hangs and world.rng.random() < 0.3):
            self._tell(Started(world.clock.now(), key.task, key.attempt, f"p{key}"), world.rng.random())
        elif brief.step.start_timeout and world.scenario.keeps_start:
            seconds = brief.step.start_timeout.total_seconds()
            world.after(seconds, lambda: self._expire(process, StopReason.START_TIMEOUT))
        if world.happens(0.1):
            away = world.rng.uniform(1, 60)
            self._tell(Unreachable(world.clock.now(), key.task, key.attempt, "simulated"), away)
            self._tell(Reached(world.clock.now(), key.task, key.attempt), away + world.rng.uniform(1, 60))
        if not hangs:
            world.after(world.rng.uniform(0.5, 30) * world.pace, lambda: self._end(process))
        if brief.step.timeout and world.scenario.keeps_time:
            world.after(brief.step.timeout.total_seconds(), lambda: self._expire(process))

    def stop(self, key: AttemptKey, reason: StopReason, grace: timedelta) -> None:
        process = self._world.processes.get(key)
        if process is None or process.ended is not None:
            return
        process.stop = process.stop or reason
        late = self._world.rng.uniform(0, grace.total_seconds())
        self._world.after(late, lambda: self._end(process, process.stop))

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        for orphan in orphans:
            process = self._world.processes.get(orphan.key)
            if process is None:
                self._world.barred.add(orphan.key)
                key = orphan.key
                self._tell(Refused(self._world.clock.now(), key.task, key.attempt, "never begun", False), 0)
                continue
            self._tell(Started(self._world.clock.now(), orphan.key.task, orphan.key.attempt, "again"), 0.1)
            if orphan.stop and process.ended is None:
                self.stop(orphan.key, orphan.stop, orphan.step.grace)
            if process.ended is not None:
                self._tell(_outcome(process, self._world.clock.now()), 0.2)

    def settle(self, key: AttemptKey) -> None:
        process = self._world.processes.get(key)
        if process is not None and process.ended is None:
            raise Broken(f"{key} was recorded as over while it lives")

    def wake_the_hanging(self) -> None:
        """Whatever still runs comes to its end soon."""
        for process in self._world.alive():
            self._world.after(self._world.rng.uniform(0.5, 30), partial(self._end, process))

    # ── what really happens ──────────────────────────────────────────────────────────────────

    def _expire(self, process: Process, reason: StopReason = StopReason.TIMEOUT) -> None:
        if process.ended is None:
            self._end(process, reason)

    def _end(self, process: Process, stopped: StopReason | None = None) -> None:
        world = self._world
        if process.ended is not None:
            return
        process.ended = world.now
        process.lost = stopped is None and world.happens(world.scenario.lose)
        code = None if stopped else int(world.happens(world.scenario.fail))
        elapsed = (world.now - process.begun).total_seconds()
        marked = code == 0 and world.happens(0.05)
        process.exit = Exit(
            code,
            elapsed=elapsed,
            stopped=stopped,
            error="" if code == 0 else "simulated",
            ended_after_marker=marked,
            verified=marked and world.happens(0.5),
        )
        fact = _outcome(process, world.clock.now())
        late = world.rng.uniform(0, 90) if world.happens(0.1) else world.rng.random() * 0.2
        self._tell(fact, late)
        while world.happens(world.scenario.duplicate):
            self._tell(fact, world.rng.uniform(0, 200))

    def _tell(self, fact: Fact, late: float) -> None:
        """Report after a while, unless the engine that was to hear it has died by then."""
        generation = self._generation

        def deliver() -> None:
            if self._report is not None and generation == self._generation:
                self._report(fact)

        self._world.after(late, deliver)


def _outcome(process: Process, now: datetime) -> Fact:
    key = process.key
    if process.lost or process.exit is None:
        return Lost(now, key.task, key.attempt, "simulated")
    return Exited(now, key.task, key.attempt, process.exit)
