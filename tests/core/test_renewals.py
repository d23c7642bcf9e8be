"""What was made without something is made again when that succeeds after all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openbell.core.events import CloseRun, Reopen, Requested
from openbell.core.inputs import Consume, Files
from openbell.core.model import Need, NeedMode, OnFailure, Step, TaskKey
from openbell.core.requests import MarkTasks, Only, RetryTasks
from openbell.core.state import RunRecord
from openbell.core.states import RunState, TaskState
from tests.builders import NOW, RUN, World, later, step


def cell(name: str, number: int = 0) -> TaskKey:
    return TaskKey(RUN, name, number)


def lacking(*steps: Step, failing: tuple[TaskKey, ...], slots: int = 9) -> World:
    """A run that has ended: everything has succeeded but these tasks, and what cannot do without them."""
    world = World(*steps, slots=slots)
    for _ in range(10):
        world.act()
        for task, _ in world.live():
            world.end(int(task in failing), only=[task])
    world.act()
    assert world.record.outcome is not None
    return world


def again(world: World, **keys: object) -> None:
    """Retry, and everything that it brings about succeeds."""
    world.apply(Requested(NOW, "r", RetryTasks(RUN, **keys), RUN))  # type: ignore[arg-type]
    for _ in range(10):
        world.act()
        world.end()
    world.act()


def renewed(world: World) -> list[tuple[str, int | None]]:
    """What was opened again because of something else."""
    found = [event for event in world.journal if isinstance(event, Reopen)]
    return [(event.step, event.cell) for event in found if event.reason.startswith("made before")]


SOME = step("merge", needs=(Need("vendor", NeedMode.SOME),))
DONE = step("merge", needs=(Need("vendor", NeedMode.DONE),))


@pytest.mark.parametrize("merge", [SOME, DONE])
def test_what_went_on_with_some_runs_again_and_what_is_behind_it(merge: Step) -> None:
    world = lacking(
        step("vendor", 3), merge, step("book", needs=(Need("merge"),)), failing=(cell("vendor", 1),)
    )
    again(world)
    assert renewed(world) == [("merge", 0), ("book", 0)]
    assert [event.reason for event in world.journal if isinstance(event, Reopen)][-2:] == [
        "made before vendor had succeeded",
        "made before merge had succeeded",
    ]
    assert world.record.state is RunState.SUCCEEDED
    tries = [world.record.groups[name].tries[0] for name in ("vendor", "merge", "book")]
    assert tries == [1, 2, 2]
    assert len([event for event in world.journal if isinstance(event, CloseRun)]) == 2


def test_partial_successes_are_as_good_as_some() -> None:
    world = lacking(
        step("vendor", 3, partial=True), step("merge", needs=(Need("vendor"),)), failing=(cell("vendor"),)
    )
    again(world)
    assert renewed(world) == [("merge", 0)]


FALLBACKS = {
    "goes on": (OnFailure(goes_on=True), ()),
    "stand-in": (OnFailure(stand_in="cache"), (step("cache"),)),
}


@pytest.mark.parametrize("kind", FALLBACKS)
def test_what_ran_on_a_fallback_runs_again(kind: str) -> None:
    policy, more = FALLBACKS[kind]
    vendor = step("vendor", on_failure=policy)
    world = lacking(*more, vendor, step("use", needs=(Need("vendor"),)), failing=(cell("vendor"),))
    assert world.states("use") == "S"
    again(world)
    assert renewed(world) == [("use", 0)]
    assert world.record.state is RunState.SUCCEEDED


def test_what_had_the_part_of_a_stand_in_runs_again_when_that_has_more() -> None:
    vendor = step("vendor", on_failure=OnFailure(stand_in="cache"))
    cache = step("cache", 2, partial=True)
    failing = (cell("vendor"), cell("cache", 1))
    world = lacking(cache, vendor, step("use", needs=(Need("vendor"),)), failing=failing)
    again(world, step="cache")
    assert renewed(world) == [("use", 0)]


def test_cell_by_cell_only_what_was_made_without_its_like() -> None:
    vendor = step("vendor", 4, on_failure=OnFailure(goes_on=True))
    use = step("use", 4, needs=(Need("vendor", NeedMode.SAME),))
    world = lacking(vendor, use, failing=(cell("vendor", 2),))
    again(world)
    assert renewed(world) == [("use", 2)]
    assert world.record.groups["use"].tries.tolist() == [1, 1, 2, 1]


def test_positions_are_carried_on_from_there() -> None:
    vendor = step("vendor", 4, on_failure=OnFailure(goes_on=True))
    carried = step("carry", 4, needs=(Need("vendor", NeedMode.SAME),), sequential="i")
    world = lacking(vendor, carried, failing=(cell("vendor", 1),))
    again(world)
    assert world.record.groups["carry"].tries.tolist() == [1, 2, 2, 2]


def test_what_failed_on_the_lesser_input_is_tried_again() -> None:
    world = lacking(step("vendor", 2), SOME, failing=(cell("vendor"), cell("merge")))
    again(world, step="vendor")
    assert world.states("merge") == "S"


def test_a_second_failure_leaves_all_as_it_was() -> None:
    world = lacking(step("vendor", 3), SOME, failing=(cell("vendor", 1),))
    world.apply(Requested(NOW, "r", RetryTasks(RUN), RUN))
    world.act()
    world.end(1)
    world.act()
    assert not renewed(world)
    assert world.states("merge") == "S"
    assert world.record.state is RunState.PARTIAL


def test_dependants_are_left_alone_when_that_is_asked() -> None:
    world = lacking(step("vendor", 3), SOME, failing=(cell("vendor", 1),))
    again(world, downstream=False)
    assert not renewed(world)
    assert world.record.state is RunState.SUCCEEDED


def test_what_still_runs_on_the_lesser_input_runs_again_when_it_has_ended() -> None:
    world = World(step("vendor", 3), SOME, slots=9)
    world.act()
    for task, _ in world.live():
        world.end(int(task.cell == 1), only=[task])
    world.act()
    assert world.states("merge") == "s"
    world.apply(Requested(NOW, "r", RetryTasks(RUN), RUN))
    world.act()
    world.end(0, only=[cell("vendor", 1)])
    world.act()
    assert not renewed(world), "it runs"
    world.end(0, only=[cell("merge")])
    world.act()
    assert renewed(world) == [("merge", 0)]
    assert world.states("merge") == "s"


def test_a_mark_completes_as_well_and_is_not_overruled_itself() -> None:
    world = lacking(
        step("vendor", 2),
        SOME,
        step("seen", needs=(Need("vendor", NeedMode.DONE),)),
        failing=(cell("vendor", 1), cell("seen")),
    )
    world.apply(Requested(NOW, "m", MarkTasks(RUN, "seen", TaskState.SUCCEEDED, "seen", 0), RUN))
    world.act()
    world.apply(Requested(NOW, "n", MarkTasks(RUN, "vendor", TaskState.SUCCEEDED, "mended", 1), RUN))
    world.act()
    assert (world.states("merge"), world.states("seen")) == ("s", "S")


@pytest.mark.parametrize(
    "keys",
    [
        {"stop_at": later(60)},
        {"files": Files(("/in/*",), consume=Consume.ARCHIVE)},
    ],
)
def test_what_could_not_run_again_keeps_its_success(keys: dict[str, object]) -> None:
    merge = step("merge", needs=(Need("vendor", NeedMode.SOME),))
    world = lacking(step("vendor", 2), merge, failing=(cell("vendor"),))
    changed = replace(merge, **keys)  # type: ignore[arg-type]
    world.record.groups["merge"].step = changed
    world.apply(Requested(later(99), "r", RetryTasks(RUN), RUN))
    world.act(later(99))
    world.end(at=later(99))
    world.act(later(99))
    assert world.states("merge") == "S"
    assert world.record.outcome is RunState.SUCCEEDED


def test_nothing_is_made_again_of_what_was_complete() -> None:
    world = lacking(step("a", 2), step("b", needs=(Need("a"),)), step("c"), failing=(cell("c"),))
    again(world, only=Only.MISSING)
    assert not renewed(world)


def test_many_cells_are_opened_again_at_once() -> None:
    world = World(step("vendor", 2), step("wide", 50_000, needs=(Need("vendor", NeedMode.SOME),)), slots=9)
    world.act()
    for task, _ in world.live():
        world.end(int(task.cell == 1), only=[task])
    record: RunRecord = world.record
    group = record.groups["wide"]
    group.put_all((TaskState.WAITING,), TaskState.SUCCEEDED)
    group.tries = type(group.tries)("I", [1]) * group.size
    world.act()
    world.apply(Requested(NOW, "r", RetryTasks(RUN), RUN))
    world.act()
    world.end()
    world.act()
    assert renewed(world) == [("wide", None)]
    assert group.count(TaskState.WAITING) == 50_000 - 9
