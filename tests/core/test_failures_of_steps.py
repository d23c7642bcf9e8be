"""What becomes of those who need a step that has failed: partial, continue, and both fallbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from openbell.core.decide import decide
from openbell.core.events import CloseRun, FallBack, Recalled, Requested, Skip, Start
from openbell.core.explain import explain
from openbell.core.graph import Cycle, dependants, layers, topological
from openbell.core.model import LAST_SUCCESS, Need, NeedMode, OnFailure, Past, Step, TaskKey
from openbell.core.needs import source
from openbell.core.requests import CancelTasks, RetryTasks
from openbell.core.selection import dropped_needs, narrowed
from openbell.core.states import RunState
from openbell.core.summary import concessions, exit_code
from openbell.errors import ExitCode
from tests.builders import NOW, RUN, World, pipeline, step

GOES_ON = OnFailure(goes_on=True)
LAST = OnFailure(last_success=True)
ELSE = OnFailure(stand_in="f")
NEEDS = (Need("a"),)


def started(events: Sequence[object]) -> list[str]:
    return [f"{e.task.step}{e.task.cell}" for e in events if isinstance(e, Start)]


def skipped(events: Sequence[object]) -> dict[str, str]:
    return {e.step: e.reason for e in events if isinstance(e, Skip)}


def failed(*steps: Step, codes: Sequence[int] = (1,), **keys: Any) -> tuple[World, list[Any]]:
    """A world in which the cells of the step `a` have ended with these codes, and what followed."""
    world = World(*steps, slots=9, **keys)
    world.act()
    for cell, code in enumerate(codes):
        world.end(code, only=[TaskKey(RUN, "a", cell)])
    return world, world.act()


def outcome(world: World, events: Sequence[object]) -> RunState | None:
    world.end()
    done = [*events, *world.act()]
    return next((e.outcome for e in done if isinstance(e, CloseRun)), None)


# ── partial ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("partial", "codes", "starts"),
    [(True, (0, 1), ["b0"]), (True, (1, 1), []), (True, (0, 0), ["b0"]), (False, (0, 1), [])],
)
def test_some_successes_can_be_enough(partial: bool, codes: tuple[int, ...], starts: list[str]) -> None:
    world, events = failed(step("a", 2, partial=partial), step("b", needs=NEEDS), codes=codes)
    assert started(events) == starts
    assert bool(skipped(events)) != bool(starts)
    done = outcome(world, events)
    assert done is {0: RunState.SUCCEEDED, 1: RunState.PARTIAL, 2: RunState.FAILED}[sum(codes)]
    if partial and sum(codes) == 1:
        assert concessions(world.record) == ["1 of 2 tasks of a have failed; the others are enough"]


def test_partial_is_for_whole_steps_not_for_their_cells() -> None:
    same = (Need("a", NeedMode.SAME),)
    world, _ = failed(step("a", 2, partial=True), step("b", 2, needs=same), codes=(0, 1))
    assert world.states("b") == "sK"


# ── continue ─────────────────────────────────────────────────────────────────────────────────────


def test_the_run_goes_on_without_a_step() -> None:
    same = (Need("a", NeedMode.SAME),)
    world, events = failed(step("a", on_failure=GOES_ON), step("b", needs=NEEDS), step("c", needs=same))
    assert started(events) == ["b0", "c0"]
    assert outcome(world, events) is RunState.PARTIAL
    assert concessions(world.record) == ["a has failed; the run goes on without it"]
    assert exit_code(world.record) is ExitCode.EXECUTION_FAILED


def test_what_is_gone_on_without_never_fails_the_run_alone() -> None:
    world, events = failed(step("a", on_failure=GOES_ON))
    assert outcome(world, events) is RunState.PARTIAL
    world, events = failed(step("a", on_failure=GOES_ON), step("b", needs=NEEDS))
    world.end(1)
    assert outcome(world, world.act()) is RunState.FAILED


def test_what_is_gone_on_without_does_not_trip_the_run() -> None:
    _, events = failed(step("a", 2, on_failure=GOES_ON), step("b", needs=NEEDS), codes=(1, 1), max_failures=1)
    assert started(events) == ["b0"]


def test_going_on_is_for_failures_only() -> None:
    first = step("a", needs=(Need("z"),), on_failure=GOES_ON)
    world = World(step("z"), first, step("b", needs=NEEDS))
    world.act()
    world.end(1)
    assert set(skipped(world.act())) == {"a", "b"}


def test_the_order_along_an_axis_is_kept_all_the_same() -> None:
    world, events = failed(step("a", 2, sequential="i", on_failure=GOES_ON))
    assert world.states() == "FK"
    assert "comes after" in skipped(events)["a"]


# ── last success ─────────────────────────────────────────────────────────────────────────────────


def recalled(
    *steps: Step, earlier: str | None = "p/0", codes: Sequence[int] = (1,)
) -> tuple[World, list[Any]]:
    world = World(*steps, slots=9)
    world.apply(Recalled(NOW, RUN, Past({"a": earlier} if earlier else {})))
    world.act()
    for cell, code in enumerate(codes):
        world.end(code, only=[TaskKey(RUN, "a", cell)])
    return world, world.act()


def test_a_failed_step_falls_back_on_its_last_success() -> None:
    world, events = recalled(step("a", 2, on_failure=LAST), step("b", needs=NEEDS), codes=(1, 0))
    assert [(e.step, e.source) for e in events if isinstance(e, FallBack)] == [("a", "p/0")]
    assert started(events) == ["b0"]
    assert source(world.record, Need("a")) == ("p/0", "a")
    assert outcome(world, events) is RunState.PARTIAL
    assert concessions(world.record) == ["a has failed; its results of p/0 stand for it"]


def test_without_an_earlier_success_it_stays_failed() -> None:
    world, events = recalled(step("a", on_failure=LAST), step("b", needs=NEEDS), earlier=None)
    assert skipped(events) == {"b": "needs all cells of a, which ended with 1 failed"}
    assert source(world.record, Need("a")) == (RUN, "a")
    both = OnFailure(last_success=True, goes_on=True)
    _, events = recalled(step("a", on_failure=both), step("b", needs=NEEDS), earlier=None)
    assert started(events) == ["b0"]


def test_nobody_falls_back_on_what_succeeded_or_was_cancelled() -> None:
    world, events = recalled(step("a", on_failure=LAST), step("b", needs=NEEDS), codes=(0,))
    assert started(events) == ["b0"]
    assert not any(isinstance(event, FallBack) for event in events)
    assert source(world.record, Need("a")) == (RUN, "a")


def test_a_fallback_that_nobody_waits_for_is_none() -> None:
    _, events = recalled(step("a", on_failure=LAST))
    assert not any(isinstance(event, FallBack) for event in events)
    _, events = recalled(step("a", on_failure=LAST), step("b", needs=(Need("a", NeedMode.DONE),)))
    assert not any(isinstance(event, FallBack) for event in events)


def test_cells_fall_back_when_the_whole_step_has_ended() -> None:
    same = (Need("a", NeedMode.SAME),)
    world, events = recalled(step("a", 3, on_failure=LAST), step("b", 3, needs=same), codes=(1, 0))
    assert started(events) == ["b1"]
    (blocker,) = explain(world.state, TaskKey(RUN, "b", 0), NOW)
    assert blocker.text == "waits for a: i=0 (failed)"
    world.end(0, only=[TaskKey(RUN, "a", 2)])
    assert sorted(started(world.act())) == ["b0", "b2"]


def test_a_retry_lets_go_of_the_fallback() -> None:
    world, _ = recalled(step("a", on_failure=LAST), step("b", needs=NEEDS), step("c", needs=(Need("b"),)))
    world.end(1)
    world.act()
    assert world.record.outcome is not None
    world.apply(Requested(NOW, "r", RetryTasks(RUN), RUN))
    world.act()
    assert world.record.groups["a"].fallback == ""
    assert world.states("b") == "W", "it waits for the new try"


# ── another step ─────────────────────────────────────────────────────────────────────────────────


def test_another_step_runs_in_its_place() -> None:
    world, events = failed(step("a", on_failure=ELSE), step("f"), step("b", needs=NEEDS))
    assert started(events) == ["f0"]
    (blocker,) = explain(world.state, TaskKey(RUN, "b", 0), NOW)
    assert blocker.text == "needs all cells of a: 1 failed; f stands in for it"
    world.end(0)
    events = world.act()
    assert started(events) == ["b0"]
    assert source(world.record, Need("a")) == (RUN, "f")
    assert outcome(world, events) is RunState.PARTIAL
    assert concessions(world.record) == ["a has failed; f stands in for it"]


def test_what_stands_in_is_not_needed_when_nothing_fails() -> None:
    world = World(step("a", on_failure=ELSE), step("f"), step("b", needs=NEEDS), slots=9)
    assert started(world.act()) == ["a0"]
    (blocker,) = explain(world.state, TaskKey(RUN, "f", 0), NOW)
    assert blocker.text == "runs only if a fails: a: 1 starting"
    world.end(0)
    events = world.act()
    assert skipped(events) == {"f": "not needed: a has not failed"}
    assert outcome(world, events) is RunState.SUCCEEDED


def test_when_both_fail_the_others_are_skipped_with_the_reason() -> None:
    world, _ = failed(step("a", on_failure=ELSE), step("f"), step("b", needs=NEEDS))
    world.end(1)
    assert skipped(world.act()) == {"b": "needs all cells of a, which ended with 1 failed"}
    both = OnFailure(stand_in="f", goes_on=True)
    world, _ = failed(step("a", on_failure=both), step("f"), step("b", needs=NEEDS))
    world.end(1)
    assert started(world.act()) == ["b0"]


def test_one_may_stand_in_for_several_and_have_its_own() -> None:
    world = World(
        step("a", on_failure=ELSE),
        step("o", on_failure=ELSE),
        step("f", on_failure=OnFailure(stand_in="g")),
        step("g"),
        step("b", needs=(Need("a"), Need("o"))),
        slots=9,
    )
    world.act()
    world.end(0, only=[TaskKey(RUN, "o", 0)])
    assert world.act() == [], "a may fail still"
    world.end(1)
    assert started(world.act()) == ["f0"]
    world.end(1)
    assert started(world.act()) == ["g0"]
    world.end(0)
    assert started(world.act()) == ["b0"]
    assert source(world.record, Need("a")) == (RUN, "g")
    assert source(world.record, Need("o")) == (RUN, "o")


def test_cells_wait_for_what_stands_in() -> None:
    same = (Need("a", NeedMode.SAME),)
    world, events = failed(step("a", 2, on_failure=ELSE), step("f"), step("b", 2, needs=same), codes=(1, 0))
    assert sorted(started(events)) == ["b1", "f0"]
    world.end(0, only=[TaskKey(RUN, "f", 0)])
    assert started(world.act()) == ["b0"]
    world, events = failed(step("a", 2, on_failure=ELSE), step("f"), step("b", 2, needs=same), codes=(1, 0))
    world.end(1, only=[TaskKey(RUN, "f", 0)])
    world.act()
    assert world.states("b") == "Ks"


def test_a_partial_success_needs_no_stand_in() -> None:
    _, events = failed(step("a", 2, on_failure=ELSE, partial=True), step("f"), codes=(0, 1))
    assert skipped(events) == {"f": "not needed: a has not failed"}


def test_a_step_that_was_cancelled_has_not_failed() -> None:
    world = World(step("a", on_failure=ELSE), step("f"))
    world.apply(Requested(NOW, "c", CancelTasks(RUN, "a"), RUN))
    assert skipped(world.act()) == {"f": "not needed: a has not failed"}


# ── the graph ────────────────────────────────────────────────────────────────────────────────────


def test_what_stands_in_comes_between() -> None:
    steps = (step("b", needs=NEEDS), step("f"), step("a", on_failure=ELSE))
    assert topological(steps) == ["a", "f", "b"]
    assert layers(steps) == [["a"], ["f"], ["b"]]
    assert dependants(steps, "a") == ["f", "b"]
    with pytest.raises(Cycle):
        topological((step("a", on_failure=ELSE), step("m", needs=NEEDS), step("f", needs=(Need("m"),))))
    with pytest.raises(Cycle):
        topological((step("a", on_failure=ELSE), step("f", on_failure=OnFailure(stand_in="a"))))


def test_a_fallback_that_is_left_out_is_told() -> None:
    part = narrowed(pipeline(step("a", on_failure=ELSE), step("f"), step("b", needs=NEEDS)), {"a", "b"})
    assert part.step("a").on_failure == OnFailure()
    assert dropped_needs(part) == ["`a` has no fallback: `f` is no part of this run"]


def test_decide_rests_while_a_fallback_is_open() -> None:
    world, _ = recalled(step("a", 2, on_failure=LAST), step("b", needs=NEEDS))
    assert decide(world.state, NOW).actions == ()
    assert LAST.fallback == LAST_SUCCESS
