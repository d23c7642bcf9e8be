"""A trading calendar: its sessions with their hours in UTC, and why a day has none."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from openbell.errors import OutOfBounds, UnknownMarket

_FOLDER = files("openbell.market").joinpath("calendars")

ALIASES = {
    "US_EQ": "XNYS",
    "EU_EQ": "XLON",
    "ASIA_EQ": "XTKS",
    "USNYSE": "XNYS",
    "NYSE": "XNYS",
    "NASDAQ": "XNYS",
    "LSE": "XLON",
    "TSE": "XTKS",
    "HKEX": "XHKG",
    "24/5": "24-5",
    "24/7": "24-7",
}
"""Other names of calendars: those of desks, of Deephaven, and the usual ones."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day, labelled by its exchange-local date. Instants are aware, in UTC."""

    date: date
    open: datetime
    close: datetime
    breaks: tuple[tuple[datetime, datetime], ...] = ()
    note: str = ""
    """Why its hours are unusual, where known."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Why a date has no session. `kind` is `weekend`, `holiday` or `ad hoc`."""

    date: date
    kind: str
    reason: str = ""

    def __str__(self) -> str:
        return self.reason or self.kind


class Market:
    """One calendar of the snapshot. Dates outside `valid_from`..`valid_until` raise `OutOfBounds`."""

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name = name
        self.title: str = data["title"]
        self.calendar: str = data["name"]
        self.tz = ZoneInfo(data["tz"])
        self.source: str = data["source"]
        self.valid_from = date.fromisoformat(data["valid_from"])
        self.valid_until = date.fromisoformat(data["valid_until"])
        self._weeks = _Regimes(data["weeks"])
        self._hours = _Regimes(data["hours"])
        self._closed: dict[str, str] = data["closed"]
        self._adhoc: dict[str, str] = data["adhoc"]
        self._special: dict[str, list[str]] = data["special"]

    def __repr__(self) -> str:
        return f"<Market {self.name} ({self.title})>"

    def is_session(self, day: date) -> bool:
        """Whether this exchange-local date is a trading day. Raises `OutOfBounds`."""
        self._check(day)
        label = day.isoformat()
        if label in self._special:
            return True
        closed = label in self._closed or label in self._adhoc
        return not closed and self._weeks.at(day)[day.weekday()] == "1"

    def sessions(self, start: date, end: date) -> list[Session]:
        """The sessions labelled `start` to `end`, both included. Raises `OutOfBounds`."""
        return [self._session(day) for day in self._days(start, end) if self.is_session(day)]

    def dates(self, start: date, end: date) -> list[date]:
        """The labels of `sessions(start, end)`, without computing their hours."""
        return [day for day in self._days(start, end) if self.is_session(day)]

    def closures(self, start: date, end: date) -> list[Closure]:
        """The dates from `start` to `end` without a session, each with its reason."""
        return [closure for day in self._days(start, end) if (closure := self.closure(day))]

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one. Raises `OutOfBounds`."""
        if self.is_session(day):
            return None
        label = day.isoformat()
        for kind, known in (("holiday", self._closed), ("ad hoc", self._adhoc)):
            if label in known:
                return Closure(day, kind, known[label])
        return Closure(day, "weekend")

    def _session(self, day: date) -> Session:
        times = self._special.get(day.isoformat()) or self._hours.at(day)
        noted = len(times) % 2  # times come in pairs; a special day may end with its reason
        note = times[-1] if noted else ""
        opens, closes, *pause = (self._instant(day, text) for text in times[: len(times) - noted])
        return Session(day, opens, closes, ((pause[0], pause[1]),) if pause else (), note)

    def _instant(self, day: date, text: str) -> datetime:
        clock, offset = text[:5], int(text[5:] or 0)
        local = datetime.combine(day + timedelta(days=offset), time.fromisoformat(clock), self.tz)
        return local.astimezone(UTC)

    def _check(self, day: date) -> None:
        if not self.valid_from <= day <= self.valid_until:
            raise OutOfBounds(
                f"{self.name} knows its sessions from {self.valid_from} to {self.valid_until}, not on {day}",
                hint="choose dates inside these bounds, or update openbell for a later calendar",
            )

    def _days(self, start: date, end: date) -> Iterator[date]:
        """Both ends are checked first, so that an error names the date that was asked for."""
        if start <= end:
            self._check(start)
            self._check(end)
        return (start + timedelta(days=n) for n in range((end - start).days + 1))


class _Regimes:
    """Values that hold from a date on, until the next one."""

    def __init__(self, rules: dict[str, Any]) -> None:
        self._starts = [date.fromisoformat(start) for start in rules]
        self._values = list(rules.values())

    def at(self, day: date) -> Any:
        return self._values[max(0, bisect_right(self._starts, day) - 1)]


def calendars() -> list[str]:
    """Names of every calendar in the snapshot."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


@lru_cache(maxsize=128)
def market(name: str) -> Market:
    """The market of this name or alias, for example `US_EQ` or `XNYS`. Raises `UnknownMarket`."""
    calendar = ALIASES.get(name, name)
    if calendar not in calendars():
        raise UnknownMarket(f"there is no market or calendar {name!r}", hint=_hint(name))
    return Market(name, json.loads(_FOLDER.joinpath(f"{calendar}.json").read_text(encoding="utf-8")))


def _hint(name: str) -> str:
    """The nearest name, capitals aside."""
    known = {other.casefold(): other for other in (*calendars(), *ALIASES)}
    near = get_close_matches(name.casefold(), known, 1, 0.5)
    return (
        f"did you mean {known[near[0]]!r}?"
        if near
        else "calendars have MIC codes, such as XNYS, XLON or XTKS"
    )
