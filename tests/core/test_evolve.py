from __future__ import annotations

import pytest

from openbell.core.events import (
    CloseRun,
    Exit,
    Exited,
    Led,
    Lost,
    OpenRun,
    Reached,
    Refused,
    Reported,
    Start,
    Started,
    Stop,
    Unreachable,
)
from openbell.core.evolve import ORPHANED, is_news
from openbell.core.model import Retry, TaskKey
from openbell.core.states import RunState, StopReason, TaskState
from openbell.errors import InvalidTransition
from openbell.store.loader import snapshot
from tests.builders import NOW, RUN, World, later, step

TASK = TaskKey(RUN, "a", 0)


def running(**keys: object) -> World:
    """A world whose only task runs."""
    world = World(step(**keys))  # type: ignore[arg-type]
    world.act()
    world.apply(Started(later(1), TASK, 1, "4711"))
    return world


def test_an_impossible_action_raises_with_the_tasks_story() -> None:
    world = running()
    with pytest.raises(InvalidTransition) as caught:
        world.apply(Start(later(2), TASK, 2))
    assert str(caught.value) == (
        "p/1/a/0: cannot start a task that is running after 1 attempts "
        "(attempt 1 since 14:00:00, handle 4711)"
    )


@pytest.mark.parametrize(
    "event",
    [
        Start(NOW, TASK, 3),
        Stop(NOW, TASK, 1, StopReason.CANCEL),
        CloseRun(NOW, RUN, RunState.SUCCEEDED),
        OpenRun(NOW, World().record.run),
    ],
)
def test_what_the_state_machine_forbids_raises(event: object) -> None:
    with pytest.raises(InvalidTransition):
        World(step()).apply(event)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "late",
    [
        Started(later(9), TASK, 1, "x"),
        Exited(later(9), TASK, 1, Exit(0)),
        Lost(later(9), TASK, 1, "late"),
        Refused(later(9), TASK, 1, "late"),
        Unreachable(later(9), TASK, 1, "late"),
        Reached(later(9), TASK, 1),
        Reported(later(9), TASK, 1, "log"),
        Exited(later(9), TASK, 7, Exit(0)),
        Exited(later(9), TaskKey("gone/1", "a", 0), 1, Exit(0)),
    ],
)
def test_a_late_report_changes_nothing(late: Exited) -> None:
    world = running(retry=Retry(2))
    world.end(1, later(2))
    world.act(later(60))  # attempt 2 is under way
    before = snapshot(world.record)
    assert not is_news(world.state, late)
    world.apply(late)
    assert snapshot(world.record) == before


def test_an_end_may_come_before_the_start_is_confirmed() -> None:
    world = World(step())
    world.act()
    world.apply(Exited(later(1), TASK, 1, Exit(0)))
    assert world.states() == "S"


def test_the_first_start_counts() -> None:
    world = running()
    again = Started(later(50), TASK, 1, "other")
    assert not is_news(world.state, again)
    world.apply(again)
    live = world.state.live(TASK, 1)
    assert live is not None
    assert (live.started, live.handle) == (later(1), "4711")


def test_out_of_reach_is_not_dead() -> None:
    world = running()
    world.apply(Unreachable(later(5), TASK, 1, "no answer"), Unreachable(later(9), TASK, 1, "no answer"))
    live = world.state.live(TASK, 1)
    assert live is not None
    assert live.unreachable_since == later(5)
    assert world.act(later(3600)) != []  # a stall is told, nothing else
    assert world.states() == "R"
    world.apply(Reached(later(3700), TASK, 1))
    assert live.unreachable_since is None


def test_a_try_that_did_not_count_leaves_the_bound_as_it_was() -> None:
    world = World(step(retry=Retry(attempts=2)))
    for attempt in range(1, 6):
        world.act(later(attempt))
        world.apply(Refused(later(attempt), TASK, attempt, "no room", counted=False))
    world.act(later(10))
    world.end(1, later(10))
    assert world.states() == "W"
    world.act(later(60))
    world.end(1, later(60))
    assert world.states() == "F"
    assert world.record.groups["a"].tries[0] == 7


def test_a_new_engine_pauses_what_nobody_has_asked_for_yet() -> None:
    world = running()
    world.apply(Led(later(5), 2, "me", adopt=False))
    assert world.record.paused == ORPHANED
    world.end(0, later(6))
    assert isinstance(world.act(later(6))[-1], CloseRun)
    assert world.record.state is RunState.SUCCEEDED


def test_a_daemon_takes_over_what_it_finds() -> None:
    world = running()
    world.apply(Led(later(5), 2, "me", adopt=True))
    assert world.record.state is RunState.ACTIVE
    assert world.record.count(TaskState.RUNNING) == 1
