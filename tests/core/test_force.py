"""A forced run: its conditions do not count, room and brakes do."""

from __future__ import annotations

from dataclasses import fields
from datetime import time

from openbell.core.events import Answer, Force, OpenRun, Reopen, Requested, Start
from openbell.core.explain import explain
from openbell.core.gates import GATES
from openbell.core.model import Forced, Late, Need, Opening, Step, TaskKey, Window
from openbell.core.requests import PauseRun, Submit
from openbell.core.states import RunState
from tests.builders import NOW, RUN, World, later, pipeline, step

WORD = Forced("ann@desk", "the vendor is late")

HELD = (
    step("a"),
    step("b", needs=(Need("a"),)),
    step("later", openings=(Opening(later(600)),)),
    step("past", openings=(Opening(later(-600), later(-300)),), late=Late.SKIP),
    step("lunch", absent="no lunch today"),
    step("shut", window=Window(time(1), time(2), "UTC", "XNYS", business_days=False)),
    step("over", stop_at=later(-60)),
)


def submit(world: World, request: Submit, name: str = "r") -> list[object]:
    """Ask it of the run of the world, and do what comes of it."""
    world.apply(Requested(NOW, name, request, RUN))
    return list(world.act())


def begun(world: World) -> set[str]:
    return {task.step for task, _ in world.live()}


def test_every_condition_is_lifted() -> None:
    world = World(*HELD, slots=9)
    world.apply(Force(NOW, RUN, WORD))
    world.act()
    assert begun(world) == {one.name for one in HELD}
    world.act(later(3600))
    assert begun(world) == {one.name for one in HELD}, "nor does one end what runs"


def test_who_adds_a_condition_lifts_it_too() -> None:
    """A step that has everything keeps, when it is freed, only what is no condition."""
    no_condition = {
        "name", "work", "matrix", "retry", "timeout", "start_timeout", "grace", "priority", "demand",
        "executor", "env", "mode", "preload", "query_name",
    }  # fmt: skip
    lifted = {"needs", "window", "openings", "late", "absent", "stop_at"}
    known = {field.name for field in fields(Step)}
    assert no_condition | lifted <= known
    freed = HELD[1].freed()
    for name in lifted:
        assert getattr(freed, name) == getattr(step(), name)
    assert [gate.__name__ for gate in GATES][:2] == ["brake", "space"]


def test_room_still_counts() -> None:
    world = World(*HELD, slots=2)
    world.apply(Force(NOW, RUN, WORD))
    world.act()
    assert len(world.live()) == 2
    waiting = next(one.name for one in HELD if one.name not in begun(world))
    assert [b.gate for b in explain(world.state, TaskKey(RUN, waiting, 0), NOW)] == ["slots"]


def test_brakes_still_hold() -> None:
    world = World(*HELD, slots=1)
    world.apply(Force(NOW, RUN, WORD))
    world.act()
    world.apply(Requested(NOW, "p", PauseRun(RUN, "interrupted"), RUN))
    world.act()
    world.end(0)
    world.act()
    assert world.live() == [], "who leaves, leaves"


def test_a_failed_need_skips_nothing() -> None:
    world = World(*HELD[:2], slots=1)
    world.apply(Force(NOW, RUN, WORD))
    world.act()
    world.end(1)
    world.act()
    assert begun(world) == {"b"}


def test_it_is_in_the_journal_with_its_reason() -> None:
    world = World(*HELD)
    del world.state.runs[RUN]
    done = submit(world, Submit(pipeline(*HELD), "digest", forced=WORD))
    assert [type(one) for one in done[:3]] == [OpenRun, Force, Answer]
    assert Force(NOW, RUN, WORD) in done
    assert world.record.run.forced == WORD
    assert str(WORD) == "by ann@desk: the vendor is late"


def test_a_run_that_waits_is_forced_and_set_free_again() -> None:
    whole = pipeline(*HELD[:3])
    world = World(*HELD[:3])
    assert begun(world) == set()
    world.act()
    assert begun(world) == {"a"}
    submit(world, Submit(whole, "digest", forced=WORD), "force")
    assert begun(world) == {"a", "b", "later"}
    assert submit(world, Submit(whole, "digest", forced=WORD), "again")[0].__class__ is Answer, "no news"
    done = submit(world, Submit(whole, "digest"), "lift")
    assert Force(NOW, RUN, None) in done
    assert world.record.groups["b"].step.needs == (Need("a"),)


def test_what_was_skipped_for_its_conditions_runs_when_it_is_forced() -> None:
    steps = (step("bad"), step("b", needs=(Need("bad"),)), step("slow"))
    world = World(*steps)
    world.act()
    world.end(1, only=[TaskKey(RUN, "bad", 0)])
    world.act()
    assert world.states("b") == "K"
    done = submit(world, Submit(pipeline(*steps), "digest", forced=WORD))
    assert any(isinstance(one, Reopen) and one.step == "b" for one in done)
    assert any(isinstance(one, Start) and one.task.step == "b" for one in done)


def test_what_was_too_late_runs_when_it_is_forced() -> None:
    world = World(HELD[3], step("fine"))
    world.act()
    world.end(0)
    world.act()
    assert world.record.outcome is RunState.SUCCEEDED
    submit(world, Submit(pipeline(HELD[3], step("fine")), "digest"), "plain")
    assert begun(world) == set()
    submit(world, Submit(pipeline(HELD[3], step("fine")), "digest", forced=WORD), "forced")
    assert begun(world) == {"past"}


def test_an_amended_definition_stays_forced() -> None:
    world = World(*HELD[:2], slots=1)
    world.apply(Force(NOW, RUN, WORD))
    submit(world, Submit(pipeline(*HELD[:2], concurrency=3), "digest", forced=WORD))
    assert world.record.groups["b"].step.needs == ()
