"""The tasks that took longest go first, and what that does to the end of a run."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.events import Exit, Exited, Recalled, Start, Started
from openbell.core.lanes import WHOLE, lane, lanes
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Past, Priority, Retry, Step
from openbell.core.states import TaskState
from tests.builders import NOW, RUN, World, later, step

DATES = Axis("date", tuple(f"2026-03-{day:02}" for day in range(2, 7)), "date")
BOOKS = Axis("book", ("a", "b", "c"))


def started(world: World) -> list[int]:
    return [event.task.cell for event in world.journal if isinstance(event, Start)]


def recalled(world: World, **took: Mapping[str, float]) -> World:
    world.apply(Recalled(NOW, RUN, Past(took=took)))
    return world


def play(world: World, seconds: Mapping[str, float], slots: int) -> float:
    """How long a run of one step takes when its tasks take these seconds, by the label of their lane."""
    matrix = world.record.groups["a"].step.matrix
    ends: list[tuple[float, int]] = []
    at = 0.0
    for _ in range(len(matrix)):
        world.act(later(at))
        while len(ends) < slots and (
            more := [t for t, _ in world.live() if t.cell not in {c for _, c in ends}]
        ):
            heapq.heappush(ends, (at + seconds[lane(matrix, more[0].cell)], more[0].cell))
        at, cell = heapq.heappop(ends)
        (task,) = (task for task, _ in world.live() if task.cell == cell)
        world.apply(Started(later(at), task, 1, ""), Exited(later(at), task, 1, Exit(0)))
    return at


SKEWED = {"i=0": 1.0, "i=1": 1.0, "i=2": 1.0, "i=3": 1.0, "i=4": 4.0}


def test_the_longest_first_shortens_the_run() -> None:
    plain = play(World(step(cells=5), slots=2), SKEWED, 2)
    known = play(recalled(World(step(cells=5), slots=2), a={WHOLE: 1.6, **SKEWED}), SKEWED, 2)
    assert (plain, known) == (6.0, 4.0)


def test_steps_of_one_priority_go_by_their_longest_task() -> None:
    steps = [step(name) for name in "abcd"]
    steps[2] = step("c", priority=Priority.CRITICAL)
    world = recalled(World(*steps, slots=1), a={WHOLE: 1}, b={WHOLE: 9}, c={WHOLE: 2})
    for _ in range(4):
        world.act()
        world.end()
    order = [event.task.step for event in world.journal if isinstance(event, Start)]
    assert order == ["c", "b", "a", "d"], "what nothing is known of comes last"


def test_lanes_are_told_apart_by_everything_but_their_dates() -> None:
    matrix = Matrix((DATES, BOOKS))
    assert [lane(matrix, cell) for cell in (0, 3, 5)] == ["book=a", "book=a", "book=c"]
    world = World(Step("a", step().work, matrix=matrix), slots=99)
    recalled(world, a={WHOLE: 2, "book=a": 1, "book=b": 1.1, "book=c": 9}).act()
    assert started(world) == [2, 5, 8, 11, 14, 0, 1, 3, 4, 6, 7, 9, 10, 12, 13]


def test_what_takes_about_as_long_stays_in_the_order_of_the_matrix() -> None:
    matrix = Matrix((DATES, BOOKS))
    assert lanes(matrix, {WHOLE: 10, "book=a": 10, "book=b": 10.9, "book=c": 9.6}) is None
    assert lanes(matrix, {WHOLE: 10}) is None
    assert lanes(Matrix(), {WHOLE: 10}) is None


def test_chains_go_in_order_whatever_they_take() -> None:
    world = World(step(cells=3, sequential="i"), slots=9)
    recalled(world, a={"i=0": 1, "i=1": 5, "i=2": 50}).act()
    assert started(world) == [0]


def test_retries_and_reopened_tasks_find_their_place() -> None:
    world = World(step(cells=4, retry=Retry(attempts=2)), slots=1)
    recalled(world, a={"i=0": 1, "i=1": 5, "i=2": 50, "i=3": 500})
    world.act()
    world.end(1)
    world.act(later(600))
    assert started(world) == [3, 3]
    world.end()
    world.act(later(600))
    group = world.record.groups["a"]
    assert (started(world)[-1], group.longest) == (2, 5)
    group.put(2, TaskState.WAITING)
    assert (list(group.ready(NOW)), group.longest) == ([2, 1, 0], 50)
    assert [group.expected(cell) for cell in range(4)] == [1, 5, 50, 500]


AXES = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=1, max_size=3)


@given(AXES, st.lists(st.sampled_from((0.5, 4, 40)), min_size=64, max_size=64), st.data())
def test_every_cell_that_waits_is_found_once_the_longest_first(
    shape: list[tuple[bool, int]], took: list[float], data: st.DataObject
) -> None:
    dated = next((at for at, (date, _) in enumerate(shape) if date), None)
    axes = [Axis(f"x{at}", tuple(range(n)), "date" if at == dated else "") for at, (_, n) in enumerate(shape)]
    matrix = Matrix(tuple(axes))
    labels = list(dict.fromkeys(lane(matrix, cell) for cell in range(len(matrix))))
    known = dict(zip(labels, took, strict=False))
    world = recalled(World(Step("a", step().work, matrix=matrix), slots=1), a=known)
    group = world.record.groups["a"]
    for _ in range(len(matrix)):
        found = list(group.ready(NOW))
        assert sorted(found) == [
            cell for cell in range(len(matrix)) if group.state(cell) is TaskState.WAITING
        ]
        lengths = [known[lane(matrix, cell)] for cell in found]
        assert lengths == sorted(lengths, reverse=True)
        if not found:
            break
        cell = data.draw(st.sampled_from(found))
        group.put(cell, TaskState.STARTING)
        if data.draw(st.booleans()):
            group.put(cell, data.draw(st.sampled_from((TaskState.WAITING, TaskState.FAILED))))


def test_a_million_cells_cost_no_more_than_their_lanes() -> None:
    matrix = Matrix((Axis("date", tuple(range(100_000)), "date"), Axis("book", tuple(range(10)))))
    world = World(Step("a", step().work, matrix=matrix), slots=4)
    recalled(world, a={f"book={book}": 2.0**book for book in range(10)})
    group = world.record.groups["a"]
    looked = 0

    class Counted(bytearray):
        def __getitem__(self, at: object) -> object:  # type: ignore[override]
            nonlocal looked
            looked += 1
            return super().__getitem__(at)  # type: ignore[call-overload]

    group.codes = Counted(group.codes)
    for _ in range(500):
        world.act()
        world.end()
    assert group.count(TaskState.SUCCEEDED) == 2000
    assert looked < 100 * 2000


@pytest.mark.parametrize("cells", [3, 5000])
def test_so_many_lanes_are_not_told_apart(cells: int) -> None:
    took = {f"i={cell}": float(2 ** (cell % 8)) for cell in range(cells)}
    assert (lanes(step(cells=cells).matrix, took) is None) == (cells > 4096)
