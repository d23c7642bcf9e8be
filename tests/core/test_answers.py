from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openbell.core.events import Amend, Answer, OpenRun, Requested, Start
from openbell.core.model import Need, Retry
from openbell.core.requests import (
    CancelTasks,
    HaltRun,
    Only,
    PauseRun,
    Request,
    ResumeRun,
    RetryTasks,
    Submit,
)
from openbell.core.states import RunState
from tests.builders import NOW, RUN, World, pipeline, step


def ask(world: World, request: Request, run: str = RUN) -> Answer:
    """Ask, and let the core act until it rests."""
    world.apply(Requested(NOW, "r", request, run))
    (answer,) = (event for event in world.act() if isinstance(event, Answer))
    assert not world.state.requests
    return answer


def ended(*codes: int, **keys: Any) -> World:
    """A closed run of one step whose cells ended with these codes."""
    world = World(step(cells=len(codes)), slots=len(codes), **keys)
    world.act()
    for (task, _), code in zip(world.live(), codes, strict=True):
        world.end(code, only=[task])
    world.act()
    return world


def test_a_submission_opens_a_run() -> None:
    world = World()
    answer = ask(world, Submit(pipeline(step(cells=2)), "other"), "p/2")
    assert (answer.accepted, answer.message, answer.run) == (True, "opened", "p/2")
    assert world.state.runs["p/2"].run.digest == "other"


def test_the_same_plan_again_has_nothing_to_do() -> None:
    world = ended(0, 0)
    answer = ask(world, Submit(world.record.run.pipeline, "digest"))
    assert answer.accepted
    assert answer.message.startswith("nothing to do")
    assert world.record.state is RunState.SUCCEEDED


@pytest.mark.parametrize(("only", "states"), [(Only.MISSING, "SsSs"), (Only.FAILED, "SsSX")])
def test_the_same_plan_again_runs_only_what_is_missing(only: Only, states: str) -> None:
    world = World(step(cells=4), slots=3)
    world.act()
    for (task, _), code in zip(world.live(), (0, 1, 0), strict=True):
        world.end(code, only=[task])
    world.apply(Requested(NOW, "c", CancelTasks(RUN), RUN))
    world.act()
    assert world.states() == "SFSX"
    ask(world, Submit(world.record.run.pipeline, "digest", only=only))
    assert world.states() == states
    assert world.record.state is RunState.ACTIVE


def test_an_unfinished_run_goes_on_without_trying_again_what_failed() -> None:
    world = World(step(cells=3), slots=1)
    world.act()
    world.end(1)
    world.apply(Requested(NOW, "h", HaltRun(RUN, "leaving"), RUN))
    world.act()
    assert world.record.paused
    ask(world, Submit(world.record.run.pipeline, "digest"))
    assert world.record.state is RunState.ACTIVE
    assert world.states() == "FsW"


def test_what_an_interrupt_had_ended_runs_again() -> None:
    world = World(step(cells=2), slots=1)
    world.act()
    world.apply(Requested(NOW, "h", HaltRun(RUN, "leaving"), RUN))
    world.act()
    assert world.states() == "PW"
    world.end(-15)
    assert world.states() == "XW"
    assert world.act() == []
    ask(world, Submit(world.record.run.pipeline, "digest"))
    assert world.states() == "sW"


def test_what_was_skipped_because_of_an_interrupt_runs_after_all() -> None:
    world = World(
        step("a"),
        step("b", needs=(Need("a"),)),
        step("c", 3, sequential="i"),
        step("d", needs=(Need("b"),)),
        step("other", 9),
        slots=2,
    )
    world.act()
    world.apply(Requested(NOW, "h", HaltRun(RUN, "leaving"), RUN))
    world.act()
    world.end(-15)
    world.act()
    assert [world.states(name) for name in "abcd"] == ["X", "K", "XKK", "K"]
    assert world.record.outcome is None
    ask(world, Submit(world.record.run.pipeline, "digest"))
    assert [world.states(name) for name in "abcd"] == ["s", "W", "sWW", "W"]


def test_a_changed_timeout_amends_the_run_and_keeps_what_is_done() -> None:
    world = ended(0, 1)
    changed = replace(world.record.run.pipeline, steps=(step(cells=2, retry=Retry(attempts=7)),))
    world.apply(Requested(NOW, "r", Submit(changed, "digest"), RUN))
    events = world.act()
    assert any(isinstance(event, Amend) for event in events)
    assert world.states() == "Ss"
    assert world.record.groups["a"].step.retry.attempts == 7


