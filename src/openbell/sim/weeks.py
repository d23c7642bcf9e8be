"""Plays timetables: a daemon's engine lives, dies and is away for days, then the books are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from openbell.clock import SimClock
from openbell.core.decide import decide
from openbell.core.requests import CancelTasks
from openbell.core.state import Limits
from openbell.engine.engine import Engine
from openbell.errors import StoreError
from openbell.sim import laws, punctuality
from openbell.sim.faults import Crash, FlakyStore, crashing
from openbell.sim.scenario import MEMORY
from openbell.sim.timetable import SimPlanner, Timetable, timetable
from openbell.sim.world import Broken, SimExecutor, World

_TURNS = 20_000  # more than any world needs
_STARTUP = timedelta(seconds=60)
_FOREVER = timedelta(days=9)


@dataclass(frozen=True, slots=True)
class Weeks:
    """What one world came to."""

    seed: int
    turns: int
    crashes: int
    runs: int
    misses: int


class Term:
    """One timetable with its engines."""

    def __init__(self, seed: int, given: Timetable | None = None) -> None:
        self.seed = seed
        rng = Random(f"weeks {seed}")
        self.table = given or timetable(rng)
        season = self.table.season
        self.world = World(rng, self.table.conditions, now=season, clock=SimClock(season))
        self.world.pace = self.table.pace
        self.store = FlakyStore(self.world)
        self.executor = SimExecutor(self.world)
        self.planner = SimPlanner(self.table)
        self.watch = laws.Watch(self.world)
        self.cancelled: set[str] = set()
        self.crashes = 0
        self.furthest = season
        """The latest time that any engine has seen."""
        self.cut: int | None = None
        """How far the journal was when nothing more was to be opened."""
        self._outages = list(self.table.outages)
        self._jumps = list(self.table.jumps)
        self.engine = self._engine()

    def run(self) -> Weeks:
        """Play to the end. Raises `Broken`, or whatever the engine raised, with the seed."""
        with crashing(self.world, f"weeks {self.seed}"):
            return self._play()

    def _play(self) -> Weeks:
        self._lead()
        turns = 0
        while not self._over():
            turns += 1
            if turns > _TURNS:
                raise Broken("no end is in sight")
            if turns % 11 == 0:
                laws.reads_only(self.engine.state, self.world)
            self._step()
        limits = self.engine.state.limits
        laws.replays(self.store, limits)
        laws.finished(self.store, self.world)
        laws.truthful(self.store, self.world)
        punctuality.judge(self)
        return Weeks(
            self.seed, turns, self.crashes, len(self.store.runs(limit=10**6)), len(self.store.misses())
        )

    def _step(self) -> None:
        """One turn, then time passes until the next thing that matters."""
        world = self.world
        try:
            seconds = self.engine.turn()
        except (Crash, StoreError):
            self._rise(world.rng.random() * _STARTUP)
            return
        if self.cut is None:
            self.furthest = max(self.furthest, world.clock.now())
        world.advance(min(self._moments(self._sleep(seconds))))
        if self._jumps and self._jumps[0][0] <= world.now and not world.calm:
            world.skew += self._jumps.pop(0)[1]
            world.jumped = True
            world.advance(world.now + world.rng.random() * _STARTUP)  # until the engine looks again
        if self._outages and self._outages[0][0] <= world.now and not world.calm:
            self._rise(max(timedelta(0), self._outages.pop(0)[1] - world.now))
        elif world.happens(world.scenario.meddle):
            self._cancel()

    def _sleep(self, seconds: float) -> timedelta:
        """How long the engine sleeps. It looks up once a minute: here only where it would see something."""
        now = self.world.clock.now()
        wake = decide(self.engine.state, now).wake_at
        length = wake - now if wake is not None else _FOREVER
        if seconds > max(0.0, min(60.0, length.total_seconds())) + 1e-6:
            raise Broken("the engine sleeps longer than it may")
        punctuality.awake(self, length)
        return length

    def _moments(self, sleep: timedelta) -> list[datetime]:
        """The moments at which something happens."""
        found = [self.world.now + sleep]
        if (following := self.world.next()) is not None:
            found.append(following)
        if not self.world.calm:
            found += [max(at, self.world.now) for at, _ in (*self._outages[:1], *self._jumps[:1])]
            found.append(max(self.table.end, self.world.now))
        elif self.world.clock.now() < self.furthest:
            found.append(self.world.now + (self.furthest - self.world.clock.now()))
        return found

    def _over(self) -> bool:
        """At the end all faults end. What has come by then is dealt with, and nothing more is opened."""
        world = self.world
        if not world.calm:
            if world.now < self.table.end:
                return False
            world.calm = True
            self.executor.wake_the_hanging()
            return False
        if world.clock.now() < self.furthest:
            return False
        if self.engine.state.schedules is not None and not self.engine.state.requests:
            self.engine.state.schedules = None
            self.cut = self.store.last()
            self.engine.inbox.ring()
            return False
        return not self.engine.state.runs and not self.engine.state.requests

    def _cancel(self) -> None:
        if under_way := [run for run, record in self.engine.state.runs.items() if record.outcome is None]:
            run = self.world.rng.choice(under_way)
            self.cancelled.add(run)
            self.store.ask(f"{self.world.rng.getrandbits(64):x}", CancelTasks(run), self.world.clock.now())
            self.engine.inbox.ring()

    # ── lives of the engine ──────────────────────────────────────────────────────────────────

    def _engine(self) -> Engine:
        return Engine(
            self.store,
            {"sim": self.executor},
            self.world.clock,
            pools={"memory": MEMORY},
            observers=[self.watch],
            planner=self.planner,
        )

    def _lead(self) -> None:
        while True:
            try:
                self.engine.lead("sim", adopt=True)
                return
            except (Crash, StoreError):
                self._gone(_STARTUP)

    def _rise(self, away: timedelta) -> None:
        self._gone(away)
        if self.world.rng.random() < 0.1:
            laws.replays(self.store, Limits())
        self._lead()

    def _gone(self, away: timedelta) -> None:
        """The engine is gone with all it had not recorded; a new one comes after a while."""
        self.crashes += 1
        self.executor.close()
        self.world.advance(self.world.now + away)
        self.engine = self._engine()


def weeks(seed: int) -> Weeks:
    """One world by its seed."""
    return Term(seed).run()
