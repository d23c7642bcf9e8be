"""A calendar of the snapshot: rules and exceptions in local wall time, read into sessions."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from openbell.market.schedule import DAY, Closure, Session, check


class Calendar:
    """One file of the snapshot, as upstream gives it: corrections are a layer of their own.

    Wall times become instants when they are asked for, by the time zones that this machine has: a
    change of daylight saving time needs no new snapshot.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.name: str = data["name"]
        self.title: str = data["title"]
        self.tz = ZoneInfo(data["tz"])
        self.sources = ", ".join(f"{name} {version}" for name, version in data["sources"].items())
        self.digest: str = data["digest"]
        self.valid_from = date.fromisoformat(data["valid_from"])
        self.valid_until = date.fromisoformat(data["valid_until"])
        self.before = date.fromisoformat(data["before"]) if data["before"] else None
        self._weeks = _Regimes(data["weeks"])
        self._hours = _Regimes(data["hours"])
        self._closed = _by_date(data["closed"])
        self._adhoc = _by_date(data["adhoc"])
        self._special = _by_date(data["special"])

    def session(self, day: date) -> Session | None:
        """The session of this date; None when there is none. Raises `OutOfBounds`."""
        if (times := self._special.get(day)) is not None:
            check(self, day)
            return self._session(day, times)
        return None if self.closure(day) else self._session(day, self._hours.at(day))

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one. Raises `OutOfBounds`."""
        check(self, day)
        if day in self._closed:
            return Closure(day, "holiday", self._closed[day])
        if day in self._adhoc:
            return Closure(day, "ad hoc", self._adhoc[day])
        trades = day in self._special or self._weeks.at(day)[day.weekday()] == "1"
        return None if trades else Closure(day, "weekend")

    def usual(self, day: date) -> Session:
        """What an ordinary session of this date would be. Bounds do not matter."""
        return self._session(day, self._hours.at(day))

    def _session(self, day: date, times: list[str]) -> Session:
        noted = len(times) % 2  # times come in pairs; a special day may end with its reason
        note = times[-1] if noted else ""
        instants = [instant(day, text, self.tz) for text in times[: len(times) - noted]]
        breaks = tuple(zip(instants[2::2], instants[3::2], strict=True))
        return Session(day, instants[0], instants[1], breaks, note)


def instant(day: date, text: str, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall time of this date: `HH:MM`, with `-1` or `+1` for the day before or after."""
    clock, offset = _wall(text)
    return datetime.combine(day + offset * DAY if offset else day, clock, zone).astimezone(UTC)


@lru_cache(maxsize=1024)
def _wall(text: str) -> tuple[time, int]:
    return time.fromisoformat(text[:5]), int(text[5:] or 0)


def _by_date(entries: dict[str, Any]) -> dict[date, Any]:
    return {date.fromisoformat(day): value for day, value in entries.items()}


class _Regimes:
    """Values that hold from a date on, until the next one. The first holds before its date as well."""

    def __init__(self, rules: dict[str, Any]) -> None:
        self._starts = [date.fromisoformat(start) for start in rules]
        self._values = list(rules.values())

    def at(self, day: date) -> Any:
        return self._values[max(0, bisect_right(self._starts, day) - 1)]
