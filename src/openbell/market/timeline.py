"""The compiled clock of a market: its changes of state as sorted arrays, looked up by bisection.

It is compiled piece by piece, when an instant of a piece is first asked for: 24 days take half a
millisecond, and nobody pays for twenty years who asks about today.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from openbell.errors import OutOfBounds
from openbell.market.schedule import Schedule
from openbell.market.states import Edge, MarketState, Windows, bounds, distinct, edges

PIECE = 21
"""A piece covers 2**21 seconds: the number of an instant's piece is a shift."""

_STATES = tuple(MarketState)


Span = tuple[float, float, MarketState, int]
"""A stretch of one state in one session: seconds since 1970 from and until which, state, label as ordinal."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Parallel arrays, one entry an edge, from the last one before the piece on; `starts` (seconds) has one
    more, the first one after it.
    """

    starts: array[int]
    states: bytes
    labels: array[int]


class Timeline:
    """Looks instants up. The last stretch serves the next lookup; it is replaced as a whole, not changed."""

    def __init__(self, schedule: Schedule, windows: Windows) -> None:
        self.schedule = schedule
        self.windows = windows
        self.first, self.last = bounds(schedule, windows)
        self._pieces: dict[int, Piece] = {}
        self._cursor: Span = (0, 0, MarketState.HOLIDAY, 1)

    def at(self, seconds: float) -> Span:
        """The stretch around an instant. Raises `OutOfBounds`."""
        cursor = self._cursor
        if cursor[0] <= seconds < cursor[1]:
            return cursor
        second = int(seconds)  # edges lie on whole seconds
        piece = self._pieces.get(second >> PIECE) or self.piece(self.number(seconds))
        starts = piece.starts
        index = bisect_right(starts, second)
        if not 0 < index < len(starts):
            raise self.outside(seconds)
        before = index - 1
        cursor = (starts[before], starts[index], _STATES[piece.states[before]], piece.labels[before])
        self._cursor = cursor
        return cursor

    def edges(self, seconds: float) -> Iterator[Edge]:
        """Every change of state or label strictly after an instant, to the end of what is known."""
        _, _, state, label = self.at(seconds)
        for number in range(self.number(seconds), self.number(self.last - 1) + 1):
            piece = self.piece(number)
            for index in range(bisect_right(piece.starts, seconds), len(piece.labels)):
                if (piece.states[index], piece.labels[index]) != (state, label):
                    state, label = _STATES[piece.states[index]], piece.labels[index]
                    yield Edge(piece.starts[index], state, date.fromordinal(label))

    def number(self, seconds: float) -> int:
        """Of the piece in which an instant lies. Raises `OutOfBounds`."""
        if not self.first <= seconds < self.last:
            raise self.outside(seconds)
        return int(seconds) >> PIECE

    def piece(self, number: int) -> Piece:
        """One piece, compiled at its first use."""
        found = self._pieces.get(number)
        if found is None:
            found = self._pieces[number] = self._compile(number)
        return found

    def _compile(self, number: int) -> Piece:
        start, end = max(self.first, number << PIECE), min(self.last, (number + 1) << PIECE)
        found = list(distinct(edges(self.schedule, self.windows, start, end)))
        first = max(0, bisect_right(found, start, key=lambda edge: edge.start) - 1)
        inside = [edge for edge in found[first:] if edge.start < end]
        after = next((edge.start for edge in found if edge.start >= end), self.last)
        starts = array("q", (*(max(self.first, edge.start) for edge in inside), min(after, self.last)))
        labels = array("q", (edge.label.toordinal() for edge in inside))
        return Piece(starts, bytes(edge.state for edge in inside), labels)

    def outside(self, seconds: float) -> OutOfBounds:
        """The error for an instant of which nothing is known."""
        first, last = (datetime.fromtimestamp(bound, UTC) for bound in (self.first, self.last))
        return OutOfBounds(
            f"{self.schedule.name} is known from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, "
            f"not at {shown(seconds)}",
            hint="choose an instant inside these bounds, or update openbell for a later calendar",
        )


def shown(seconds: float) -> str:
    """An instant for a message, also where no calendar reaches."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} seconds since 1970"
