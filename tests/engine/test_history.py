"""What a new run knows of how long things take."""

from __future__ import annotations

from datetime import timedelta

from openbell.core.events import Exit, Exited, OpenRun, Started
from openbell.core.lanes import WHOLE
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Pipeline, Run, Step
from openbell.engine.history import past, took
from openbell.store.memory import MemoryStore
from tests.builders import NOW, World, later, step
from tests.store.test_contract import Ledger

DAYS = Axis("date", ("2026-03-02", "2026-03-03"), "date")


def ran(world: World, ledger: Ledger, run: str, at: float, pipeline: Pipeline, *seconds: float) -> None:
    """A run of this pipeline whose tasks took so long; those with less than 0 failed."""
    world.apply(OpenRun(later(at), Run(run, pipeline, "digest", later(at))))
    world.act(later(at))
    for (task, attempt), length in zip(world.live(), seconds, strict=True):
        end = Exit(int(length < 0), elapsed=abs(length))
        world.apply(Started(later(at), task, attempt, ""), Exited(later(at), task, attempt, end))
    world.act(later(at))
    ledger.write()


def test_single_tasks_by_their_last_three_runs_and_lanes_by_the_last() -> None:
    store = MemoryStore()
    world = World(step("x"), slots=99)
    ledger = Ledger(store, world)
    world.act()
    world.end()
    wide = Step("wide", step().work, matrix=Matrix((DAYS, Axis("book", ("a", "b")))))
    pipeline = Pipeline("q", (step("one"), wide))
    for at, run in enumerate(("q/1", "q/2", "q/3", "q/4"), 1):
        ran(world, ledger, run, at, pipeline, 10.0 * at, at, 2 * at, at, 4 * at)
    assert took(store, pipeline, later(99)) == {
        "one": {WHOLE: 30.0},
        "wide": {WHOLE: 8.0, "book=a": 4.0, "book=b": 12.0},
    }
    assert took(store, pipeline, later(2.5))["one"] == {WHOLE: 15.0}, "only what was before"
    assert took(store, pipeline, NOW - timedelta(days=1)) == {}


def test_failures_and_other_shapes_tell_nothing() -> None:
    store = MemoryStore()
    world = World(step("x"), slots=99)
    ledger = Ledger(store, world)
    world.act()
    world.end()
    before = Pipeline("q", (step("a"), step("b", 3), step("gone")))
    ran(world, ledger, "q/1", 1, before, -5.0, 1.0, 2.0, -3.0, 7.0)
    now = Pipeline("q", (step("a"), step("b", 2), step("new")))
    assert past(store, now, later(9)).took == {"b": {WHOLE: 1.5, "i=0": 1.0, "i=1": 2.0}}
