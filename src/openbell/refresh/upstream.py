"""Reads one calendar out of exchange_calendars: sessions in local wall time, reasons where known."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable
from typing import Any

from openbell.refresh.compact import Hours, Upstream
from openbell.refresh.packages import package, versions

FIRST = dt.date(2000, 1, 1)
_EARLIER = dt.date(1999, 12, 1)  # so that the session before the first one is known


def names() -> list[str]:
    """Every calendar that upstream can build, aliases aside."""
    return sorted(package("exchange_calendars").get_calendar_names(include_aliases=False))


def horizon() -> dt.date:
    """The end of the year into which upstream looks by default: one year from now."""
    return dt.date(_module().ExchangeCalendar.default_end().year, 12, 31)


def read(name: str) -> Upstream:
    """One calendar from 2000-01-01 (or from where its data begins) to its horizon."""
    calendar = _widest(name)
    zone = str(calendar.tz.key)
    known = sessions(calendar, zone)
    before = max((day for day in known if day < FIRST), default=None)
    kept = {day: hours for day, hours in known.items() if day >= FIRST}
    return Upstream(
        name=name,
        title=str(calendar.name),
        tz=zone,
        sessions=kept,
        first=FIRST if before else min(kept),
        last=min(horizon(), _bound(calendar.bound_max(), horizon())),
        holidays=_reasons(calendar),
        before=before,
        sources=versions("exchange_calendars"),
    )


def sessions(calendar: Any, zone: str) -> dict[dt.date, Hours]:
    """The hours of every session of an exchange_calendars calendar, by label."""
    rows = calendar.schedule.tz_localize(None)
    columns = [rows[key] for key in ("open", "close", "break_start", "break_end")]
    return {
        label.date(): wall_hours(times, label.date(), zone)
        for label, times in zip(rows.index, zip(*columns, strict=True), strict=True)
    }


def wall_hours(times: Iterable[Any], day: dt.date, zone: str) -> Hours:
    """Timestamps (UTC) as local wall time; those that are missing are left out."""
    pandas = package("pandas")
    return tuple(_wall(time, day, zone) for time in times if not pandas.isna(time))


def named(rules: Iterable[Any], first: dt.date, last: dt.date) -> dict[dt.date, str]:
    """Names of the dates of pandas holiday calendars, both ends included. Rules without a name give none."""
    pandas = package("pandas")
    found: dict[dt.date, str] = {}
    for rule in rules:
        if hasattr(rule, "holidays"):
            dates = rule.holidays(pandas.Timestamp(first), pandas.Timestamp(last), return_name=True)
            if isinstance(dates, pandas.Series):  # an empty rule gives a bare index
                found |= {label.date(): str(name) for label, name in dates.items() if name}
    return found


def _module() -> Any:
    return package("exchange_calendars.exchange_calendar")


def _widest(name: str) -> Any:
    """The calendar from shortly before 2000 on, or from where upstream's data begins."""
    pandas, module = package("pandas"), package("exchange_calendars")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rules of upstream that pandas cannot vectorise
        bounds = module.get_calendar(name)
        start = max(_EARLIER, _bound(bounds.bound_min(), _EARLIER))
        end = min(horizon(), _bound(bounds.bound_max(), horizon()))
        return module.get_calendar(name, start=pandas.Timestamp(start), end=pandas.Timestamp(end))


def _bound(bound: Any, otherwise: dt.date) -> dt.date:
    return otherwise if bound is None else bound.date()


def _wall(time: Any, day: dt.date, zone: str) -> str:
    local = time.tz_localize("UTC").tz_convert(zone) if time.tzinfo is None else time.tz_convert(zone)
    offset = (local.date() - day).days
    return f"{local:%H:%M}" + (f"{offset:+d}" if offset else "")


def _reasons(calendar: Any) -> dict[dt.date, str]:
    """Names of closures and of special hours, where upstream's rules name them."""
    rules = [calendar.regular_holidays]
    for specials in ("special_opens", "special_closes"):
        rules += [rule for _, rule in getattr(calendar, specials, [])]
    return named(rules, FIRST, horizon() + dt.timedelta(days=14))
