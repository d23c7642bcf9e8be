"""Somebody says what a task is, and what becomes of those who wait for it."""

from __future__ import annotations

import pytest

from openbell.core.events import Answer, Mark, Reopen, Requested
from openbell.core.freshness import Required
from openbell.core.gates import Scope, fresh
from openbell.core.inputs import Consume, Files, FilesSeen, InputFile
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Need, NeedMode, Retry, TaskKey
from openbell.core.requests import CancelTasks, MarkTasks, Only, PauseRun, Request, RetryTasks, Submit
from openbell.core.resources import Usage
from openbell.core.states import RunState, TaskState
from openbell.core.telling import Teller
from tests.builders import NOW, RUN, World, step

SUCCEEDED, SKIPPED = TaskState.SUCCEEDED, TaskState.SKIPPED


def ask(world: World, request: Request) -> Answer:
    """The answer to a request, after all that follows from it at once."""
    world.apply(Requested(NOW, "r", request, RUN))
    before = len(world.journal)
    world.act()
    return next(event for event in world.journal[before:] if isinstance(event, Answer))


def mark(world: World, name: str, outcome: TaskState = SUCCEEDED, cell: int | None = None) -> Answer:
    return ask(world, MarkTasks(RUN, name, outcome, "checked by hand", cell, "ann"))


def broken() -> World:
    """a has failed, so b and c behind it were skipped; the run has ended."""
    world = World(step("a"), step("b", 3, needs=(Need("a"),)), step("c", needs=(Need("b"),)), slots=9)
    world.act()
    world.end(1)
    world.act()
    assert world.record.state is RunState.FAILED
    return world


def test_those_who_were_skipped_for_its_sake_go_on() -> None:
    world = broken()
    answer = mark(world, "a")
    assert (answer.accepted, answer.message) == (True, "1 task marked succeeded, 4 reopened")
    assert [world.states(name) for name in "abc"] == ["S", "sss", "W"]
    for _ in range(2):
        world.end()
        world.act()
    assert world.record.state is RunState.SUCCEEDED
    (event,) = (event for event in world.journal if isinstance(event, Mark))
    assert (event.actor, event.reason) == ("ann", "checked by hand")


def test_the_mark_is_told_with_its_actor_and_reason() -> None:
    world = broken()
    mark(world, "a", cell=0)
    teller = Teller(world.record.run)
    told = [line["msg"] for event in world.journal if (line := teller.line(1, event))]
    assert "Mark as succeeded asked by ann: checked by hand" in told
    assert "Marked succeeded by ann: a: checked by hand" in told


def test_a_failure_that_is_marked_skipped_does_not_count_and_nobody_goes_on() -> None:
    world = broken()
    assert mark(world, "a", SKIPPED).message == "1 task marked skipped"
    assert [world.states(name) for name in "abc"] == ["K", "KKK", "K"]
    assert world.record.state is RunState.SUCCEEDED
    assert not world.record.failed


def test_what_waits_for_its_next_try_is_not_tried_again() -> None:
    world = World(step(retry=Retry(attempts=3)), step("b", needs=(Need("a"),)))
    world.act()
    world.end(1)
    assert world.states() == "W"
    mark(world, "a")
    assert (world.states(), world.states("b")) == ("S", "s")


def test_one_cell_is_marked_and_its_followers_go_on() -> None:
    world = World(step("a", 3, sequential="i"), step("b", 3, needs=(Need("a", NeedMode.SAME),)), slots=9)
    world.act()
    world.end(1)
    world.act()
    assert (world.states("a"), world.states("b")) == ("FKK", "KKK")
    assert mark(world, "a", cell=0).message == "1 task marked succeeded, 5 reopened"
    assert (world.states("a"), world.states("b")) == ("SsW", "sWW")


def test_a_whole_step_is_marked_but_for_what_has_succeeded_or_was_marked_before() -> None:
    world = World(step("a", 4), slots=2)
    world.act()
    world.end()
    world.act()
    world.end(1)
    world.act()
    assert world.states() == "SSFF"
    mark(world, "a", SKIPPED, 3)
    assert mark(world, "a").message == "1 task marked succeeded"
    assert world.states() == "SSSK"
    assert [*world.record.groups["a"].flagged(1)] == [2, 3]


