"""The states of a market's day, and the rules by which sessions become states.

Windows beat dates: SESSION (less BREAK), PRE_OPEN and POST_CLOSE are half-open intervals on the actual
hours of each session, open instant in, close instant out. Outside of all windows the local date decides
between OVERNIGHT and HOLIDAY. Each instant has one label: the latest session whose PRE_OPEN has begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from openbell.market.schedule import DAY, Schedule, Session, session_after, session_before

_MINUTE = 60


class MarketState(IntEnum):
    """Where a market is in its day. As a number it is the code in arrays of states; `value` is its name."""

    HOLIDAY = 0
    """The local date has no session: weekend, holiday, ad-hoc closure."""
    OVERNIGHT = 1
    """The local date has a session, which has not begun or is over."""
    PRE_OPEN = 2
    SESSION = 3
    BREAK = 4
    """A pause inside a session, such as lunch in Tokyo."""
    POST_CLOSE = 5

    @property
    def value(self) -> str:  # type: ignore[override]
        return self.name

    @classmethod
    def _missing_(cls, value: object) -> MarketState | None:
        """By name in any case: `post_close` in a file is POST_CLOSE."""
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)


@dataclass(frozen=True, slots=True)
class Windows:
    """How long before the open PRE_OPEN begins, and how long after the close POST_CLOSE ends."""

    pre_open: timedelta = timedelta(minutes=60)
    post_close: timedelta = timedelta(minutes=120)


class Edge(NamedTuple):
    """From `start` on (seconds since 1970, UTC) this state holds, in the session with this label."""

    start: int
    state: MarketState
    label: date


def bounds(schedule: Schedule, windows: Windows) -> tuple[int, int]:
    """The seconds from and until which state and label are certain.

    The session after the last known date could begin on the evening before it: from its ordinary
    PRE_OPEN on nothing is certain. The same at the other end, unless the label before is known.
    """
    first = session_after(schedule, schedule.valid_from - DAY)
    last = session_before(schedule, schedule.valid_until + DAY)
    if first is None or last is None:
        return 0, 0
    begin = _seconds(first.open - windows.pre_open)
    if schedule.before is not None:
        begin = midnight(schedule.valid_from, schedule.tz)
    beyond = schedule.valid_until + DAY
    opens = _seconds(schedule.usual(beyond).open - windows.pre_open)
    return begin, max(min(midnight(beyond, schedule.tz), opens), _seconds(last.close))


def edges(schedule: Schedule, windows: Windows, start: int, end: int) -> Iterator[Edge]:
    """Every change of state or label from the one at or before `start` to the one at or after `end`.

    `start` and `end` are seconds inside the bounds. Neighbours may be equal (OVERNIGHT over midnight).
    """
    day = datetime.fromtimestamp(start, schedule.tz).date()
    session = session_before(schedule, day)
    while session is not None and _seconds(session.open) > start:  # it opens on a later date than its own
        session = session_before(schedule, session.date)
    if session is None:
        session = session_after(schedule, day - DAY)
        if session is None:
            return
        yield from _before(schedule, windows, session)
    while session is not None and _seconds(session.open - windows.pre_open) < end:
        following = session_after(schedule, session.date)
        yield from _from_open_to_open(schedule, windows, session, following)
        session = following
    if session is not None:
        yield Edge(_seconds(session.open), MarketState.SESSION, session.date)


def _before(schedule: Schedule, windows: Windows, first: Session) -> Iterator[Edge]:
    """The edges before the first session that the calendar knows."""
    opens = _seconds(first.open)
    pre_open = opens - int(windows.pre_open.total_seconds())
    if schedule.before is not None:
        yield from _gap(schedule, midnight(schedule.valid_from, schedule.tz), pre_open, schedule.before)
    if pre_open < opens:
        yield Edge(pre_open, MarketState.PRE_OPEN, first.date)


def _from_open_to_open(
    schedule: Schedule, windows: Windows, session: Session, following: Session | None
) -> Iterator[Edge]:
    opens, closes, label = _seconds(session.open), _seconds(session.close), session.date
    yield Edge(opens, MarketState.SESSION, label)
    for begin, end in session.breaks:
        yield Edge(_seconds(begin), MarketState.BREAK, label)
        yield Edge(_seconds(end), MarketState.SESSION, label)
    if following is None:
        horizon = bounds(schedule, windows)[1]
        over = closes + int(windows.post_close.total_seconds())
        pre_open = next_open = max(horizon, over)
    else:
        next_open = _seconds(following.open)
        over, pre_open = between(closes, next_open, windows)
    if closes < over:
        yield Edge(closes, MarketState.POST_CLOSE, label)
    yield from _gap(schedule, over, pre_open, label)
    if following is not None and pre_open < next_open:
        yield Edge(pre_open, MarketState.PRE_OPEN, following.date)


def between(closes: int, next_open: int, windows: Windows) -> tuple[int, int]:
    """Where POST_CLOSE ends and where the next PRE_OPEN begins, in seconds.

    Where both do not fit between two sessions they share the gap in proportion, on whole minutes.
    """
    pre_open = int(windows.pre_open.total_seconds())
    post_close = int(windows.post_close.total_seconds())
    gap = next_open - closes
    if gap >= pre_open + post_close:
        return closes + post_close, next_open - pre_open
    share = gap * post_close // (pre_open + post_close)
    turn = closes + share // _MINUTE * _MINUTE
    return turn, turn


def _gap(schedule: Schedule, start: int, end: int, label: date) -> Iterator[Edge]:
    """Outside of all windows: by local date, from `start` to `end`."""
    if start >= end:
        return
    day = datetime.fromtimestamp(start, schedule.tz).date()
    while start < end:
        known = schedule.valid_from <= day <= schedule.valid_until
        closed = known and schedule.closure(day) is not None
        yield Edge(start, MarketState.HOLIDAY if closed else MarketState.OVERNIGHT, label)
        day += DAY
        start = midnight(day, schedule.tz)


def distinct(found: Iterator[Edge]) -> Iterator[Edge]:
    """Without the edges at which neither state nor label change."""
    previous = None
    for edge in found:
        if edge[1:] != previous:
            yield edge
        previous = edge[1:]


def midnight(day: date, zone: ZoneInfo) -> int:
    """Seconds of the beginning of a local date: by the offset of that date, daylight saving included."""
    return _seconds(datetime(day.year, day.month, day.day, tzinfo=zone))


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
