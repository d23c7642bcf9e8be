"""The matrix of a step: partitions, dates, lists, and axes whose values come out of files and results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from openbell.config.document import Path as Place
from openbell.config.draft import Draft, partition_axis
from openbell.config.input_shapes import DYNAMIC, FilesAxisShape, FromFileShape, ResultAxisShape
from openbell.config.inputs import listed_in
from openbell.config.shapes import DatesShape, StepShape
from openbell.core.binding import FILES
from openbell.core.matrix import Axis, Matrix, Scalar
from openbell.core.model import Need

PARTITIONS = ("partition", "worker")
"""Names of axes that are partitions: PARTITION_ID and NUM_PARTITIONS come from them."""


def compile_matrix(draft: Draft, shape: StepShape, home: str | None, place: Place) -> Matrix:
    """The matrix of a step. `home`: the market of its pipeline."""
    axes: list[Axis] = []
    for name, value in shape.matrix.items():
        at = (*place, "matrix", name)
        match value:
            case int():
                axis = partition_axis(name, value)
                axes.append(axis if name in PARTITIONS else Axis(name, axis.values))
            case DatesShape() if draft.meant(at, *DYNAMIC):
                axes.append(Axis(name, ()))  # what it was to be has been said
            case DatesShape():
                axes.append(Axis(name, tuple(_dates(draft, value, home, at)), "date"))
            case FilesAxisShape():
                axes.append(Axis(name, (), source=FILES))
            case ResultAxisShape():
                kind = "partition" if name in PARTITIONS else "date" if name == "date" else ""
                axes.append(Axis(name, (), kind, source=_source(draft, value, (*at, "result"))))
            case FromFileShape():
                axes.append(_listed(name, listed_in(draft, value, at)))
            case _:
                axes.append(_listed(name, value))
                if twice := [one for one, count in Counter(map(str, value)).items() if count > 1]:
                    told = f"the axis `{name}` has {', '.join(twice[:3])} twice"
                    draft.fault("OB109", told, at, key=True)
    return Matrix(tuple(axes))


def _listed(name: str, values: Sequence[Scalar]) -> Axis:
    """An axis of given values. One that is called `date` is one of dates if its values are dates."""
    if name in PARTITIONS:
        return Axis(name, tuple(values), "partition")
    return Axis(name, tuple(values), "date" if name == "date" and all(map(_is_date, values)) else "")


def _is_date(value: Scalar) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _dates(draft: Draft, shape: DatesShape, home: str | None, place: Place) -> list[str]:
    ends = ((*place, "from"), (*place, "to"))
    calendar = draft.market(shape.sessions, (*place, "sessions")) if shape.sessions else None
    if not draft.ordered(shape.start, shape.end, ends):
        return []
    if shape.days is not None:
        if shape.sessions is not None:
            draft.fault("OB111", "`sessions` and `days` exclude each other", place, key=True)
        days = draft.days(shape.start, shape.end)
        return days if shape.days == "all" else draft.weekdays(days, ends[0])
    if shape.sessions is None and home is not None:
        calendar = draft.market(home, ("market",))
    elif shape.sessions is None and (draft.meant(place, "sessions", "days") or draft.meant((), "market")):
        return []
    elif shape.sessions is None:
        help_ = "name a market: `sessions: XNYS`, or `market:` for the pipeline, or `days: all`"
        draft.fault("OB102", "these dates have no calendar", place, help_, key=True)
        return []
    return draft.sessions(calendar, shape.start, shape.end, ends) if calendar else []


def _source(draft: Draft, shape: ResultAxisShape, place: Place) -> str:
    """`step.key`, where the key is the last word."""
    step, _, key = shape.result.rpartition(".")
    if not step or not key:
        draft.fault("OB106", f'`result` must be `step.key`, not "{shape.result}"', place)
    return shape.result if step and key else "x.x"


def made_of(shape: StepShape) -> list[Need]:
    """The steps whose results are axes of this one come first, also where `needs` does not say so."""
    axes = (axis for axis in shape.matrix.values() if isinstance(axis, ResultAxisShape))
    names = dict.fromkeys(axis.result.rpartition(".")[0] for axis in axes)
    return [Need(name) for name in names if name and name not in shape.needs]
