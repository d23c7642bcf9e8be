"""The cells of a step in half blocks: columns are the first axis (dates), half rows the others."""

from __future__ import annotations

from rich.text import Text

from openbell.core.matrix import Matrix
from openbell.core.state import Group
from openbell.core.states import TaskState

_LONGEST_LABEL = 24

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

_RANKS = bytes(_ORDER.index(TaskState(code)) if code < len(TaskState) else 255 for code in range(256))
"""Byte of a state -> its place in that order: a million cells take milliseconds."""

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


def heat_map(group: Group, width: int, lines: int) -> Text:
    """The states of a step's cells and what the axes are, at most `width` by `lines` characters."""
    _, rows = _shape(group)
    high = min(rows, max(1, 2 * (lines - 1)))
    labels = _labels(group.step.matrix, rows, high)
    margin = max(map(len, labels), default=-2) + 2
    grid = places(group, width - margin, high)
    text = Text()
    for line, upper in enumerate(grid[::2]):
        lower = grid[2 * line + 1] if 2 * line + 1 < len(grid) else None
        text.append(f"{labels[line]:>{margin - 2}}  " if labels else "", style="bright_black")
        for column, state in enumerate(upper):
            under = f" on {_COLOURS[lower[column]]}" if lower is not None else ""
            text.append("▀", style=_COLOURS[state] + under)
        text.append("\n")
    ends = _ends(group.step.matrix, len(grid[0]))
    return text.append(f"{'':{margin}}{ends}\n", style="bright_black") if ends else text


def places(group: Group, width: int, high: int) -> list[list[TaskState]]:
    """The states to show, row by row: at most `width` columns and `high` rows."""
    columns, rows = _shape(group)
    wide, high = min(columns, max(1, width)), min(rows, high)
    ranks = group.states().translate(_RANKS)

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


def _labels(matrix: Matrix, rows: int, high: int) -> list[str]:
    """The values of each pair of half rows, where each value has its own."""
    if matrix.pick is not None or len(matrix.axes) != 2 or high < rows:
        return []
    values = [str(value) for value in matrix.axes[1].values]
    pairs = [", ".join(values[n : n + 2]) for n in range(0, len(values), 2)]
    return pairs if max(map(len, pairs)) <= _LONGEST_LABEL else []


def _ends(matrix: Matrix, wide: int) -> str:
    """The first and the last value of the first axis, below the first and the last column."""
    if not matrix.axes:
        return ""
    first, last = (str(matrix.coordinates(cell)[matrix.axes[0].name]) for cell in (0, len(matrix) - 1))
    room = wide - len(first) - len(last)
    return f"{first}{'':{room}}{last}" if room > 1 else f"{first} … {last}"