def test_names_that_are_in_use_are_refused_to_a_second_run() -> None:
    world = World(step(cells=2))
    world.act()
    answer = ask(world, Submit(pipeline(), "other", exclusive=True), "p/2")
    assert not answer.accepted
    assert answer.run == RUN
    assert "p/2" not in world.state.runs
    world.apply(Requested(NOW, "p", PauseRun(RUN, "x"), RUN))
    world.act()
    world.end()
    assert ask(world, Submit(pipeline(), "other", exclusive=True), "p/2").accepted


def test_retry_opens_what_failed_and_what_was_skipped_because_of_it() -> None:
    world = World(step("a"), step("b", needs=(Need("a"),)))
    world.act()
    world.end(1)
    world.act()
    assert (world.states("a"), world.states("b")) == ("F", "K")
    answer = ask(world, RetryTasks(RUN, actor="ann"))
    assert answer.message == "2 tasks reopened"
    world.end(0)
    world.act()
    world.end(0)
    world.act()
    assert world.record.state is RunState.SUCCEEDED


def test_retry_of_one_cell_leaves_the_others() -> None:
    world = ended(1, 1, 0)
    assert ask(world, RetryTasks(RUN, step="a", cell=1)).accepted
    assert world.states() == "FsS"
    assert not ask(world, RetryTasks(RUN, step="a", cell=2)).accepted


def test_a_new_generation_has_all_its_tries() -> None:
    world = World(step(retry=Retry(attempts=2)))
    for _ in range(2):
        world.act()
        world.end(1)
        world.act()
    world.act(NOW.replace(hour=20))
    world.end(1)
    world.act()
    assert world.record.state is RunState.FAILED
    ask(world, RetryTasks(RUN))
    tries = [event.attempt for event in world.journal if isinstance(event, Start)]
    assert tries == [1, 2, 3]
    world.end(1)
    assert world.states() == "W"


@pytest.mark.parametrize(
    ("request_", "states"),
    [
        (CancelTasks(RUN), "PPXXX"),
        (CancelTasks(RUN, "a", 0), "PsWWW"),
        (CancelTasks(RUN, "a", 3), "ssWXW"),
    ],
)
def test_cancel_stops_what_runs_and_never_starts_what_waits(request_: CancelTasks, states: str) -> None:
    world = World(step(cells=5), slots=2)
    world.act()
    assert ask(world, request_).accepted
    assert world.states() == states


def test_a_cancelled_run_closes_when_the_last_attempt_has_ended() -> None:
    world = World(step(cells=3), slots=2)
    world.act()
    ask(world, CancelTasks(RUN))
    assert world.record.outcome is None
    world.end(-15)
    world.act()
    assert world.record.state is RunState.CANCELLED
    assert not ask(world, CancelTasks(RUN)).accepted


def test_pause_and_resume() -> None:
    world = World(step(cells=2), slots=1)
    world.act()
    assert ask(world, PauseRun(RUN, "lunch")).accepted
    assert world.record.paused == "lunch"
    assert ask(world, ResumeRun(RUN)).accepted
    assert not ask(world, ResumeRun(RUN)).accepted


def test_a_run_that_does_not_exist_is_said_so() -> None:
    answer = ask(World(), CancelTasks("nope/1"), "nope/1")
    assert not answer.accepted
    assert answer.message == "there is no run nope/1"


def test_requests_are_answered_one_after_the_other() -> None:
    world = World(step(cells=2))
    world.apply(
        Requested(NOW, "one", Submit(pipeline(step(cells=1)), "x"), "p/2"),
        Requested(NOW, "two", CancelTasks("p/2"), "p/2"),
    )
    events = world.act()
    order = [type(event).__name__ for event in events if isinstance(event, OpenRun | Answer)]
    assert order == ["OpenRun", "Answer", "Answer"]
    assert world.state.runs["p/2"].state is RunState.CANCELLED


def test_another_try_of_one_task_lifts_the_brake_of_max_failures() -> None:
    world = ended(1, 1, 0, max_failures=2)
    assert world.record.outcome is not None
    assert ask(world, RetryTasks(RUN, step="a", cell=0)).message == "1 task reopened"
    assert world.states()[0] == "s", "cancelled without a try"
    world.end(1)
    world.act()
    assert world.states() == "FFS"


def test_a_retry_of_what_has_succeeded_opens_nothing_else() -> None:
    world = World(step("good"), step("bad"), step("dep", needs=(Need("bad"),)))
    world.act()
    for task, _ in world.live():
        world.end(int(task.step == "bad"), only=[task])
    world.act()
    assert world.record.outcome is not None
    answer = ask(world, RetryTasks(RUN, step="good"))
    assert (answer.accepted, answer.message) == (False, "nothing to retry")
    assert world.states("dep") == "K"
