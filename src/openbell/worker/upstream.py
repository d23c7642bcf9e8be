"""What the steps have come to that a task needs: read from the files that its engine has written for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

_STATES = ("waiting", "starting", "running", "stopping", "succeeded", "failed", "cancelled", "skipped")


class Result(NamedTuple):
    """One cell of a needed step: the value of each axis, what it has reported, and its state."""

    coordinates: dict[str, Any]
    result: dict[str, Any]
    state: str


class _Step:
    """The head of a file: the cells of a step and their states."""

    def __init__(self, file: TextIO) -> None:
        head = json.loads(file.readline())
        self.axes: list[tuple[str, list[Any]]] = head["axes"]
        self.pick: list[int] | None = head["pick"]
        states = file.readline().rstrip("\n")
        self.cells: Sequence[int] = head["cells"] if head["cells"] is not None else range(len(states))
        self.states = dict(zip(self.cells, states, strict=True))

    def coordinates(self, cell: int) -> dict[str, Any]:
        """The cells are numbered row by row: the last axis varies fastest."""
        rest = self.pick[cell] if self.pick is not None else cell
        found = []
        for name, values in reversed(self.axes):
            rest, position = divmod(rest, len(values))
            found.append((name, values[position]))
        return dict(reversed(found))

    def like(self, coordinates: Mapping[str, Any]) -> int:
        """The cell with these coordinates, as far as it has axes for them."""
        full = 0
        try:
            for name, values in self.axes:
                full = full * len(values) + values.index(coordinates[name])
            cell = self.pick.index(full) if self.pick is not None else full
            self.states[cell]
        except (KeyError, ValueError):
            told = ", ".join(f"{name}={value}" for name, value in coordinates.items())
            raise LookupError(f"no cell is like this one ({told or 'it has no coordinates'})") from None
        return cell

    def result(self, cell: int, reported: Mapping[int, str]) -> Result:
        result = json.loads(reported[cell]) if cell in reported else {}
        return Result(self.coordinates(cell), result, _STATES[int(self.states[cell])])


def read(path: str) -> list[Result]:
    """All cells of the file, in the order of the matrix."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        step = _Step(file)
        reported = dict(_reported(file))
    return [step.result(cell, reported) for cell in step.cells]


def read_like(path: str, coordinates: Mapping[str, Any]) -> Result:
    """The cell whose coordinates are all among these. LookupError when there is none."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        step = _Step(file)
        cell = step.like(coordinates)
        return step.result(cell, {other: text for other, text in _reported(file) if other == cell})


def _reported(file: TextIO) -> Iterator[tuple[int, str]]:
    for line in file:
        cell, _, text = line.partition("\t")
        yield int(cell), text
