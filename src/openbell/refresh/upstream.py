"""Reads one calendar out of exchange_calendars: sessions in local wall time, reasons where known."""

from __future__ import annotations

import datetime as dt
from typing import Any

import exchange_calendars as ec
import pandas as pd

from openbell.refresh.compact import Upstream

FIRST = 2000


def names() -> list[str]:
    """Every calendar that upstream can build, aliases aside."""
    return sorted(ec.get_calendar_names(include_aliases=False))


def read(name: str) -> Upstream:
    """One calendar from 2000-01-01 (or from where its data begins) to its horizon."""
    calendar = _oldest(name)
    zone = str(calendar.tz.key)
    schedule = calendar.schedule.tz_localize(None)
    sessions = {}
    for label, row in schedule.iterrows():
        day = label.date()
        times = [row["open"], row["close"]]
        if not pd.isna(row["break_start"]):
            times += [row["break_start"], row["break_end"]]
        sessions[day] = tuple(_wall(time, day, zone) for time in times)
    first = max(dt.date(FIRST, 1, 1), calendar.first_session.date())
    return Upstream(
        name=name,
        title=str(calendar.name),
        tz=zone,
        sessions=sessions,
        reasons=_reasons(calendar),
        first=first if min(sessions) > dt.date(FIRST, 1, 15) else dt.date(FIRST, 1, 1),
        last=max(sessions),
    )


def _oldest(name: str) -> Any:
    """The calendar from 2000 on, or from where upstream's data begins."""
    start = pd.Timestamp(FIRST, 1, 1)
    return ec.get_calendar(name, start=max(start, ec.get_calendar(name).bound_min() or start))


def _wall(time: Any, day: dt.date, zone: str) -> str:
    local = time.tz_localize("UTC").tz_convert(zone) if time.tzinfo is None else time.tz_convert(zone)
    offset = (local.date() - day).days
    return f"{local:%H:%M}" + (f"{offset:+d}" if offset else "")


def _reasons(calendar: Any) -> dict[dt.date, str]:
    """Names of closures and of special hours, where upstream's rules name them."""
    found: dict[dt.date, str] = {}
    span = (calendar.first_session - pd.Timedelta(days=14), calendar.last_session + pd.Timedelta(days=14))
    rules = [calendar.regular_holidays]
    for specials in ("special_opens", "special_closes"):
        rules += [rule for _, rule in getattr(calendar, specials, [])]
    for rule in rules:
        if hasattr(rule, "holidays"):
            named = rule.holidays(*span, return_name=True)
            if isinstance(named, pd.Series):  # an empty rule gives a bare index
                found |= {label.date(): str(reason) for label, reason in named.items() if reason}
    return found
