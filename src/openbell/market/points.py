"""Points of a session's day: `close+30m`, `next open-5m`, and the stretches that states are on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from openbell.errors import MarketError
from openbell.market.markets import UNITS, Market
from openbell.market.states import MarketState

_POINT = re.compile(r"(?:(next|previous)\s+)?(open|close)(?:\s*([+-])\s*(\d{1,6})\s*(s|m|h))?")
_SHIFTS = {None: 0, "next": 1, "previous": -1}

Stretch = tuple[datetime, datetime]
"""From the first instant, before the second (aware, UTC)."""


@dataclass(frozen=True, slots=True)
class Point:
    """The open or close of a session, of the one after it (`shift` 1) or before it (-1), and an offset."""

    event: str
    offset: timedelta = timedelta(0)
    shift: int = 0

    def __str__(self) -> str:
        which = {-1: "previous ", 0: "", 1: "next "}[self.shift]
        seconds = round(self.offset.total_seconds())
        told = f"{seconds:+d}s" if seconds % 60 else f"{seconds // 60:+d}m"
        return f"{which}{self.event}" + (told if seconds else "")

    def at(self, market: Market, session: date) -> datetime:
        """Its instant for a session. Raises `MarketError` where there is no such session."""
        found = market.session_of(session)
        if self.shift > 0:
            found = market.next_session(session)
        elif self.shift < 0:
            found = market.prev_session(session)
        try:
            return (found.open if self.event == "open" else found.close) + self.offset
        except OverflowError:
            raise MarketError(f"{self} of {session} lies beyond the end of time") from None


def point(text: str) -> Point:
    """Reads `open`, `close+30m`, `next open-5m`, `previous close`. Raises `MarketError`."""
    found = _POINT.fullmatch(text.strip())
    if found is None:
        raise MarketError(f"{text!r} is no point of a session", hint="such as close+30m or next open-5m")
    shift, event, sign, number, unit = found.groups()
    offset = timedelta(**{UNITS[unit]: int(number)}) if number else timedelta(0)
    return Point(event, -offset if sign == "-" else offset, _SHIFTS[shift])


def stretches(market: Market, session: date, state: MarketState) -> list[Stretch]:
    """When a session is in this state: SESSION less its breaks, OVERNIGHT until the next PRE_OPEN.

    Empty where it never is. Raises `MarketError` when the date has no session.
    """
    found = market.session_of(session)
    match state:
        case MarketState.SESSION:
            return found.trading
        case MarketState.BREAK:
            return list(found.breaks)
        case MarketState.OVERNIGHT:
            over = market.window(session, MarketState.POST_CLOSE)[1]
            following = market.next_session(session).date
            span = over, market.window(following, MarketState.PRE_OPEN)[0]
        case MarketState.HOLIDAY:
            return []
        case _:
            span = market.window(session, state)
    return [span] if span[0] < span[1] else []


_ANCHOR = re.compile(r"(first|last)\s+session\s+of\s+(?:the\s+)?(week|month|quarter|year)(?:\s+(.+))?")
_LONGEST_CLOSURE = timedelta(days=60)  # Athens, 2015: 38
_AHEAD = 40 * timedelta(days=1)  # how far the labels of sessions are looked up at a time


@dataclass(frozen=True, slots=True)
class Anchor:
    """A point of every session's day, or of the first or last session of each week, month, quarter, year."""

    point: Point
    which: str = ""
    period: str = ""

    def __str__(self) -> str:
        return f"{self.which} session of {self.period} {self.point}" if self.which else str(self.point)

    def after(self, market: Market, at: datetime) -> Iterator[tuple[datetime, date]]:
        """Its instants strictly after `at`, with their sessions, up to the end of the calendar."""
        try:
            begin = (at - self.point.offset - _LONGEST_CLOSURE).date()
        except OverflowError:
            begin = market.valid_from
        for session in self._sessions(market, max(begin, market.valid_from)):
            try:
                found = self.point.at(market, session)
            except MarketError:  # the session beside it is beyond the calendar
                continue
            if found > at:
                yield found, session

    def _sessions(self, market: Market, start: date) -> Iterator[date]:
        """The labels from `start` on that are of this kind."""
        labels = _labels(market, start)
        if not self.which:
            yield from labels
            return
        before = next(labels, None)
        for label in labels:
            assert before is not None
            if _period(before, self.period) != _period(label, self.period):
                yield label if self.which == "first" else before
            before = label


def _labels(market: Market, start: date) -> Iterator[date]:
    while start <= market.valid_until:
        end = min(start + _AHEAD, market.valid_until)
        yield from market.dates(start, end)
        start = end + timedelta(days=1)


def _period(day: date, period: str) -> tuple[int, int]:
    match period:
        case "week":
            year, week, _ = day.isocalendar()
            return year, week
        case "month":
            return day.year, day.month
        case "quarter":
            return day.year, (day.month - 1) // 3
        case _:
            return day.year, 0


def anchor(text: str) -> Anchor:
    """Reads a point, or `last session of month close+1h`, `first session of week`. Raises `MarketError`.

    Without a point, the open of the session is meant.
    """
    found = _ANCHOR.fullmatch(text.strip())
    if found is None:
        return Anchor(point(text))
    which, period, rest = found.groups()
    return Anchor(point(rest or "open"), which, period)
