from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pytest

from openbell.core.decide import decide
from openbell.core.events import (
    Cancel,
    CloseRun,
    Exit,
    Exited,
    OpenRun,
    Pause,
    Resume,
    Skip,
    SpaceChanged,
    Stall,
    Start,
    Started,
    Stop,
)
from openbell.core.model import Demand, Need, NeedMode, Priority, Retry, Run, Step, TaskKey, Window
from openbell.core.states import RunState, StopReason, TaskState
from openbell.core.summary import exit_code
from openbell.errors import ExitCode
from tests.builders import NOW, RUN, World, later, pipeline, step


def started(events: Sequence[object]) -> list[str]:
    """`a0#1`: cell 0 of step a, first attempt."""
    return [f"{e.task.step}{e.task.cell}#{e.attempt}" for e in events if isinstance(e, Start)]


def test_as_many_start_as_there_are_slots() -> None:
    world = World(step(cells=5), slots=3)
    assert started(world.act()) == ["a0#1", "a1#1", "a2#1"]
    assert decide(world.state, NOW).actions == ()
    world.end()
    assert started(world.act()) == ["a3#1", "a4#1"]


def test_the_concurrency_of_the_run_bounds_it_too() -> None:
    world = World(step(cells=5), slots=9, concurrency=2)
    assert len(started(world.act())) == 2


def test_a_task_may_take_several_slots_and_a_greedy_one_runs_alone() -> None:
    world = World(step("big", 2, demand=Demand(cpu=3)), slots=4)
    assert started(world.act()) == ["big0#1"]
    world = World(step("huge", 2, demand=Demand(cpu=9)), slots=4)
    assert started(world.act()) == ["huge0#1"]


def test_memory_and_named_pools_are_shared_out() -> None:
    world = World(
        step("m", 4, demand=Demand(memory=5)),
        step("d", 4, demand=Demand(pools={"db": 1})),
        slots=9,
        pools={"memory": 10, "db": 1},
    )
    assert started(world.act()) == ["m0#1", "m1#1", "d0#1"]


def test_the_most_urgent_start_first() -> None:
    world = World(
        step("opt", 2, priority=Priority.OPTIONAL),
        step("std", 2),
        step("crit", 2, priority=Priority.CRITICAL),
        slots=3,
    )
    assert started(world.act()) == ["crit0#1", "crit1#1", "std0#1"]


def test_less_urgent_steps_do_not_drain_a_pool_that_an_urgent_one_waits_for() -> None:
    urgent = step("urgent", demand=Demand(cpu=2), priority=Priority.CRITICAL)
    small = step("small", 4, priority=Priority.OPTIONAL)
    world = World(small, slots=2)
    world.act()
    other = Run("p/2", pipeline(urgent), "digest", NOW)
    world.apply(OpenRun(NOW, other))
    world.end(only=world.live()[0][:1])
    assert started(world.act()) == []  # one slot is free: kept for the urgent task, which needs two
    world.end()
    assert started(world.act()) == ["urgent0#1"]


def test_a_step_starts_when_its_needs_are_met_and_is_skipped_when_they_cannot_be() -> None:
    world = World(
        step("a", 2),
        step("all", needs=(Need("a"),)),
        step("some", needs=(Need("a", NeedMode.SOME),)),
        step("done", needs=(Need("a", NeedMode.DONE),)),
        step("after", needs=(Need("all"),)),
    )
    world.act()
    first, second = (task for task, _ in world.live())
    world.end(0, only=[first])
    assert started(world.act()) == []
    world.end(1, only=[second])
    events = world.act()
    assert started(events) == ["some0#1", "done0#1"]
    assert [event.step for event in events if isinstance(event, Skip)] == ["all", "after"]
    reasons = [event.reason for event in events if isinstance(event, Skip)]
    assert reasons[0] == "needs all cells of a, which ended with 1 succeeded, 1 failed"


def test_a_run_closes_with_the_outcome_of_its_tasks() -> None:
    for codes, outcome, code in (
        ((0, 0), RunState.SUCCEEDED, ExitCode.OK),
        ((0, 1), RunState.PARTIAL, ExitCode.EXECUTION_FAILED),
        ((1, 1), RunState.FAILED, ExitCode.EXECUTION_FAILED),
    ):
        world = World(step(cells=2))
        world.act()
        for (task, _), result in zip(world.live(), codes, strict=True):
            world.end(result, only=[task])
        assert [e.outcome for e in world.act() if isinstance(e, CloseRun)] == [outcome]
        assert exit_code(world.record) is code


def test_what_could_not_be_created_has_a_code_of_its_own() -> None:
    world = World(step(cells=2))
    world.act()
    (one, first), (two, second) = world.live()
    world.apply(Exited(NOW, one, first, Exit(None, started=False)))
    assert exit_code(world.record) is ExitCode.CREATION_FAILED
    world.apply(Exited(NOW, two, second, Exit(7)))
    assert exit_code(world.record) is ExitCode.BOTH_FAILED


def test_after_max_failures_nothing_starts_and_what_runs_ends_by_itself() -> None:
    world = World(step(cells=6), step("b", needs=(Need("a"),)), slots=2, max_failures=1)
    world.act()
    (first, _), (second, _) = world.live()
    world.end(1, only=[first])
    events = world.act()
    assert started(events) == []
    assert all("max_failures" in event.reason for event in events if isinstance(event, Cancel))
    assert world.states() == "FsXXXX"
    world.end(0, only=[second])
    assert isinstance(world.act()[-1], CloseRun)
    assert world.states() == "FSXXXX"
    assert exit_code(world.record) is ExitCode.EXECUTION_FAILED


