"""Runs worlds by seed: the engine turns, people meddle, faults strike, then calm, then judgement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from openbell.core.model import Forced
from openbell.core.requests import (
    AckAlert,
    CancelTasks,
    HaltRun,
    MarkTasks,
    Only,
    PauseRun,
    Request,
    ResumeRun,
    RetryTasks,
    Submit,
)
from openbell.core.states import TaskState
from openbell.engine.engine import Engine
from openbell.errors import StoreError
from openbell.sim import alerting, consumption, laws
from openbell.sim.faults import Crash, FlakyStore, crashing
from openbell.sim.files import SimSensor
from openbell.sim.scenario import MEMORY, START, Scenario, scenario
from openbell.sim.world import Broken, SimExecutor, World

_TURNS = 12_000  # more than any world needs: a livelock shows here
_UNREST = timedelta(minutes=20)  # faults strike for so long


@dataclass(frozen=True, slots=True)
class Trial:
    """What one world came to."""

    seed: int
    turns: int
    crashes: int
    tasks: int


class Simulation:
    """One world with its engine."""

    def __init__(self, seed: int, given: Scenario | None = None) -> None:
        self.seed = seed
        rng = Random(seed)
        self.world = World(rng, given or scenario(rng))
        self.store = FlakyStore(self.world)
        self.executor = SimExecutor(self.world)
        self.sensor = SimSensor(self.world)
        self.watch = laws.Watch(self.world)
        self.timeliness = laws.Timeliness(self.world)
        self.asked: list[str] = []
        self.whims = Random(-seed - 1)
        """Whether a run is forced: apart, so that all else in a world stays as it was."""
        self.clerk = Random(f"clerk {seed}")
        """Who sees to alerts."""
        self.hand = Random(f"hand {seed}")
        """Who marks tasks, in every other world, and tries them again."""
        self.handy = self.hand.random() < 0.5
        self.afterthoughts = 3 if self.handy else 0
        self.crashes = 0
        backed = any(step.on_failure.last_success for step in self.world.scenario.pipeline)
        self.encores = 3 if backed else 0
        self.engine = self._engine()

    def run(self) -> Trial:
        """Play the world to its end. Raises `Broken`, or whatever the engine raised, with the seed."""
        with crashing(self.world, f"seed {self.seed}"):
            return self._play()

    def _play(self) -> Trial:
        self._ask(self._submit(new=False, likely=0.1))
        self._lead()
        turns = 0
        while not self._over():
            turns += 1
            if turns > _TURNS:
                raise Broken("no end is in sight")
            if turns % 7 == 0:
                laws.reads_only(self.engine.state, self.world)
            laws.sleeps_soundly(self.engine.state, self.engine.naps, self.world)
            self._step()
        laws.answered(self.store, self.asked)
        laws.replays(self.store, self.engine.state.limits)
        laws.finished(self.store, self.world)
        laws.truthful(self.store, self.world)
        alerting.told(self.store, self.engine.state.limits)
        consumption.once(self.store, self.sensor, self.engine.state.limits, self.world)
        return Trial(self.seed, turns, self.crashes, self.world.scenario.pipeline.size)

    def _step(self) -> None:
        """One turn, then time passes until the next thing that matters."""
        world = self.world
        try:
            seconds = self.engine.turn()
        except (Crash, StoreError):
            self._die()
            return
        self.timeliness.check(self.engine.state, seconds)
        alerting.in_time(self.engine.state, seconds, world.clock.now())
        laws.unhindered(self.engine.state, world)
        wake = world.now + timedelta(seconds=seconds)
        following = world.next()
        world.advance(min(wake, following) if following else wake)
        if world.happens(world.scenario.jump):
            world.jump()
        if world.happens(world.scenario.meddle):
            self._meddle()

    def _over(self) -> bool:
        """Calm sets in after a while; then everything that is paused is resumed, and all must end."""
        world = self.world
        if not world.calm:
            idle = not self.engine.state.runs and self.store.last() > 0 and not self.store.asked()
            if idle and self.encores:  # what falls back on an earlier run needs one
                self.encores -= 1
                self._ask(Submit(self.world.scenario.pipeline, "digest", new=True))
                return False
            if idle and self.afterthoughts:
                self.afterthoughts -= 1
                self._ask(self._by_hand("sim/1"), f"{self.hand.getrandbits(64):x}")
                return False
            if idle and world.scenario.meddle:
                self._meddle()
            if world.now - START > _UNREST or (idle and not world.scenario.meddle):
                world.calm = True
                self.executor.wake_the_hanging()
                self._resume()
            return False
        if self.engine.state.runs or self.store.asked():
            self._resume()
            return False
        return world.next() is None or not world.alive()

    def _resume(self) -> None:
        for run_id, record in self.engine.state.runs.items():
            if record.paused:
                self._ask(ResumeRun(run_id))
        self.engine.inbox.ring()

    def _meddle(self) -> None:
        rng = self.world.rng
        run = f"sim/{rng.randint(1, 2)}"
        step = rng.choice((None, rng.choice(self.world.scenario.pipeline.steps)))
        name = step.name if step else None
        cell = rng.choice((None, rng.randrange(len(step.matrix)))) if step else None
        choices: list[Request] = [
            CancelTasks(run, name, cell),
            RetryTasks(run, rng.choice(list(Only)), name, cell),
            PauseRun(run, "meddling"),
            ResumeRun(run),
            HaltRun(run, "meddling"),
            self._submit(new=rng.random() < 0.3, likely=0.3),
        ]
        self._ask(rng.choice(choices))
        if self.handy and self.hand.random() < 0.5:
            self._ask(self._by_hand(run), f"{self.hand.getrandbits(64):x}")
        for alert in self.engine.state.alerts.values():
            if self.clerk.random() < 0.3:
                self._ask(AckAlert(alert.run, alert.number, "clerk"), f"{self.clerk.getrandbits(64):x}")

    def _by_hand(self, run: str) -> Request:
        hand = self.hand
        record = self.engine.state.runs.get(run) or self.store.run(run)
        steps = self.world.scenario.pipeline.steps
        failed = [step for step in steps if record and record.groups[step.name].count(TaskState.FAILED)]
        step = hand.choice(failed or steps)
        cell = hand.choice((None, hand.randrange(len(step.matrix))))
        if hand.random() < 0.5:
            return RetryTasks(run, Only.MISSING, step.name, cell, downstream=hand.random() < 0.7)
        outcome = hand.choice((TaskState.SUCCEEDED, TaskState.SUCCEEDED, TaskState.SKIPPED))
        return MarkTasks(run, step.name, outcome, "by hand", cell, "hand")

    def _submit(self, *, new: bool, likely: float) -> Submit:
        forced = Forced("sim", "a whim") if self.whims.random() < likely else None
        return Submit(self.world.scenario.pipeline, "digest", new=new, forced=forced)

    def _ask(self, request: Request, request_id: str = "") -> None:
        self.asked.append(request_id or f"{self.world.rng.getrandbits(64):x}")
        self.store.ask(self.asked[-1], request, self.world.clock.now())
        self.engine.inbox.ring()

    # ── lives of the engine ──────────────────────────────────────────────────────────────────

    def _engine(self) -> Engine:
        executors = {"sim": self.executor}
        pools = {"memory": MEMORY}
        return Engine(
            self.store,
            executors,
            self.world.clock,
            pools=pools,
            sensor=self.sensor,
            observers=[self.watch, consumption.Early(self.world)],
        )

    def _lead(self) -> None:
        while True:
            try:
                self.engine.lead("sim", adopt=self.world.rng.random() < 0.5)
                return
            except (Crash, StoreError):
                self._rise()

    def _die(self) -> None:
        laws.replays(self.store, self.engine.state.limits)
        self._rise()
        self._lead()

    def _rise(self) -> None:
        """The engine is gone with all it had not recorded; a new one comes after a while."""
        self.crashes += 1
        self.executor.close()
        self.sensor.close()
        self.timeliness.restart()
        self.world.advance(self.world.now + timedelta(seconds=self.world.rng.uniform(0, 60)))
        self.engine = self._engine()


def trial(seed: int) -> Trial:
    """One world by its seed."""
    return Simulation(seed).run()
