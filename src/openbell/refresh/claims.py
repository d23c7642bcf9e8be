"""What each source says about a calendar: its sessions, or only its closures."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openbell.refresh import futures, upstream
from openbell.refresh.compact import Hours
from openbell.refresh.holiday_names import exchange, has_exchange
from openbell.refresh.packages import package

_MARKETS = {
    "BVMF": "BMF",
    "CMES": "CME_Equity",
    "XASX": "ASX",
    "XBOM": "BSE",
    "XCBF": "CFE",
    "XHKG": "HKEX",
    "XLON": "LSE",
    "XNYM": "CMEGlobex_EnergyAndMetals",
    "XNYS": "NYSE",
    "XOSL": "OSE",
    "XSHG": "SSE",
    "XSWX": "SIX",
    "XTAE": "TASE",
    "XTKS": "JPX",
    "XTSE": "TSX",
}
"""The calendars of pandas_market_calendars that are its own: it mirrors exchange_calendars in the others.

FOREX is left out, which has sessions from Saturday to Sunday, and EUREX, which trades on Christmas Eve.
"""

_SINCE = {"XASX": 2012, "XTAE": 2023}
"""Before these years it has no, or hardly any, holidays of them."""

_ROUGH = {"BVMF", "CMES", "XASX", "XHKG", "XNYM", "XTAE"}
"""Of these pandas_market_calendars knows the dates; its hours are those of one time, or of other products."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says from `first` to `last`: sessions by date, or with `closures` only closed weekdays.

    A source of closures says nothing about other dates. `hours`: its hours count; `breaks`: so do its breaks.
    """

    source: str
    first: dt.date
    last: dt.date
    sessions: Mapping[dt.date, Hours]
    closures: Mapping[dt.date, str] | None = None
    hours: bool = True
    breaks: bool = True

    def says(self, day: dt.date) -> str:
        """`open`, `closed`, or nothing."""
        if not self.first <= day <= self.last:
            return ""
        if self.closures is not None:
            return "closed" if day in self.closures and day.weekday() < 5 else ""
        return "open" if day in self.sessions else "closed"

    def told(self, day: dt.date) -> str:
        """The same for readers: with hours, or with the name of the holiday."""
        if self.says(day) == "open":
            return shown(self.sessions[day]) if self.hours else "open"
        name = (self.closures or {}).get(day)
        return f"{self.says(day)} ({name})" if name else self.says(day)

    def other_hours(self, day: dt.date, hours: Hours) -> bool:
        """Whether it gives that session other hours than these."""
        found = self.sessions.get(day)
        if found is None or not self.hours:
            return False
        return found != hours if self.breaks else found[:2] != hours[:2]


def claims(name: str, first: dt.date, last: dt.date) -> Iterator[Claim]:
    """Everything the sources say about a calendar of the snapshot. Raises `MarketError` without the extra."""
    if name not in futures.names() and name != "FX":
        yield _first_source(name, first, last)
    if name in _MARKETS:
        yield _second_source(name, first, last)
    if has_exchange(name):
        years = range(first.year, last.year + 1)
        yield Claim("holidays", first, last, {}, closures=exchange(name, years))


def shown(hours: Hours) -> str:
    """`09:30 to 16:00, break 12:00 to 13:00`."""
    pairs = list(zip(hours[::2], hours[1::2], strict=True))
    return ", break ".join(f"{start} to {end}" for start, end in pairs)


def _first_source(name: str, first: dt.date, last: dt.date) -> Claim:
    known = upstream.read(name.replace("-", "/") if name.startswith("24-") else name)
    return Claim("exchange_calendars", max(first, known.first), min(last, known.last), known.sessions)


def _second_source(name: str, first: dt.date, last: dt.date) -> Claim:
    calendar = package("pandas_market_calendars").get_calendar(_MARKETS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rules that pandas cannot vectorise
        rows = calendar.schedule(str(first), str(last))
    zone = str(calendar.tz)
    breaks = "break_start" in rows
    columns = ["market_open", "market_close", *(("break_start", "break_end") if breaks else ())]
    times = zip(*(rows[column] for column in columns), strict=True)
    sessions = {
        label.date(): _unbroken(upstream.wall_hours(row, label.date(), zone))
        for label, row in zip(rows.index, times, strict=True)
    }
    since = max(first, dt.date(_SINCE.get(name, 1), 1, 1))
    return Claim("pandas_market_calendars", since, last, sessions, hours=name not in _ROUGH, breaks=breaks)


def _unbroken(hours: Hours) -> Hours:
    """Without a break of no length, or one at or after the close: its way to say that there is none."""
    return hours[:2] if len(hours) > 2 and (hours[2] >= hours[3] or hours[2] >= hours[1]) else hours
