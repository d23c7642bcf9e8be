"""The cells of a step in half blocks: columns are the first axis (dates), half rows the others."""

from __future__ import annotations

from rich.text import Text

from openbell.core.state import DELAYED, Group
from openbell.core.states import TaskState

_ROWS = 24  # values of the other axes that are told apart; more share a row

_ORDER = (
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.STOPPING,
    TaskState.RUNNING,
    TaskState.STARTING,
    TaskState.WAITING,
    TaskState.SKIPPED,
    TaskState.SUCCEEDED,
)
"""What is shown of cells that share a place: the first of these that occurs."""

_RANKS = bytes(
    _ORDER.index(TaskState.WAITING if code == DELAYED else TaskState(code)) if code <= DELAYED else 255
    for code in range(256)
)
"""Byte of a cell -> its place in that order: a million cells take milliseconds."""

_COLOURS = {
    TaskState.WAITING: "grey23",
    TaskState.STARTING: "deep_sky_blue3",
    TaskState.RUNNING: "deep_sky_blue1",
    TaskState.STOPPING: "yellow3",
    TaskState.SUCCEEDED: "green4",
    TaskState.FAILED: "red3",
    TaskState.CANCELLED: "orange3",
    TaskState.SKIPPED: "medium_purple",
}


def heat_map(group: Group, width: int) -> Text:
    """The states of a step's cells, at most `width` characters wide."""
    grid = places(group, width)
    text = Text()
    for upper, lower in zip(grid[::2], [*grid[1::2], None], strict=False):
        for column, state in enumerate(upper):
            style = _COLOURS[state]
            if lower is not None:
                style += f" on {_COLOURS[lower[column]]}"
            text.append("▀", style=style)
        text.append("\n")
    return text


def places(group: Group, width: int) -> list[list[TaskState]]:
    """The states to show, row by row."""
    columns, rows = _shape(group)
    wide, high = min(columns, max(1, width)), min(rows, _ROWS)
    ranks = group.codes.translate(_RANKS)

    def worst(x: int, y: int) -> TaskState:
        first, last = -(-y * rows // high), -(-(y + 1) * rows // high)
        spans = range(-(-x * columns // wide), -(-(x + 1) * columns // wide))
        return _ORDER[min(min(ranks[c * rows + first : c * rows + last]) for c in spans)]

    return [[worst(x, y) for x in range(wide)] for y in range(high)]


def _shape(group: Group) -> tuple[int, int]:
    """Columns and rows: the first axis against all the others."""
    matrix = group.step.matrix
    if matrix.pick is not None or len(matrix.axes) < 2:
        return group.size, 1
    return matrix.shape[0], group.size // matrix.shape[0]
