"""What a simulated world is asked to run: a random pipeline, and people who meddle with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from random import Random

from openbell.core.alerts import Alerts, Deadline, Escalation, Notice, Severity
from openbell.core.inputs import Absent, Consume, Files
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import (
    Command,
    Demand,
    Late,
    Need,
    NeedMode,
    OnFailure,
    Opening,
    Pipeline,
    Priority,
    Retry,
    Step,
    Window,
)
from openbell.core.states import FailureKind

START = datetime(2024, 3, 8, 14, 0, tzinfo=UTC)
"""A Friday morning in New York; the clocks go forward there on the Sunday."""

MEMORY = 8.0
"""Size of the pool `memory` in every world (units, not bytes)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world's conditions. Probabilities are per occasion."""

    pipeline: Pipeline
    slots: int
    keeps_time: bool
    fail: float
    hang: float
    refuse: float
    lose: float
    duplicate: float
    crash: float
    flaky: float
    jump: float
    meddle: float

    @property
    def keeps_start(self) -> bool:
        """Whether the executor sees to start timeouts itself, as one that is far away does."""
        return not self.keeps_time and self.slots == 4


def scenario(rng: Random) -> Scenario:
    """A random scenario."""
    faulty = rng.random() < 0.8

    def chance(most: float) -> float:
        return rng.random() * most if faulty and rng.random() < 0.6 else 0.0

    return Scenario(
        pipeline=_pipeline(rng),
        slots=rng.randint(1, 4),
        keeps_time=rng.random() < 0.5,
        fail=chance(0.5),
        hang=chance(0.5),
        refuse=chance(0.3),
        lose=chance(0.2),
        duplicate=chance(0.5),
        crash=chance(0.1),
        flaky=chance(0.3),
        jump=chance(0.05),
        meddle=chance(0.1),
    )


def _pipeline(rng: Random) -> Pipeline:
    count = rng.choice((1, 1, 2, 3, 4))
    steps = [_step(rng, f"s{position}", [f"s{n}" for n in range(position)]) for position in range(count)]
    apart = Random(repr(rng.getstate()))  # a stream of its own: worlds without links stay as they were
    linked = _begun(apart, _forgiving(apart, _linked(apart, steps)))
    return Pipeline(
        name="sim",
        steps=tuple(replace(step, alerts=_alerts(apart)) for step in linked),
        concurrency=rng.choice((None, None, 1, 2, 3)),
        max_failures=rng.choice((None, None, None, 1, 2)),
        alerts=_alerts(apart),
        deadline=_deadline(apart),
    )


def _alerts(rng: Random) -> Alerts:
    return Alerts(*(_notice(rng) if rng.random() < 0.5 else None for _ in range(2)))


def _notice(rng: Random) -> Notice:
    after = timedelta(seconds=rng.choice((0, 20, 90)))
    return Notice(
        notify=rng.choice(((), ("a",), ("a", "b"))),
        severity=rng.choice(list(Severity)),
        escalate=rng.choice((None, Escalation(("c",), after))),
    )


def _deadline(rng: Random) -> Deadline | None:
    if rng.random() < 0.5:
        return None
    after = timedelta(seconds=rng.choice((0, 5, 40, 200)))
    return (
        Deadline(_notice(rng), at=START + after)
        if rng.random() < 0.5
        else Deadline(_notice(rng), after=after)
    )


def _step(rng: Random, name: str, before: list[str]) -> Step:
    needed = rng.sample(before, rng.randint(0, min(2, len(before))))
    step = Step(
        name=name,
        work=Command(("true",)),
        needs=tuple(Need(other, rng.choice(_WHOLE)) for other in needed),
        matrix=Matrix(tuple(_axis(rng, axis) for axis in ("date", "partition")[: rng.randint(0, 2)])),
        retry=_retry(rng),
        timeout=rng.choice((None, timedelta(seconds=40))),
        start_timeout=rng.choice((None, timedelta(seconds=30))),
        priority=rng.choice(list(Priority)),
        demand=Demand(cpu=rng.choice((1, 1, 1, 2)), memory=rng.choice((0, 0, 3, 5))),
        executor="sim",
    )
    if rng.random() < 0.05:
        step = replace(step, window=Window(time(9, 30), time(16), "America/New_York", "XNYS"))
    if rng.random() < 0.1:
        start = START + timedelta(seconds=rng.choice((-60, 0, 30, 90)))
        end = rng.choice((None, start + timedelta(seconds=rng.choice((20, 60, 120)))))
        step = replace(step, openings=(Opening(start, end),), late=rng.choice(list(Late)))
    if rng.random() < 0.07:
        step = replace(step, stop_at=START + timedelta(seconds=rng.choice((20, 60, 150))))
    if rng.random() < 0.15:
        step = replace(step, provides=(f"d{rng.randint(0, 1)}",))
    return _taking(rng, step) if rng.random() < 0.2 else step


