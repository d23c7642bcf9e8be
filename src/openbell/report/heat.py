"""A result over any two axes of a step: for each pair of values the mean over all other axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean

from openbell.core.matrix import Axis, Scalar
from openbell.core.model import Step
from openbell.core.state import RunRecord
from openbell.errors import UsageError
from openbell.report.parts import amount, note, scrolling, section
from openbell.report.results import number, succeeded
from openbell.store.records import AttemptInfo

_MOST = 60  # values of an axis: more cells could not be read
_PREFERRED = ("pnl", "ret")
_SUMMED = ("pnl",)
"""Results whose dates and partitions are parts of one whole."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to draw: `decay,width=pnl`. Across, down, and the result; empty: the usual one."""

    across: str
    down: str
    result: str = ""

    @classmethod
    def parsed(cls, text: str) -> Wanted:
        """Raises UsageError for anything else."""
        axes, _, result = text.partition("=")
        names = [name.strip() for name in axes.split(",")]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise UsageError(f"{text!r} does not name two axes", hint="for example --heat decay,width=pnl")
        return cls(names[0], names[1], result.strip())


@dataclass(frozen=True, slots=True)
class Heat:
    """Values by (place across, place down)."""

    step: str
    result: str
    across: Axis
    down: Axis
    cells: Mapping[tuple[int, int], float]
    summed: bool


def heats(record: RunRecord, attempts: Sequence[AttemptInfo], wanted: Wanted | None = None) -> list[Heat]:
    """The heat maps of a run: the one that is wanted, or one for each step with two axes of parameters.

    Raises UsageError for axes or a result that no step has.
    """
    found = [heat for step in record.run.pipeline if (heat := _heat(record, attempts, step, wanted))]
    if wanted is not None and not found:
        axes = sorted({axis.name for step in record.run.pipeline for axis in step.matrix.axes})
        told = (
            f"no step has numbers of {wanted.result or 'any result'} over {wanted.across} and {wanted.down}"
        )
        raise UsageError(told, hint=f"axes: {', '.join(axes) or 'none'}")
    return found


def _heat(
    record: RunRecord, attempts: Iterable[AttemptInfo], step: Step, wanted: Wanted | None
) -> Heat | None:
    axes = {axis.name: axis for axis in step.matrix.axes}
    if wanted is not None:
        chosen = [axes[name] for name in (wanted.across, wanted.down) if name in axes]
    else:
        chosen = [axis for axis in step.matrix.axes if not axis.kind and 1 < len(axis.values) <= _MOST][:2]
    if len(chosen) < 2 or any(len(axis.values) > _MOST for axis in chosen):
        return None
    values = _values(record, attempts, step, wanted.result if wanted else "")
    if values is None:
        return None
    result, by_cell = values
    places = [step.matrix.axes.index(axis) for axis in chosen]
    cells = _gathered(step, by_cell, places, summed=result in _SUMMED)
    return Heat(step.name, result, chosen[0], chosen[1], cells, result in _SUMMED)


def _values(
    record: RunRecord, attempts: Iterable[AttemptInfo], step: Step, wanted: str
) -> tuple[str, dict[int, float]] | None:
    """The result to draw, and its value in each cell."""
    found: dict[str, dict[int, float]] = {}
    for info in succeeded(record, attempts):
        if info.key.step == step.name:
            for name, value in info.result.items():
                if (numeric := number(value)) is not None:
                    found.setdefault(name, {})[info.key.cell] = numeric
    order = [wanted] if wanted else [*_PREFERRED, *sorted(found)]
    chosen = next((name for name in order if name in found), None)
    return (chosen, found[chosen]) if chosen else None


def _gathered(
    step: Step, by_cell: Mapping[int, float], places: Sequence[int], *, summed: bool
) -> dict[tuple[int, int], float]:
    """One value for each pair. Dates and partitions of a summed result are added before means are taken."""
    parts = [n for n, axis in enumerate(step.matrix.axes) if axis.kind in ("date", "partition")]
    wholes: dict[tuple[tuple[int, int], tuple[int, ...]], list[float]] = {}
    for cell, value in by_cell.items():
        at = step.matrix.positions(cell)
        rest = tuple(p for n, p in enumerate(at) if n not in places and not (summed and n in parts))
        wholes.setdefault(((at[places[0]], at[places[1]]), rest), []).append(value)
    pairs: dict[tuple[int, int], list[float]] = {}
    for (pair, _), values in wholes.items():
        pairs.setdefault(pair, []).append(sum(values) if summed else fmean(values))
    return {pair: fmean(values) for pair, values in pairs.items()}


def drawn(heat: Heat, *, several: bool) -> str:
    """The section of the page."""
    most = max((abs(value) for value in heat.cells.values()), default=0.0) or 1.0
    head = "".join(f'<th scope="col" class="number">{_label(v)}</th>' for v in heat.across.values)
    rows = []
    for down, value in enumerate(heat.down.values):
        cells = (_cell(heat.cells.get((across, down)), most) for across in range(len(heat.across.values)))
        rows.append(f'<tr><th scope="row">{_label(value)}</th>{"".join(cells)}</tr>')
    corner = escape(f"{heat.down.name} \\ {heat.across.name}")
    body = f"<thead><tr><th>{corner}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    rest = (
        "the mean over all other axes; dates and partitions are added"
        if heat.summed
        else "the mean over all others"
    )
    title = f"{heat.result} over {heat.across.name} and {heat.down.name}"
    return section(
        f"{heat.step}: {title}" if several else title,
        scrolling(f'<table class="heat">{body}</table>')
        + note(f"Each cell: {rest}. Blue: above zero, orange: below."),
    )


def _label(value: Scalar) -> str:
    return escape(str(value))


def _cell(value: float | None, most: float) -> str:
    if value is None:
        return '<td class="number">-</td>'
    colour = "0 114 178" if value >= 0 else "213 94 0"
    strength = 0.08 + 0.62 * abs(value) / most
    return f'<td class="number" style="background: rgb({colour} / {strength:.2f})">{amount(value)}</td>'
