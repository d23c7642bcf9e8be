"""Links against an oracle that knows coordinates only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.links import Link, chain, same, sampled, unlike
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Need, NeedMode
from tests.builders import step

NAMES = ("date", "book", "part")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Matrix, Matrix]:
    """A matrix, and one that all its cells have their like in."""
    own = [Axis(name, tuple(range(draw(st.integers(1, 4))))) for name in draw(st.permutations(NAMES))]
    shared = draw(st.lists(st.sampled_from(own), unique=True, max_size=3))
    other = [
        replace(
            axis,
            values=tuple(draw(st.permutations((*axis.values, *range(10, 10 + draw(st.integers(0, 2))))))),
        )
        for axis in shared
    ]
    return Matrix(tuple(own)), Matrix(tuple(other))


def agrees(link: Link, size: int, wanted: dict[int, int | None]) -> None:
    """The link says what the oracle says, in both directions."""
    assert {cell: link.before(cell) for cell in range(size)} == wanted
    assert sorted(link.free()) == [cell for cell, before in wanted.items() if before is None]
    for there in {before for before in wanted.values() if before is not None}:
        assert sorted(link.after(there)) == [cell for cell, before in wanted.items() if before == there]


@given(pairs(), st.data())
def test_the_same_cell_is_the_one_with_the_same_coordinates(
    pair: tuple[Matrix, Matrix], data: st.DataObject
) -> None:
    own, other = pair
    if data.draw(st.booleans()):
        own = replace(own, pick=tuple(sorted(data.draw(st.sets(st.integers(0, own.volume - 1), min_size=1)))))
    names = [axis.name for axis in other.axes]
    wanted: dict[int, int | None] = {}
    for cell in range(len(own)):
        coordinates = own.coordinates(cell)
        wanted[cell] = other.cell({name: coordinates[name] for name in names})
    link = same("a", own, other)
    agrees(link, len(own), wanted)
    unused = set(range(len(other))) - set(wanted.values())
    assert all(not list(link.after(cell)) for cell in unused)


@given(pairs(), st.sampled_from(NAMES), st.data())
def test_a_chain_goes_along_its_axis_and_leaves_the_others(
    pair: tuple[Matrix, Matrix], axis: str, data: st.DataObject
) -> None:
    matrix, _ = pair
    if data.draw(st.booleans()):
        picked = data.draw(st.sets(st.integers(0, matrix.volume - 1), min_size=1))
        matrix = replace(matrix, pick=tuple(sorted(picked)))
    wanted: dict[int, int | None] = {}
    for cell in range(len(matrix)):
        mine = matrix.coordinates(cell)
        line = {
            matrix.coordinates(other)[axis]: other
            for other in range(len(matrix))
            if {**matrix.coordinates(other), axis: 0} == {**mine, axis: 0}
        }
        earlier = [value for value in line if value < mine[axis]]  # type: ignore[operator]
        wanted[cell] = line[max(earlier)] if earlier else None
    agrees(chain(replace(step("a"), matrix=matrix, sequential=axis)), len(matrix), wanted)


def test_values_are_the_same_when_they_are_written_the_same() -> None:
    own = Matrix((Axis("n", (1, "2", 3.5)),))
    other = Matrix((Axis("n", ("3.5", 2, 1)),))
    link = same("a", own, other)
    assert [link.before(cell) for cell in range(3)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        (Matrix((Axis("x", (1,)),)), Matrix((Axis("x", (1, 2)),)), ""),
        (Matrix((Axis("x", (1,)),)), Matrix(), ""),
        (Matrix((Axis("x", (1,)),)), Matrix((Axis("y", (1,)),)), "has no axis `y`"),
        (Matrix((Axis("x", (1, 5)),)), Matrix((Axis("x", (1,)),)), "do not occur there: 5"),
        (Matrix((Axis("x", tuple(range(9))),)), Matrix((Axis("x", (0,)),)), "1, 2, 3 and 5 more"),
    ],
)
def test_cells_without_a_like(own: Matrix, other: Matrix, told: str) -> None:
    assert told in unlike(own, other)
    assert bool(told) == bool(unlike(own, other))
    if told:
        with pytest.raises(ValueError, match="the same cell of a is needed"):
            same("a", own, other)


def test_a_sample_has_the_cells_that_its_cells_wait_for() -> None:
    dates = Axis("date", tuple(range(100)))
    books = Axis("book", tuple("abcdef"))
    first = replace(step("first"), matrix=Matrix((dates,)))
    second = replace(step("second"), matrix=Matrix((dates, books)), needs=(Need("first", NeedMode.SAME),))
    third = replace(step("third"), matrix=Matrix((dates,)), needs=(Need("second"),))
    steps = sampled((third, second, first), 4)
    assert [one.name for one in steps] == ["third", "second", "first"]
    assert [len(one.matrix) for one in steps] == [4, 4, 4]
    link = same("first", steps[1].matrix, steps[2].matrix)
    for cell in range(4):
        before = link.before(cell)
        assert before is not None
        assert steps[2].matrix.coordinates(before).items() <= steps[1].matrix.coordinates(cell).items()


def test_a_million_cells_are_linked_without_looking_at_them() -> None:
    own = Matrix((Axis("date", tuple(range(1000))), Axis("part", tuple(range(1000)))))
    link = same("a", own, Matrix((Axis("date", tuple(range(1000))),)))
    assert list(link.after(999))[-1] == 999_999
    assert link.before(999_999) == 999