def _taking(rng: Random, step: Step) -> Step:
    """The step with files that it takes in, all of them or one for each cell."""
    files = Files(
        (f"/in/{step.name}/*",),
        timeout=rng.choice((None, timedelta(seconds=60))),
        absent=rng.choice((Absent.SKIP, Absent.FAIL)),
        consume=rng.choice(list(Consume)),
        axis=rng.choice(("", "file")),
    )
    if files.axis:
        axis = Axis(files.axis, (), source="files")
        step = replace(step, matrix=replace(step.matrix, axes=(*step.matrix.axes[:1], axis)))
    return replace(step, files=files)


def _linked(rng: Random, steps: list[Step]) -> tuple[Step, ...]:
    """Some steps need others cell by cell, and some go along an axis in order."""
    made: dict[str, Step] = {}
    for step in steps:
        if step.needs and rng.random() < 0.3 and not made[(need := rng.choice(step.needs)).step].matrix.open:
            there = made[need.step].matrix.axes
            shared = [replace(axis, values=axis.values[: rng.randint(1, len(axis.values))]) for axis in there]
            names = {axis.name for axis in there}
            own = [axis for axis in step.matrix.axes if axis.name not in names]
            needs = tuple(Need(n.step, NeedMode.SAME) if n == need else n for n in step.needs)
            step = replace(step, needs=needs, matrix=Matrix((*shared, *own)))
        if step.matrix.axes and rng.random() < 0.25:
            step = replace(step, sequential=rng.choice(step.matrix.axes).name)
        made[step.name] = step
    return tuple(made.values())


def _forgiving(rng: Random, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Some failures hold nobody up: others stand in, or an earlier run does, or the run goes on without."""
    made: list[Step] = []
    for step in steps:
        lot = rng.random()
        policy = OnFailure(last_success=lot < 0.12, goes_on=rng.random() < 0.15)
        if 0.12 <= lot < 0.2:
            made.append(_step(rng, f"{step.name}-else", [one.name for one in made][: rng.randint(0, 1)]))
            policy = replace(policy, stand_in=made[-1].name)
        step = replace(step, on_failure=policy, partial=rng.random() < 0.25)
        made.append(_holding(rng, step) if rng.random() < 0.1 and step.files is None else step)
    return tuple(made)


def _holding(rng: Random, step: Step) -> Step:
    """It runs until its time is over, and others may wait for its beginning only."""
    start = START + timedelta(seconds=rng.choice((-60, 0, 0, 30)))
    end = START + timedelta(seconds=rng.choice((10, 60, 150, 300)))
    if rng.random() < 0.3:
        return replace(step, hold=True, openings=(), stop_at=end)
    return replace(step, hold=True, openings=(Opening(start, max(end, start + timedelta(seconds=5))),))


def _begun(rng: Random, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Those who need a step that holds wait for its beginning, most of them."""
    holding = {step.name for step in steps if step.hold}

    def need(one: Need) -> Need:
        return replace(one, mode=NeedMode.STARTED) if one.step in holding and rng.random() < 0.7 else one

    return tuple(replace(step, needs=tuple(map(need, step.needs))) for step in steps)


_WHOLE = (NeedMode.ALL, NeedMode.SOME, NeedMode.DONE)


def _axis(rng: Random, name: str) -> Axis:
    return Axis(name, tuple(range(rng.randint(1, 3))))


def _retry(rng: Random) -> Retry:
    return Retry(
        attempts=rng.choice((1, 1, 2, 3)),
        delay=timedelta(seconds=rng.choice((0, 1, 20))),
        backoff=rng.choice((1.0, 2.0)),
        max_delay=timedelta(seconds=60),
        on=rng.choice((frozenset(FailureKind), frozenset({FailureKind.EXIT, FailureKind.LOST}))),
    )
