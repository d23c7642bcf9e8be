"""Calendars that are a rule and need no upstream."""

from __future__ import annotations

import datetime as dt

from openbell.refresh.compact import Upstream

FIRST, LAST = dt.date(2000, 1, 1), dt.date(2027, 12, 31)
_HOURS = ("17:00-1", "17:00")


def foreign_exchange() -> Upstream:
    """The spot market of currencies: Sunday 17:00 to Friday 17:00 New York, a session for each weekday.

    It knows no holidays: on 25 December and 1 January there are few quotes, and prices all the same.
    """
    span = (FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    return Upstream(
        name="FX",
        title="Foreign exchange (spot)",
        tz="America/New_York",
        sessions={day: _HOURS for day in span if day.weekday() < 5},
        first=FIRST,
        last=LAST,
        before=dt.date(1999, 12, 31),
        sources={"openbell": "rule 1"},
    )
