"""Daily windows in a time zone: open now? and when does that change?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from openbell.core.model import Window
from openbell.errors import OutOfBounds
from openbell.market import market

_HORIZON = 60  # days; no calendar of ours has been closed for longer (Athens, 2015: 38)


def is_open(window: Window, now: datetime) -> tuple[bool, datetime]:
    """Whether the window is open at `now`, and the instant at which that changes next.

    A stop before the start means the next day. Local times that a DST change skips or repeats
    resolve as `zoneinfo` does (fold 0).
    """
    today = now.astimezone(ZoneInfo(window.tz)).date()
    for offset in range(-1, _HORIZON):
        day = today + timedelta(days=offset)
        if not _counts(window, day):
            continue
        start, stop = bounds(window, day)
        if now < start:
            return False, start
        if now < stop:
            return True, stop
    return False, now + timedelta(days=_HORIZON)


def bounds(window: Window, day: date) -> tuple[datetime, datetime]:
    """Start and stop (UTC) of the window that begins on this local date."""
    zone = ZoneInfo(window.tz)
    last = day if window.stop > window.start else day + timedelta(days=1)
    start = datetime.combine(day, window.start, zone)
    stop = datetime.combine(last, window.stop, zone)
    return start.astimezone(UTC), stop.astimezone(UTC)


@lru_cache(maxsize=4096)
def _counts(window: Window, day: date) -> bool:
    if not window.business_days:
        return True
    try:
        return market(window.calendar).is_session(day)
    except OutOfBounds:
        return day.weekday() < 5  # beyond the calendar's horizon: better a weekday than a stop for good
