"""Cells that wait for cells: of another step, or of their own before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openbell.core.decide import decide
from openbell.core.events import CloseRun, Force, Pause, Requested, Skip, Start
from openbell.core.explain import bottlenecks, explain
from openbell.core.holds import settle_run
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Forced, Need, NeedMode, Retry, Step, TaskKey
from openbell.core.requests import CancelTasks, RetryTasks
from openbell.core.state import HELD, RunRecord
from openbell.core.states import RunState, TaskState
from openbell.store.loader import snapshot
from tests.builders import NOW, RUN, World, later, step

DATES = Axis("date", ("d0", "d1", "d2"))
BOOKS = Axis("book", ("x", "y"))
SAME = (Need("a", NeedMode.SAME),)


def over(*axes: Axis, name: str = "a", **keys: Any) -> Step:
    return replace(step(name, **keys), matrix=Matrix(axes))


def started(events: Sequence[object]) -> list[str]:
    return [f"{e.task.step}{e.task.cell}" for e in events if isinstance(e, Start)]


def end(world: World, name: str, cell: int, code: int = 0) -> list[str]:
    """Let one task end, act, and tell what has been started."""
    world.end(code, only=[TaskKey(RUN, name, cell)])
    return started(world.act())


# ── the same cell of another step ────────────────────────────────────────────────────────────────


def test_a_cell_starts_when_its_own_one_has_succeeded() -> None:
    world = World(over(DATES), over(DATES, BOOKS, name="b", needs=SAME), slots=99)
    assert started(world.act()) == ["a0", "a1", "a2"]
    assert end(world, "a", 1) == ["b2", "b3"]
    assert end(world, "a", 0) == ["b0", "b1"]


def test_a_failed_cell_skips_only_its_own_with_the_reason() -> None:
    world = World(
        over(DATES),
        over(DATES, BOOKS, name="b", needs=SAME),
        over(DATES, BOOKS, name="c", needs=(Need("b", NeedMode.SAME),)),
        slots=99,
    )
    world.act()
    world.end(1, only=[TaskKey(RUN, "a", 1)])
    events = world.act()
    assert world.states("b") == "WWKKWW"
    assert world.states("c") == "WWKKWW"
    skips = [(e.step, e.cell, e.count, e.reason) for e in events if isinstance(e, Skip)]
    assert skips == [
        ("b", 2, 2, "needs the same cell of a, which failed"),
        ("c", 2, 2, "needs the same cell of b, which was skipped"),
    ]
    world.end()
    for _ in range(3):
        world.act()
        world.end()
    world.act()
    assert world.record.state is RunState.PARTIAL
    assert world.states("c") == "SSKKSS"


def test_a_step_whose_cells_are_all_lost_is_skipped_in_one_stroke() -> None:
    world = World(over(DATES), over(DATES, BOOKS, name="b", needs=SAME), slots=99)
    world.act()
    world.end(1)
    skips = [event for event in world.act() if isinstance(event, Skip)]
    assert [(skip.step, skip.cell) for skip in skips] == [("b", None)]


def test_cells_wait_for_those_of_several_steps() -> None:
    needs = (Need("a", NeedMode.SAME), Need("o", NeedMode.SAME))
    world = World(over(DATES), over(BOOKS, name="o"), over(DATES, BOOKS, name="b", needs=needs), slots=99)
    world.act()
    assert end(world, "a", 0) == []
    assert end(world, "o", 1) == ["b1"]
    world.end(1, only=[TaskKey(RUN, "o", 0)])
    world.act()
    assert world.states("b") == "KsKWKW"


def test_a_whole_step_and_its_cells_can_be_needed_together() -> None:
    world = World(over(DATES), step("w"), over(DATES, name="b", needs=(*SAME, Need("w"))), slots=99)
    world.act()
    assert end(world, "a", 0) == []
    assert end(world, "w", 0) == ["b0"]


def test_why_names_the_cell_that_is_waited_for() -> None:
    world = World(over(DATES), over(DATES, BOOKS, name="b", needs=SAME), slots=99)
    world.act()
    (blocker,) = explain(world.state, TaskKey(RUN, "b", 3), NOW)
    assert (blocker.gate, blocker.text) == ("needs", "waits for a: date=d1 (starting)")
    assert dict(bottlenecks(world.state, world.record, NOW))["b"].text == "waits for a: date=d0 (starting)"
    world.end(1, only=[TaskKey(RUN, "a", 1)])
    (blocker,) = explain(world.state, TaskKey(RUN, "b", 3), NOW)
    assert blocker.text == "needs the same cell of a, which failed"


def test_a_retry_of_the_cell_opens_those_that_waited_for_it() -> None:
    world = World(over(DATES), over(DATES, name="b", needs=SAME), slots=99)
    world.act()
    world.end(1, only=[TaskKey(RUN, "a", 1)])
    world.act()
    world.apply(Requested(NOW, "r", RetryTasks(RUN, step="a", cell=1), RUN))
    world.act()
    assert (world.states("a"), world.states("b")) == ("sss", "WWW")
    assert end(world, "a", 1) == ["b1"]


def test_a_cell_that_waits_for_its_next_try_keeps_its_time_while_it_is_held() -> None:
    world = World(over(DATES), over(DATES, name="b", needs=SAME, retry=Retry(2, later(30) - NOW, jitter=0)))
    group = world.record.groups["b"]
    world.act()
    assert end(world, "a", 0) == ["b0"]
    world.end(1, later(1), only=[TaskKey(RUN, "b", 0)])
    assert group.next_due() == later(31)
    group.hold(0)
    assert (group.state(0), group.next_due(), list(group.ready(later(99)))) == (TaskState.WAITING, None, [])
    group.release(0)
    assert (group.next_due(), list(group.ready(later(99)))) == (later(31), [0])


# ── in order along an axis ───────────────────────────────────────────────────────────────────────


def test_cells_run_in_order_along_an_axis() -> None:
    world = World(over(DATES, BOOKS, sequential="date"), slots=99)
    assert started(world.act()) == ["a0", "a1"]
    assert end(world, "a", 1) == ["a3"]
    assert end(world, "a", 0) == ["a2"]
    (blocker,) = explain(world.state, TaskKey(RUN, "a", 4), NOW)
    assert (blocker.gate, blocker.text) == ("sequential", "waits for a: date=d1, book=x (starting)")


def test_a_failure_skips_the_rest_of_its_chain_with_the_reason() -> None:
    world = World(over(DATES, BOOKS, sequential="date"), slots=99)
    world.act()
    world.end(1, only=[TaskKey(RUN, "a", 0)])
    skips = [(e.cell, e.count, e.reason) for e in world.act() if isinstance(e, Skip)]
    assert skips == [(2, 1, "comes after date=d0, book=x, which failed"), (4, 1, skips[0][2])]
    assert world.states() == "FsKWKW"


def test_a_chain_waits_for_the_last_try() -> None:
    world = World(over(DATES, sequential="date", retry=Retry(2, later(5) - NOW, jitter=0)))
    world.act()
    world.end(1, later(1))
    assert world.act(later(1)) == []
    assert started(world.act(later(6))) == ["a0"]


def test_a_retry_opens_the_chain_again() -> None:
    for request in (RetryTasks(RUN), RetryTasks(RUN, step="a"), RetryTasks(RUN, step="a", cell=0)):
        world = World(over(DATES, sequential="date"))
        world.act()
        world.end(1)
        assert isinstance(world.act()[-1], CloseRun)
        assert world.states() == "FKK"
        world.apply(Requested(NOW, "r", request, RUN))
        world.act()
        assert world.states() == "sWW"
        for _ in range(3):
            world.end()
            world.act()
        assert world.record.state is RunState.SUCCEEDED


def test_both_may_combine() -> None:
    world = World(over(DATES), over(DATES, BOOKS, name="b", needs=SAME, sequential="date"), slots=99)
    world.act()
    assert end(world, "a", 1) == [], "its predecessor has not run"
    assert end(world, "a", 0) == ["b0", "b1"]
    assert end(world, "b", 0) == ["b2"]
    world.end(1, only=[TaskKey(RUN, "a", 2)])
    skips = [event for event in world.act() if isinstance(event, Skip)]
    assert [(skip.cell, skip.count) for skip in skips] == [(4, 2)]


def test_what_comes_behind_a_lost_cell_says_so() -> None:
    world = World(over(DATES), over(DATES, name="b", needs=SAME, sequential="date"), slots=99)
    world.act()
    world.end(1, only=[TaskKey(RUN, "a", 0)])
    skips = [(e.cell, e.count, e.reason) for e in world.act() if isinstance(e, Skip)]
    assert skips == [
        (0, 1, "needs the same cell of a, which failed"),
        (1, 2, "comes after date=d0, which was skipped"),
    ]


def test_a_forced_run_waits_for_no_cell() -> None:
    world = World(over(DATES), over(DATES, BOOKS, name="b", needs=SAME, sequential="date"), slots=99)
    world.act()
    world.apply(Force(NOW, RUN, Forced("ann", "late")))
    assert len(started(world.act())) == 6
    world.end(1, only=[TaskKey(RUN, "b", 0)])
    world.apply(Force(NOW, RUN, None), Requested(NOW, "r", RetryTasks(RUN), RUN))
    world.act()
    assert world.states("b") == "Wsssss", "it waits for its own cell again"


def test_a_cancelled_cell_ends_its_chain() -> None:
    world = World(over(DATES, sequential="date"))
    world.act()
    world.apply(Requested(NOW, "c", CancelTasks(RUN, "a", 1), RUN))
    world.act()
    assert world.states() == "sXK"


def test_a_million_cells_that_wait_cost_decide_nothing() -> None:
    dates, parts = Axis("date", tuple(range(1000))), Axis("part", tuple(range(1000)))
    world = World(over(dates), over(dates, parts, name="b", needs=SAME, sequential="date"), slots=4)
    assert started(world.act()) == ["a0", "a1", "a2", "a3"]
    assert world.record.groups["b"].codes.count(HELD) == 1_000_000
    import time

    began = time.perf_counter()
    for _ in range(20):
        decide(world.state, NOW)
    assert (time.perf_counter() - began) / 20 < 0.02


# ── what is kept is what follows ─────────────────────────────────────────────────────────────────


def rebuilt(record: RunRecord) -> dict[str, object]:
    """The record with everything derived about who waits for whom made anew."""
    settle_run(record)
    return snapshot(record)


@given(st.data())
def test_who_waits_for_whom_follows_from_the_states(data: st.DataObject) -> None:
    """Whatever happens, in whatever order: making it anew changes nothing."""
    world = World(
        over(DATES),
        over(DATES, BOOKS, name="b", needs=SAME, sequential="date"),
        over(BOOKS, DATES, name="c", needs=(Need("b", NeedMode.SAME), Need("a", NeedMode.DONE))),
        slots=data.draw(st.integers(1, 6)),
    )
    names = ("a", "b", "c")
    for number in range(data.draw(st.integers(0, 25))):
        world.act()
        live = world.live()
        wish = data.draw(st.sampled_from(["end", "end", "end", "cancel", "retry", "pause"]))
        if wish == "end" and live:
            world.end(data.draw(st.sampled_from([0, 0, 1])), only=[data.draw(st.sampled_from(live))[0]])
        elif wish == "pause" and world.record.outcome is None:
            world.apply(Pause(NOW, RUN, "lunch"))
        elif wish in ("cancel", "retry"):
            name = data.draw(st.sampled_from(names))
            cell = data.draw(st.none() | st.integers(0, world.record.groups[name].size - 1))
            request = (
                CancelTasks(RUN, name, cell) if wish == "cancel" else RetryTasks(RUN, step=name, cell=cell)
            )
            world.apply(Requested(NOW, f"r{number}", request, RUN))
        before = snapshot(world.record)
        assert rebuilt(world.record) == before
