"""In which order the cells of a step start: those that took longest in earlier runs first.

A lane is all cells with the same coordinates, their dates aside. Lanes that take about as long stay side by
side, in the order of the matrix. Positions are arithmetic, so a million cells cost no more than their lanes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import log2

from openbell.core.matrix import Matrix, label
from openbell.core.states import TaskState

WHOLE = ""
"""The label of a step as a whole."""

MOST = 4096
"""So many lanes are told apart."""

_WAITING = int(TaskState.WAITING)
_DATE = "date"


def lane(matrix: Matrix, cell: int) -> str:
    """The label of the lane of a cell; empty where there is only one."""
    dated = {axis.name for axis in matrix.axes if axis.kind == _DATE}
    return label({name: v for name, v in matrix.coordinates(cell).items() if name not in dated})


@dataclass(slots=True)
class Lanes:
    """The lanes of a step by classes of about the same length, longest first.

    `classes`: the first cells of their lanes; `seconds`: the longest prediction of each class. A lane goes on
    every `stride` cells, `length` times.
    """

    classes: list[list[int]]
    seconds: list[float]
    stride: int
    length: int
    _class: dict[int, int] = field(default_factory=dict)
    _cursors: list[int] = field(default_factory=list)
    """In each class, the position before which nothing waits."""
    _first: int = 0
    """The class before which nothing waits."""

    def __post_init__(self) -> None:
        self._class = {start: at for at, starts in enumerate(self.classes) for start in starts}
        self._cursors = [0] * len(self.classes)

    @property
    def longest(self) -> float:
        """Prediction for the longest cell that may wait, in seconds."""
        return self.seconds[min(self._first, len(self.seconds) - 1)]

    def waiting(self, codes: bytearray) -> Iterator[int]:
        """The cells that wait, in order."""
        for at in range(self._first, len(self.classes)):
            size = self._size(at)
            for position in range(self._cursors[at], size):
                cell = self._cell(at, position)
                if codes[cell] == _WAITING:
                    yield cell

    def advance(self, codes: bytearray) -> None:
        """Something has started: pass over what does not wait any more."""
        while self._first < len(self.classes):
            at, size = self._first, self._size(self._first)
            position = self._cursors[at]
            while position < size and codes[self._cell(at, position)] != _WAITING:
                position += 1
            self._cursors[at] = position
            if position < size:
                return
            self._first += 1

    def back(self, cell: int) -> None:
        """This cell waits again."""
        turn = cell // self.stride % self.length
        at = self._class[cell - turn * self.stride]
        starts = self.classes[at]
        place = starts.index(cell - turn * self.stride)
        outer = self.stride > starts[-1]
        position = turn * len(starts) + place if outer else place * self.length + turn
        self._cursors[at] = min(self._cursors[at], position)
        self._first = min(self._first, at)

    def _size(self, at: int) -> int:
        return len(self.classes[at]) * self.length

    def _cell(self, at: int, position: int) -> int:
        """In the order of the matrix: date by date where that is its outer axis, else lane by lane."""
        starts = self.classes[at]
        if self.stride > starts[-1]:
            turn, place = divmod(position, len(starts))
        else:
            place, turn = divmod(position, self.length)
        return starts[place] + turn * self.stride


def lanes(matrix: Matrix, took: Mapping[str, float]) -> Lanes | None:
    """The lanes of a step by what each took, in seconds; None where all take about as long, or unknown."""
    if len(took) < 2 or matrix.open or matrix.pick is not None:
        return None
    stride, length = 1, 1
    for axis, width in zip(matrix.axes, matrix.strides, strict=True):
        if axis.kind == _DATE:
            stride, length = width, len(axis.values)
    if len(matrix) // length > MOST:
        return None
    starts = [cell for cell in range(stride) for cell in range(cell, len(matrix), stride * length)]
    classes: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for start in sorted(starts):
        known = took.get(lane(matrix, start), took.get(WHOLE, 0.0))
        about = round(2 * log2(max(known, 0.001)))
        classes.setdefault(about, []).append(start)
        seconds[about] = max(seconds.get(about, 0.0), known)
    if len(classes) < 2:
        return None
    order = sorted(classes, reverse=True)
    return Lanes([classes[one] for one in order], [seconds[one] for one in order], stride, length)
