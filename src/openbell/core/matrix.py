"""The cells of a step: dates x partitions x any named axis, as coordinates that are never built.

A matrix of a million cells is a handful of axes. A cell is an index, row-major: the last axis
varies fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

Scalar = str | int | float | bool
"""A coordinate or a parameter: what JSON and an environment variable can hold. Dates are ISO text."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One named axis. `kind` tells what the values mean: `date` (ISO), `partition` (0..n-1) or any."""

    name: str
    values: tuple[Scalar, ...]
    kind: str = ""
    source: str = field(default="", repr=False)
    """Where its values come from while a run goes on: `files`, or `step.key` of a result. Empty: the file."""

    @property
    def open(self) -> bool:
        """Whether its values are not known yet."""
        return bool(self.source) and not self.values


@dataclass(frozen=True)
class Matrix:
    """Axes and, after `--sample`, the picked cells only. No axes: one cell without coordinates.

    With an open axis it is one cell without coordinates, which stands for all that will be.
    """

    axes: tuple[Axis, ...] = ()
    pick: tuple[int, ...] | None = None
    most: int | None = field(default=None, repr=False)
    """`--sample` of a matrix with an open axis: it is picked when the axis is bound."""

    def __len__(self) -> int:
        return len(self.pick) if self.pick is not None else self.volume

    @cached_property
    def open(self) -> bool:
        """Whether the values of an axis are not known yet."""
        return any(axis.open for axis in self.axes)

    @cached_property
    def volume(self) -> int:
        """Number of cells of the full product."""
        return 1 if self.open else prod(len(axis.values) for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart neighbours along each axis are, in cells of the full product."""
        return tuple(prod(self.shape[at + 1 :]) for at in range(len(self.axes)))

    def positions(self, cell: int) -> tuple[int, ...]:
        """Index along each axis. IndexError outside the matrix."""
        if not 0 <= cell < len(self):
            raise IndexError(cell)
        if self.open:
            return ()
        rest = self.pick[cell] if self.pick is not None else cell
        found = []
        for axis in reversed(self.axes):
            rest, position = divmod(rest, len(axis.values))
            found.append(position)
        return tuple(reversed(found))

    def coordinates(self, cell: int) -> dict[str, Scalar]:
        """Axis name -> value. IndexError outside the matrix."""
        found = zip(self.axes, self.positions(cell), strict=not self.open)
        return {axis.name: axis.values[position] for axis, position in found}

    def cell(self, coordinates: Mapping[str, Scalar]) -> int:
        """The cell with these coordinates. KeyError when an axis is missing or a value is not on it."""
        full = 0
        for axis in () if self.open else self.axes:
            full = full * len(axis.values) + _position(axis, coordinates[axis.name])
        if self.pick is None:
            return full
        if full not in self.pick:
            raise KeyError(f"not in the sample: {label(coordinates)}")
        return self.pick.index(full)

    def bind(self, values: Mapping[str, tuple[Scalar, ...]]) -> Matrix:
        """The matrix with the values of these open axes."""
        axes = tuple(
            replace(axis, values=values[axis.name]) if axis.source and axis.name in values else axis
            for axis in self.axes
        )
        bound = replace(self, axes=axes, pick=None)
        return bound if self.most is None or bound.open else sample(bound, self.most)

    def axis(self, *kinds: str) -> Axis | None:
        """The first axis of one of these kinds."""
        return next((axis for axis in self.axes if axis.kind in kinds), None)


SINGLE = Matrix()
"""The matrix of a step without axes."""


def _position(axis: Axis, value: Scalar) -> int:
    for position, candidate in enumerate(axis.values):
        if candidate == value and type(candidate) is type(value):
            return position
    for position, candidate in enumerate(axis.values):
        if str(candidate) == str(value):
            return position
    raise KeyError(f"{axis.name}={value}")


def label(coordinates: Mapping[str, Scalar]) -> str:
    """`date=2024-01-02, partition=3`: how a cell is shown everywhere."""
    return ", ".join(f"{name}={value}" for name, value in coordinates.items())


def sample(matrix: Matrix, count: int) -> Matrix:
    """At most `count` cells, spread evenly over the matrix, first and last included."""
    if matrix.open:
        return replace(matrix, most=count)
    total = matrix.volume
    if count >= total:
        return matrix
    if count == 1:
        return replace(matrix, pick=(0,))
    return replace(matrix, pick=tuple(round(i * (total - 1) / (count - 1)) for i in range(count)))
