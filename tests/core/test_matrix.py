from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.core.matrix import SINGLE, Axis, Matrix, label, sample

MATRIX = Matrix((Axis("date", ("2024-01-02", "2024-01-03"), "date"), Axis("k", (5, 20, 60))))

axes = st.lists(st.integers(1, 5), max_size=4).map(
    lambda sizes: tuple(Axis(f"x{n}", tuple(range(size))) for n, size in enumerate(sizes))
)


def test_cells_are_the_product_in_its_usual_order() -> None:
    expected = [
        dict(zip(("date", "k"), pair, strict=True))
        for pair in product(("2024-01-02", "2024-01-03"), (5, 20, 60))
    ]
    assert [MATRIX.coordinates(cell) for cell in range(len(MATRIX))] == expected


@given(axes)
def test_a_cell_and_its_coordinates_lead_to_each_other(axes: tuple[Axis, ...]) -> None:
    matrix = Matrix(axes)
    found = [tuple(matrix.coordinates(cell).values()) for cell in range(len(matrix))]
    assert found == list(product(*(axis.values for axis in axes)))
    assert [matrix.cell(matrix.coordinates(cell)) for cell in range(len(matrix))] == list(range(len(matrix)))


def test_without_axes_there_is_one_cell() -> None:
    assert len(SINGLE) == 1
    assert SINGLE.coordinates(0) == {}


def test_outside_the_matrix_there_is_nothing() -> None:
    for cell in (-1, 6):
        with pytest.raises(IndexError):
            MATRIX.coordinates(cell)
    with pytest.raises(KeyError):
        MATRIX.cell({"date": "2024-01-04", "k": 5})
    with pytest.raises(KeyError):
        MATRIX.cell({"date": "2024-01-02"})


def test_coordinates_may_be_written_as_text() -> None:
    assert MATRIX.cell({"date": "2024-01-03", "k": "20"}) == 4


def test_a_number_and_its_text_are_two_values() -> None:
    matrix = Matrix((Axis("x", (1, "1", True)),))
    assert [matrix.cell({"x": value}) for value in (1, "1", True)] == [0, 1, 2]


@given(axes, st.integers(1, 40))
def test_a_sample_keeps_the_ends_and_its_order(axes: tuple[Axis, ...], count: int) -> None:
    full = Matrix(axes)
    part = sample(full, count)
    cells = [part.coordinates(cell) for cell in range(len(part))]
    assert len(cells) == min(count, len(full))
    positions = [full.cell(coordinates) for coordinates in cells]
    assert positions == sorted(set(positions))
    assert positions[0] == 0
    assert count == 1 or positions[-1] == len(full) - 1
    assert [part.cell(coordinates) for coordinates in cells] == list(range(len(part)))


def test_a_million_cells_cost_nothing() -> None:
    matrix = Matrix(tuple(Axis(name, tuple(range(100))) for name in ("a", "b", "c")))
    assert len(matrix) == 1_000_000
    assert matrix.coordinates(123_456) == {"a": 12, "b": 34, "c": 56}


def test_a_label_names_every_axis() -> None:
    assert label(MATRIX.coordinates(4)) == "date=2024-01-03, k=20"
