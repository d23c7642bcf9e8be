"""Steps that hold their time: up from its begin to its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from openbell.core.decide import decide
from openbell.core.events import (
    CloseRun,
    Exit,
    Exited,
    Force,
    Lost,
    Refused,
    Requested,
    Skip,
    SpaceChanged,
    Stall,
    Start,
    Started,
    Stop,
)
from openbell.core.explain import explain
from openbell.core.inputs import Fail
from openbell.core.model import Forced, Late, Need, NeedMode, OnFailure, Opening, Retry, Step, TaskKey
from openbell.core.requests import CancelTasks, HaltRun
from openbell.core.states import FailureKind, RunState, StopReason
from openbell.core.summary import summarize
from tests.builders import NOW, RUN, World, later, step

DAY = (Opening(later(0), later(3600)),)
RETRY = Retry(1, timedelta(seconds=10), max_delay=timedelta(seconds=60), jitter=0)
TASK = TaskKey(RUN, "a", 0)


def holding(**keys: Any) -> Step:
    return step("a", **{"hold": True, "openings": DAY, "retry": RETRY, **keys})


def started(events: Sequence[object]) -> list[str]:
    return [f"{e.task.step}#{e.attempt}" for e in events if isinstance(e, Start)]


def up(*steps: Step, at: float = 0) -> World:
    """A world in which the first step runs."""
    world = World(*steps)
    world.act(later(at))
    world.apply(Started(later(at), TASK, 1, "1"))
    world.act(later(at))
    return world


def end(world: World, at: float, attempt: int = 1, code: int | None = 1, **keys: Any) -> list[Any]:
    world.apply(Exited(later(at), TASK, attempt, Exit(code, **keys)))
    return world.act(later(at))


def test_it_starts_with_its_time_and_is_stopped_at_its_end() -> None:
    world = World(holding(openings=(Opening(later(60), later(3600)),)))
    assert world.act(NOW) == []
    assert decide(world.state, NOW).wake_at == later(60)
    assert started(world.act(later(60))) == ["a#1"]
    world.apply(Started(later(61), TASK, 1, "1"))
    assert world.act(later(3599)) == []
    assert decide(world.state, later(3599)).wake_at == later(3600)
    [stop] = world.act(later(3600))
    assert isinstance(stop, Stop)
    assert stop.reason is StopReason.END
    [close] = end(world, 3601, code=None, stopped=StopReason.END, signal="SIGTERM")
    assert isinstance(close, CloseRun)
    assert close.outcome is RunState.SUCCEEDED
    assert world.states() == "S"


def test_it_is_started_again_after_every_crash_with_growing_waits() -> None:
    world = up(holding())
    at, waits = 1.0, []
    for attempt in range(1, 6):
        assert started(end(world, at, attempt)) == []
        due = world.record.groups["a"].next_due()
        assert due is not None
        waits.append((due - later(at)).total_seconds())
        at = (due - NOW).total_seconds()
        assert started(world.act(due)) == [f"a#{attempt + 1}"]
        world.apply(Started(due, TASK, attempt + 1, "1"))
        at += 1
    assert waits == [10, 20, 40, 60, 60]
    at += 61
    end(world, at, 6)
    due = world.record.groups["a"].next_due()
    assert due is not None
    assert (due - later(at)).total_seconds() == 10, "it was well for longer than the longest wait"


@pytest.mark.parametrize("fact", [Lost(later(5), TASK, 1, "gone"), Refused(later(5), TASK, 1, "no")])
def test_whatever_ends_it_is_a_crash(fact: Any) -> None:
    world = up(holding())
    world.apply(fact)
    assert world.states() == "W"
    assert started(world.act(later(15))) == ["a#2"]


def test_a_clean_end_is_a_success_and_no_crash() -> None:
    world = up(holding())
    [close] = end(world, 100, code=0)
    assert isinstance(close, CloseRun)
    assert world.states() == "S"


def test_a_crash_right_before_its_end_is_a_failure() -> None:
    world = up(holding())
    end(world, 3595)
    assert world.states() == "F"
    assert world.record.groups["a"].kinds[0] is FailureKind.EXIT
    ended = up(holding())
    ended.act(later(3600))
    end(ended, 3600.5, code=1)  # by itself, before the stop reached it
    assert ended.states() == "F"


def test_what_is_down_at_its_end_has_failed() -> None:
    """The disk is full, say, and its time passes."""
    world = up(holding())
    end(world, 3500)
    world.apply(SpaceChanged(later(3501), 1, low=True))
    assert world.act(later(3520)) == []
    [fail, *_] = (event for event in world.act(later(3600)) if isinstance(event, Fail))
    assert fail.kind is FailureKind.LATE


def test_some_failures_may_be_excepted() -> None:
    world = up(holding(retry=Retry(on=frozenset({FailureKind.LOST}))))
    end(world, 5)
    assert world.states() == "F"


@pytest.mark.parametrize(("late", "state"), [(Late.RUN, "K"), (Late.SKIP, "K"), (Late.FAIL, "F")])
def test_after_its_end_it_does_not_start(late: Late, state: str) -> None:
    world = World(holding(late=late), step("b", needs=(Need("a", NeedMode.STARTED),)))
    assert "too late" in explain(world.state, TASK, later(3600))[0].text
    world.act(later(3600))
    assert (world.states(), world.states("b")) == (state, "K")


def test_stop_at_is_an_end_as_well() -> None:
    world = up(holding(openings=(), stop_at=later(30)))
    [stop] = world.act(later(30))
    assert isinstance(stop, Stop)
    assert stop.reason is StopReason.END
    assert holding(stop_at=later(30)).ends == later(30)
    assert step("b", stop_at=later(30)).ends is None


def test_others_wait_for_its_end_or_for_its_beginning() -> None:
    world = World(
        holding(),
        step("done", needs=(Need("a", NeedMode.DONE),)),
        step("all", needs=(Need("a"),)),
        step("begun", 2, needs=(Need("a", NeedMode.STARTED),)),
        slots=2,
    )
    assert started(world.act()) == ["a#1"]
    (blocker, *_) = explain(world.state, TaskKey(RUN, "begun", 0), NOW)
    assert blocker.text == "needs the start of all cells of a: 1 starting"
    world.apply(Started(later(1), TASK, 1, "1"))
    assert started(world.act(later(1))) == ["begun#1"]
    end(world, 2)
    world.end(0, later(3), only=[TaskKey(RUN, "begun", 0)])
    assert started(world.act(later(4))) == [], "while it is down, nobody else begins"
    assert started(world.act(later(12))) == ["a#2"]
    world.apply(Started(later(13), TASK, 2, "1"))
    assert started(world.act(later(13))) == ["begun#1"]
    world.act(later(3600))
    world.end(0, later(3600), only=[TaskKey(RUN, "begun", 1)])
    assert started(end(world, 3601, 2, None, stopped=StopReason.END)) == ["done#1", "all#1"]


def test_what_waits_for_a_beginning_that_never_comes_is_skipped() -> None:
    never = holding(retry=Retry(on=frozenset({FailureKind.LOST})))
    needs = (Need("a", NeedMode.STARTED),)
    world = World(never, step("b", needs=needs))
    world.act()
    events = end(world, 1, code=None, started=False)
    assert [event.step for event in events if isinstance(event, Skip)] == ["b"]
    on = World(holding(retry=never.retry, on_failure=OnFailure(goes_on=True)), step("b", needs=needs))
    on.act()
    assert started(end(on, 1, code=None, started=False)) == ["b#1"]


@pytest.mark.parametrize("request_", [CancelTasks(RUN), HaltRun(RUN, "leaving")])
def test_it_is_cancelled_as_any_other(request_: Any) -> None:
    world = up(holding())
    world.apply(Requested(later(5), "r", request_, RUN))
    world.act(later(5))
    reason = StopReason.CANCEL if isinstance(request_, CancelTasks) else StopReason.INTERRUPT
    end(world, 6, code=None, stopped=reason)
    assert world.states() == "X"


def test_it_says_nothing_about_pace_and_silence() -> None:
    world = up(holding(), step("b"))
    world.end(0, later(9), only=[TaskKey(RUN, "b", 0)], elapsed=9.0)
    assert summarize(world.record).remaining == timedelta(0)
    assert not any(isinstance(event, Stall) for event in world.act(later(3000)))
    end(world, 3001, code=0, elapsed=3000.0)
    assert world.record.durations.total == 9.0


def test_a_forced_one_begins_at_once_and_ends_in_time() -> None:
    world = World(holding(openings=(Opening(later(60), later(3600)),)))
    world.apply(Force(NOW, RUN, Forced("ann")))
    assert started(world.act(NOW)) == ["a#1"]
    [stop] = world.act(later(3600))
    assert isinstance(stop, Stop)
    assert stop.reason is StopReason.END
