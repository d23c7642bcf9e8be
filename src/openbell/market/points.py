"""Points of a session's day: `close+30m`, `next open-5m`, and the stretches that states are on it."""

from __future__ import annotations

import re
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
        minutes = round(self.offset.total_seconds() / 60)
        return f"{which}{self.event}" + (f"{minutes:+d}m" if minutes else "")

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
