"""Many instants at once. numpy is imported only when the caller passes arrays of its own."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from datetime import date
from operator import index
from typing import Any

from openbell.errors import MarketError, NaiveInstant
from openbell.market.timeline import Timeline

_NS = 1_000_000_000
_SLOT = 42  # 2**42 ns
_MANY = 50_000
_DAY = 86_400
_CENTURIES = 100_000  # days either side of 1970 that int64 nanoseconds hold
_WANTED = "whole nanoseconds since 1970, or an array"
_EPOCH = date(1970, 1, 1).toordinal()


def states(timeline: Timeline, instants: Any) -> Any:
    """Codes of states for nanoseconds since 1970: uint8 for an array, `array('B')` for other sequences."""
    if not hasattr(instants, "__array__"):
        return array("B", (timeline.at(second)[2] for second in _seconds(instants)))
    return _looked_up(timeline, instants, "states", "u1")


def labels(timeline: Timeline, instants: Any) -> Any:
    """Labels for nanoseconds since 1970: datetime64[D] like an array, a list of dates for other sequences."""
    if not hasattr(instants, "__array__"):
        return [date.fromordinal(timeline.at(second)[3]) for second in _seconds(instants)]
    return _looked_up(timeline, instants, "labels", "M8[D]")


def _seconds(instants: Any) -> Iterator[int]:
    """Whole seconds will do: edges lie on them."""
    if isinstance(instants, bytes) or not isinstance(instants, Iterable):
        raise MarketError(f"{instants!r} holds no instants", hint=_WANTED)
    for ns in instants:
        if isinstance(ns, bool) or not hasattr(ns, "__index__"):
            raise MarketError(f"{ns!r} is no instant", hint=_WANTED)
        yield index(ns) // _NS


def _looked_up(timeline: Timeline, instants: Any, what: str, dtype: str) -> Any:
    import numpy as np

    shaped = _nanoseconds(timeline, np.asarray(instants))
    flat = shaped.reshape(-1)
    if not flat.size:
        return np.empty(shaped.shape, dtype)
    starts, values = _table(timeline, int(flat.min()) // _NS, int(flat.max()) // _NS, what)
    values = values.astype(dtype)
    if (flat[1:] >= flat[:-1]).all():  # each edge is looked up among the instants: five times as fast
        places = np.searchsorted(flat, starts[1:])
        found = np.repeat(values, np.diff(places, prepend=0, append=flat.size))
    else:
        found = values[_places(starts, flat)]
    return found.reshape(shaped.shape)


def _places(starts: Any, flat: Any) -> Any:
    """Of each instant, in any order, the last edge at or before it.

    A grid of slots of 73 minutes knows the edge at the beginning of each; few edges lie inside of one.
    That is three times as fast as a bisection for each instant.
    """
    import numpy as np

    if flat.size < _MANY:  # not worth a grid
        return np.searchsorted(starts, flat, side="right") - 1
    first = int(flat.min())
    slots = (flat - first) >> _SLOT
    borders = first + (np.arange(int(slots.max()) + 2) << _SLOT)
    grid = np.searchsorted(starts, borders, side="right") - 1
    found = grid[slots]
    following = np.append(starts[1:], np.iinfo("i8").max)
    for _ in range(int(np.diff(grid).max())):
        found += following[found] <= flat
    return found


def _table(timeline: Timeline, first: int, last: int, what: str) -> tuple[Any, Any]:
    """Starts in nanoseconds and values of every edge from one second to another. Raises `OutOfBounds`."""
    import numpy as np

    numbers = range(timeline.number(first), timeline.number(last) + 1)
    pieces = [timeline.piece(number) for number in numbers]
    starts = np.concatenate([np.frombuffer(piece.starts, "i8")[:-1] for piece in pieces]) * _NS
    if what == "states":
        return starts, np.concatenate([np.frombuffer(piece.states, "u1") for piece in pieces])
    return starts, np.concatenate([np.frombuffer(piece.labels, "i8") for piece in pieces]) - _EPOCH


def _nanoseconds(timeline: Timeline, instants: Any) -> Any:
    """As int64: whole numbers are nanoseconds already, datetime64 of any unit is UTC.

    What int64 cannot hold in nanoseconds comes round again as another instant: it is refused before.
    """
    import numpy as np

    if instants.dtype.kind == "M":
        if np.isnat(instants).any():
            raise MarketError("an instant is missing (NaT)", hint="drop the missing ones first")
        days = instants.astype("M8[D]").view("i8")
        for day in (days.min(initial=timeline.first // _DAY), days.max(initial=timeline.first // _DAY)):
            if not -_CENTURIES < day < _CENTURIES:
                raise timeline.outside(float(day) * _DAY)
        return instants.astype("M8[ns]").view("i8")
    if instants.dtype.kind == "u" and instants.size and instants.max() > np.iinfo("i8").max:
        raise timeline.outside(float(instants.max()) / _NS)
    if instants.dtype.kind in "iu":
        return instants.astype("i8", copy=False)
    if instants.dtype.kind == "O" and all(hasattr(at, "timestamp") for at in instants.flat):
        if any(at.tzinfo is None for at in instants.flat):
            raise NaiveInstant("an instant has no time zone", hint="for example .tz_localize('UTC')")
        seconds = [math.floor(at.timestamp()) for at in instants.flat]  # edges lie on whole ones
        return np.array(seconds, "i8").reshape(instants.shape) * _NS
    raise MarketError(
        f"an array of {instants.dtype} holds no instants", hint="int64 nanoseconds since 1970, or datetime64"
    )
