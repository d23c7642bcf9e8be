"""Turns sessions into rules and exceptions: week masks, usual hours, closures with reasons.

A file of this form is small, loads in a millisecond, and a reviewer can read its diff.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections import Counter
from importlib.resources import files
from itertools import groupby
from typing import Any

from openbell.refresh.upstream import Hours, Upstream

_SETTLED = 10  # sessions in a row with new hours before they count as the usual ones
_QUARTER = 13  # weeks over which a weekday counts as a trading day when most of them were


def compact(calendar: Upstream, source: str) -> dict[str, Any]:
    """The calendar as plain JSON data. `expand(compact(x)) == x.sessions` is tested."""
    weeks = _weeks(calendar)
    hours = _usual_hours(calendar)
    known = _known_closures(calendar.name)
    closed: dict[str, str] = {}
    adhoc: dict[str, str] = {}
    special: dict[str, list[str]] = {}
    for day in _days(calendar.first, calendar.last):
        label = day.isoformat()
        found = calendar.sessions.get(day)
        if found is None:
            if _in_force(weeks, day)[day.weekday()] == "0":
                continue
            if day in calendar.reasons:
                closed[label] = calendar.reasons[day]
            else:
                adhoc[label] = known.get(day, "")
        elif found != _in_force(hours, day) or _in_force(weeks, day)[day.weekday()] == "0":
            special[label] = [*found, *([calendar.reasons[day]] if day in calendar.reasons else [])]
    return {
        "name": calendar.name,
        "title": calendar.title,
        "tz": calendar.tz,
        "source": source,
        "valid_from": calendar.first.isoformat(),
        "valid_until": calendar.last.isoformat(),
        "weeks": {day.isoformat(): mask for day, mask in weeks},
        "hours": {day.isoformat(): list(usual) for day, usual in hours},
        "closed": closed,
        "adhoc": adhoc,
        "special": special,
    }


def render(data: dict[str, Any]) -> str:
    """JSON with one date a line."""
    lines = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            rows = (f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
            lines.append(f" {json.dumps(key)}: {{\n" + ",\n".join(rows) + "\n }")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _weeks(calendar: Upstream) -> list[tuple[dt.date, str]]:
    """Week masks and the Monday from which each is in force."""
    monday = calendar.first - dt.timedelta(days=calendar.first.weekday())
    masks = []
    while monday <= calendar.last:
        masks.append((monday, "".join("01"[_trades(calendar, monday, day)] for day in range(7))))
        monday += dt.timedelta(weeks=_QUARTER)
    return [(next(group)[0], mask) for mask, group in groupby(masks, key=lambda entry: entry[1])]


def _trades(calendar: Upstream, monday: dt.date, weekday: int) -> bool:
    days = [monday + dt.timedelta(weeks=week, days=weekday) for week in range(_QUARTER)]
    days = [day for day in days if calendar.first <= day <= calendar.last]
    return 2 * sum(day in calendar.sessions for day in days) > len(days)


def _usual_hours(calendar: Upstream) -> list[tuple[dt.date, Hours]]:
    """Usual hours and the session from which each is in force: those kept for ten sessions in a row."""
    sessions = sorted(calendar.sessions.items())
    first = Counter(hours for _, hours in sessions[:60]).most_common(1)[0][0]
    found = [(calendar.first, first)]
    for hours, group in groupby(sessions, key=lambda entry: entry[1]):
        kept = list(group)
        if hours != found[-1][1] and len(kept) >= _SETTLED:
            found.append((kept[0][0], hours))
    return found


def _in_force(rules: list[Any], day: dt.date) -> Any:
    return next((rule for start, rule in reversed(rules) if start <= day), rules[0][1])


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def _known_closures(name: str) -> dict[dt.date, str]:
    """Reasons of ad-hoc closures, from our own sourced list."""
    table = tomllib.loads(files("openbell.refresh").joinpath("closures.toml").read_text())
    found: dict[dt.date, str] = {}
    for entry in table["closure"]:
        if name in entry["calendars"]:
            found |= {dt.date.fromisoformat(str(day)): entry["reason"] for day in entry["dates"]}
    return found