def test_max_failures_of_zero_means_one() -> None:
    world = World(step(cells=3), slots=1, max_failures=0)
    assert started(world.act()) == ["a0#1"]
    world.end(1)
    assert started(world.act()) == []


def test_a_retry_waits_for_its_time_and_goes_first() -> None:
    world = World(step(cells=3, retry=Retry(2, timedelta(seconds=60), jitter=0)), slots=1)
    world.act()
    world.end(1, later(1))
    assert started(world.act(later(2))) == ["a1#1"]
    assert decide(world.state, later(2)).wake_at == later(61)
    world.end(0, later(70))
    assert started(world.act(later(70))) == ["a0#2"]


def test_a_pause_is_a_brake_and_not_a_stop() -> None:
    world = World(step(cells=4), slots=2)
    world.act()
    world.apply(Pause(NOW, RUN, "lunch"))
    world.end()
    assert world.act() == []
    assert world.states() == "SSWW"
    world.apply(Resume(NOW, RUN))
    assert started(world.act()) == ["a2#1", "a3#1"]


def test_nothing_starts_on_a_full_disk() -> None:
    world = World(step(cells=2))
    world.apply(SpaceChanged(NOW, 1, low=True))
    assert world.act() == []
    world.apply(SpaceChanged(NOW, 10**9, low=False))
    assert started(world.act()) == ["a0#1", "a1#1"]


def stops(events: Sequence[object]) -> list[StopReason]:
    return [event.reason for event in events if isinstance(event, Stop)]


def test_an_attempt_that_does_not_begin_is_stopped() -> None:
    world = World(step(start_timeout=timedelta(seconds=30)))
    world.act()
    assert decide(world.state, NOW).wake_at == later(30)
    assert stops(world.act(later(29.9))) == []
    assert stops(world.act(later(30))) == [StopReason.START_TIMEOUT]


def test_a_start_timeout_may_be_the_executors_own() -> None:
    world = World(step(start_timeout=timedelta(seconds=30)), keeps_start=True)
    world.act()
    assert decide(world.state, NOW).wake_at != later(30)
    assert stops(world.act(later(31))) == []


def test_timeouts_are_the_executors_own_or_ours() -> None:
    for keeps_time, expected in ((True, []), (False, [StopReason.TIMEOUT])):
        world = World(step(timeout=timedelta(seconds=40)), keeps_time=keeps_time)
        world.act()
        ((task, attempt),) = world.live()
        world.apply(Started(later(5), task, attempt))
        assert (decide(world.state, later(6)).wake_at == later(45)) is (not keeps_time)
        assert stops(world.act(later(45))) == expected


def test_a_window_opens_closes_and_wakes_the_engine() -> None:
    window = Window(time(9, 30), time(16), "America/New_York", "XNYS")
    world = World(step(cells=2, window=window), slots=1)
    early = datetime(2024, 7, 2, 12, tzinfo=UTC)
    opens, closes = datetime(2024, 7, 2, 13, 30, tzinfo=UTC), datetime(2024, 7, 2, 20, tzinfo=UTC)
    assert world.act(early) == []
    assert decide(world.state, early).wake_at == opens
    assert started(world.act(opens)) == ["a0#1"]
    assert stops(world.act(closes)) == [StopReason.WINDOW]
    world.end(None, closes, stopped=StopReason.WINDOW)  # type: ignore[arg-type]
    assert world.act(closes) == []
    assert world.states() == "XW"


def test_silence_is_told_once_and_again_after_the_next_end() -> None:
    world = World(step(cells=9), slots=2)
    world.act()
    assert decide(world.state, NOW).wake_at == later(300)  # five minutes before the first task has ended
    world.end(0, later(10), elapsed=10.0)
    world.act(later(10))
    stalled = [event for event in world.act(later(71)) if isinstance(event, Stall)]
    assert [(event.task, event.seconds) for event in stalled] == [(TaskKey(RUN, "a", 2), 61.0)]
    assert world.act(later(1000)) == []


def test_patience_grows_with_what_tasks_take() -> None:
    world = World(step(cells=9), slots=1)
    world.act()
    world.end(0, later(100), elapsed=100.0)
    world.act(later(100))
    wake = decide(world.state, later(100)).wake_at
    assert wake is not None
    assert 400 <= (wake - NOW).total_seconds() <= 400 * 1.2  # 100 + 3 x p95, which is right within a bucket


@pytest.mark.parametrize("cells", [1, 7])
def test_asking_twice_gives_the_same_answer_and_changes_nothing(cells: int) -> None:
    from openbell.store.loader import snapshot

    world = World(step(cells=cells, retry=Retry(2)), step("b", needs=(Need("a"),)))
    world.act()
    world.end(1, only=[world.live()[0][0]])
    before = snapshot(world.record)
    first = decide(world.state, later(0.5))
    assert decide(world.state, later(0.5)) == first
    assert snapshot(world.record) == before


def test_a_sweep_of_2500_tasks_comes_to_its_end() -> None:
    world = World(step(cells=2500), slots=50)
    while world.record.state is RunState.ACTIVE:
        world.act()
        world.end()
        world.act()
    assert world.record.count(TaskState.SUCCEEDED) == 2500
    assert len([event for event in world.journal if isinstance(event, Start)]) == 2500


def test_a_step_without_executor_waits_and_says_so() -> None:
    from openbell.core.explain import explain

    world = World(Step("a", step().work, executor="ray"))
    assert world.act() == []
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 0), NOW)
    assert "the executor ray" in blocker.text
