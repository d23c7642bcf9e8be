"""Turns sessions into rules and exceptions: week masks, usual hours, closures with reasons.

A file of this form is small, loads in a millisecond, and a reviewer can read its diff.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any

_SETTLED = 10  # sessions in a row with new hours before they count as the usual ones
_QUARTER = dt.timedelta(weeks=13)  # over which a weekday counts as a trading day when most of them were
_WEEK = dt.timedelta(weeks=1)
_DAY = dt.timedelta(days=1)

Hours = tuple[str, ...]
"""Open and close, then start and end of each break; `HH:MM` with `-1` or `+1` for another day."""

Rules = list[tuple[dt.date, Any]]
"""Values with the date from which each is in force. The first one holds before its date as well."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One calendar as upstream gives it: sessions, holidays and events by exchange-local date."""

    name: str
    title: str
    tz: str
    sessions: Mapping[dt.date, Hours]
    first: dt.date
    last: dt.date
    holidays: Mapping[dt.date, str] = field(default_factory=dict)
    """Names of closures, and of special hours, that someone could have foretold."""
    events: Mapping[dt.date, str] = field(default_factory=dict)
    """Names of closures that nobody could have foretold. They are stronger than `holidays`."""
    before: dt.date | None = None
    """The last session before `first`, where upstream knows it."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The packages all this was read from, with their versions."""


def compact(calendar: Upstream, corrections: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The calendar as plain JSON data. `openbell.market` reads the same sessions out of it again.

    Corrections are overlays, stored beside the data as they are: the reader applies them.
    """
    weeks, hours = _weeks(calendar), _usual_hours(calendar)
    data: dict[str, Any] = {
        "name": calendar.name,
        "title": calendar.title,
        "tz": calendar.tz,
        "sources": dict(calendar.sources),
        "valid_from": calendar.first.isoformat(),
        "valid_until": calendar.last.isoformat(),
        "before": calendar.before.isoformat() if calendar.before else None,
        "weeks": {day.isoformat(): mask for day, mask in weeks},
        "hours": {day.isoformat(): list(usual) for day, usual in hours},
        **_exceptions(calendar, weeks, hours),
        "corrections": [dict(correction) for correction in corrections],
    }
    return data | {"digest": digest(data)}


def digest(data: Mapping[str, Any]) -> str:
    """16 hex digits of the SHA-256 of everything in a snapshot but its digest."""
    rest = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


def _exceptions(calendar: Upstream, weeks: Rules, hours: Rules) -> dict[str, dict[str, Any]]:
    """What the rules do not say: holidays, closures that are none, and special hours."""
    closed, adhoc, special = {}, {}, {}
    for day in _days(calendar.first, calendar.last):
        label, reason = day.isoformat(), calendar.holidays.get(day)
        found = calendar.sessions.get(day)
        trades = _in_force(weeks, day)[day.weekday()] == "1"
        if found is not None:
            if found != _in_force(hours, day) or not trades:
                special[label] = [*found, reason] if reason else list(found)
        elif trades and reason and day not in calendar.events:
            closed[label] = reason
        elif trades:
            adhoc[label] = calendar.events.get(day, "")
    return {"closed": closed, "adhoc": adhoc, "special": special}


def render(data: dict[str, Any]) -> str:
    """JSON with one date, and one correction, a line."""
    lines = [f" {json.dumps(key)}: {_rendered(value)}" for key, value in data.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rendered(value: Any) -> str:
    match value:
        case dict() if value:
            rows = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
            return "{\n" + ",\n".join(rows) + "\n }"
        case list() if value:
            return "[\n" + ",\n".join(f"  {json.dumps(v, ensure_ascii=False)}" for v in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)


def _weeks(calendar: Upstream) -> Rules:
    """Week masks and the Monday from which each is in force."""
    monday = calendar.first - dt.timedelta(days=calendar.first.weekday())
    found = [(monday, _mask(calendar, monday))]
    while (monday := monday + _QUARTER) + _QUARTER <= calendar.last:
        (last, old), new = found[-1], _mask(calendar, monday)
        if new != old:
            found.append((_turn(calendar, last, monday, old, new), new))
    return found


def _mask(calendar: Upstream, monday: dt.date) -> str:
    """The weekdays on which there is trading most of the time in the quarter from that Monday on."""
    days = _days(max(monday, calendar.first), min(monday + _QUARTER, calendar.last + _DAY) - _DAY)
    traded = Counter(day.weekday() for day in days if day in calendar.sessions)
    there = Counter(day.weekday() for day in days)
    return "".join("01"[2 * traded[weekday] > there[weekday]] for weekday in range(7))


def _turn(calendar: Upstream, after: dt.date, about: dt.date, old: str, new: str) -> dt.date:
    """The Monday within a quarter of `about`, and later than `after`, at which the masks change best."""
    mondays = [about + n * _WEEK for n in range(-13, 13) if about + n * _WEEK > after]

    def misfits(turn: dt.date) -> int:
        return sum(_misfits(calendar, monday, new if monday >= turn else old) for monday in mondays)

    return min(mondays, key=misfits)


def _misfits(calendar: Upstream, monday: dt.date, mask: str) -> int:
    days = _days(monday, monday + _WEEK - _DAY)
    return sum((day in calendar.sessions) != (traded == "1") for day, traded in zip(days, mask, strict=True))


def _usual_hours(calendar: Upstream) -> Rules:
    """Usual hours and the session from which each is in force: those kept for ten sessions in a row."""
    sessions = sorted(calendar.sessions.items())
    first = Counter(hours for _, hours in sessions[:60]).most_common(1)[0][0]
    found = [(calendar.first, first)]
    for hours, group in groupby(sessions, key=lambda entry: entry[1]):
        kept = list(group)
        if hours != found[-1][1] and len(kept) >= _SETTLED:
            found.append((kept[0][0], hours))
    return found


def _in_force(rules: Rules, day: dt.date) -> Any:
    return next((rule for start, rule in reversed(rules) if start <= day), rules[0][1])


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