@pytest.mark.parametrize("cell", [None, 0])
def test_what_runs_is_not_marked_and_what_to_do_is_told(cell: int | None) -> None:
    world = World(step(cells=2), slots=1)
    world.act()
    answer = mark(world, "a", cell=cell)
    assert not answer.accepted
    assert answer.message == (
        f"{RUN}/a/0 runs: wait for its end, or end it with `openbell cancel {RUN}/a/0`, and mark it then"
    )
    assert world.states() == "sW"
    assert mark(world, "a", cell=1).accepted


def test_what_is_so_already_is_not_marked() -> None:
    world = broken()
    mark(world, "a")
    again = mark(world, "a")
    assert (again.accepted, again.message) == (
        False,
        f"it is marked already; `openbell retry {RUN}/a` takes that back",
    )
    world.end()
    world.act()
    assert mark(world, "b").message == "nothing to mark succeeded: all of it has succeeded already"
    assert mark(world, "nope").message == f"{RUN} has no step nope"


def test_only_naming_the_task_takes_a_mark_back() -> None:
    world = World(step("a", 2), slots=9)
    world.act()
    world.end(1)
    world.act()
    mark(world, "a", SUCCEEDED, 0)
    mark(world, "a", SKIPPED, 1)
    for request in (
        RetryTasks(RUN, Only.MISSING),
        RetryTasks(RUN, Only.MISSING, "a"),
        Submit(world.record.run.pipeline, "digest"),
    ):
        ask(world, request)
        assert world.states() == "SK"
    assert ask(world, RetryTasks(RUN, Only.MISSING, "a", 1)).message == "1 task reopened"
    assert ask(world, RetryTasks(RUN, Only.MISSING, "a", 0)).message == "1 task reopened"
    assert world.states() == "ss"
    assert not world.record.groups["a"].marked


def test_a_mark_does_not_lift_the_brake_of_a_pause() -> None:
    world = World(step("a"), step("b", needs=(Need("a"),)), step("z"))
    world.act()
    world.end(1, only=[TaskKey(RUN, "a", 0)])
    ask(world, PauseRun(RUN, "lunch"))
    mark(world, "a")
    assert world.states("b") == "W"
    assert world.record.paused == "lunch"


def test_a_marked_failure_counts_no_more_against_max_failures() -> None:
    world = World(step("a", 3), step("b"), slots=1, max_failures=1)
    world.act()
    world.end(1)
    world.act()
    assert world.states() == "FXX"
    mark(world, "a", SUCCEEDED, 0)
    ask(world, RetryTasks(RUN, Only.MISSING))
    assert world.states() == "SsW"


def test_its_data_sets_are_fresh_and_its_results_are_none() -> None:
    axis = Axis("name", (), source="a.names")
    world = World(
        step("a", provides=("prices",)),
        step("b", needs=(Need("a"),), requires=(Required("prices"),)),
        step("c", needs=(Need("a"),), matrix=Matrix((axis,))),
    )
    world.act()
    world.end(1)
    world.act()
    assert "prices" not in world.state.datasets
    mark(world, "a")
    group = world.record.groups["b"]
    assert fresh(Scope(world.state, world.record, group, Usage(), NOW, tripped=False)) is None
    assert (world.states("b"), world.states("c")) == ("s", "K"), "c is made of nothing"


def test_it_uses_no_files_up() -> None:
    files = Files(("/in/*",), consume=Consume.DELETE)
    world = World(step("a", files=files))
    world.act()
    one = InputFile("/in/x", 1, 1, "key")
    world.apply(FilesSeen(NOW, RUN, "a", (one,)))
    world.act()
    world.end(1)
    world.act()
    mark(world, "a")
    assert world.states() == "S"
    assert not world.state.chores


def test_a_cancelled_task_can_be_marked() -> None:
    world = World(step("a"), step("b", needs=(Need("a"),)), slots=0)
    ask(world, CancelTasks(RUN))
    assert world.record.state is RunState.CANCELLED
    assert mark(world, "a").accepted
    assert [event for event in world.journal if isinstance(event, Reopen)] == []
    assert world.states("b") == "X", "cancelled itself, and not for the sake of a"
