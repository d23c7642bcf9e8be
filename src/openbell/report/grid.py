"""The outcome of every cell of a step, drawn by the page's script from one byte each."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from openbell.core.matrix import Axis, Matrix, label
from openbell.core.state import Group
from openbell.core.states import TaskState
from openbell.report.parts import note, safe_json, section

_MOST_CELLS = 2_000_000
_MOST_LINES = 24  # labelled lines: more would be too small to read


@dataclass(frozen=True, slots=True)
class Layout:
    """Where cells lie. One row: the page wraps it.

    The longer of the first axis and all others together goes across; `flipped`: the first goes down.
    """

    rows: int
    columns: int
    flipped: bool = False
    lines: tuple[str, ...] = ()
    """Labels of the rows, or of equal blocks of rows."""
    ends: tuple[str, ...] = ()
    """Labels of the first and the last column."""


def layout(matrix: Matrix) -> Layout:
    """The layout of a matrix with cells. A sample has no rows of its own: it lies in one."""
    if len(matrix.axes) < 2 or matrix.pick is not None:
        return Layout(1, len(matrix))
    first, *others = matrix.axes
    outer = len(first.values)
    inner = matrix.volume // outer
    if min(outer, inner) == 1:
        return Layout(1, len(matrix))
    if outer >= inner:
        return Layout(inner, outer, False, _lines(others[0]), _ends([first]))
    return Layout(outer, inner, True, _lines(first), _ends(others))


def _lines(axis: Axis) -> tuple[str, ...]:
    return tuple(label({axis.name: v}) for v in axis.values) if len(axis.values) <= _MOST_LINES else ()


def _ends(axes: Sequence[Axis]) -> tuple[str, ...]:
    return tuple(label({axis.name: axis.values[n] for axis in axes}) for n in (0, -1))


def outcomes(name: str, group: Group) -> str:
    """The section about the step of that name."""
    title = f"Outcomes: {name}"
    counts = [(state.name.lower(), count) for state in TaskState if (count := group.count(state))]
    legend = "".join(f'<li class="{state}"><i></i>{count:,} {state}</li>' for state, count in counts)
    drawn = note("Too many cells to draw.") if group.size > _MOST_CELLS else _canvas(group, counts)
    return section(title, f'{drawn}<ul class="legend">{legend}</ul>')


def _canvas(group: Group, counts: Sequence[tuple[str, int]]) -> str:
    place = layout(group.step.matrix)
    lines = "".join(f"<li>{escape(line)}</li>" for line in place.lines)
    ends = "".join(f"<span>{escape(end)}</span>" for end in place.ends)
    said = "Outcome of each task: " + ", ".join(f"{count:,} {state}" for state, count in counts)
    return (
        '<div class="outcomes">'
        + (f'<ul class="lines">{lines}</ul>' if lines else "")
        + f'<canvas role="img" aria-label="{said}"></canvas>'
        + (f'<p class="ends">{ends}</p>' if ends else "")
        + "<output>Point at a cell to see which one it is.</output>"
        + f'<script type="application/json">{safe_json(_data(group, place))}</script></div>'
    )


def _data(group: Group, place: Layout) -> dict[str, object]:
    matrix = group.step.matrix
    return {
        "codes": base64.b64encode(group.states()).decode(),
        "rows": place.rows,
        "columns": place.columns,
        "flipped": place.flipped,
        "axes": [{"name": axis.name, "values": [str(v) for v in axis.values]} for axis in matrix.axes],
        "pick": matrix.pick,
        "states": [state.name.lower() for state in TaskState],
    }
