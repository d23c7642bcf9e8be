"""What changes between two snapshots of a calendar, in lines for a reviewer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from openbell.market.overlay import collect
from openbell.market.schedule import DAY, Schedule
from openbell.market.snapshot import corrected
from openbell.refresh.claims import shown
from openbell.refresh.verify import local_hours

_HEAD = ("title", "tz", "valid_from", "valid_until", "before")


class _Change(NamedTuple):
    """How a date changes: what it was and is, in words, without the date itself."""

    kind: str
    was: str
    now: str


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Lines for the head, the corrections, and each date that both cover: sessions, hours, names.

    Neighbouring dates that change alike share a line. Equal snapshots give no line.
    """
    return [*_head(old, new), *_corrections(old, new), *_dates(corrected(old), corrected(new))]


def _head(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for key in _HEAD:
        if old[key] != new[key]:
            yield f"{key.replace('_', ' ')}: {old[key] or 'unknown'} -> {new[key] or 'unknown'}"
    was, now = _sources(old), _sources(new)
    if was != now:
        yield f"sources: {was} -> {now}"


def _sources(data: dict[str, Any]) -> str:
    return ", ".join(f"{package} {version}" for package, version in data["sources"].items())


def _corrections(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    was, now = collect(old["corrections"], old["name"]), collect(new["corrections"], new["name"])
    for word, these, others in (("removed", was, now), ("added", now, was)):
        for overlay in these:
            if overlay not in others:
                yield f"correction {word}: {overlay} ({overlay.reason})"


def _dates(was: Schedule, now: Schedule) -> Iterator[str]:
    first, last = max(was.valid_from, now.valid_from), min(was.valid_until, now.valid_until)
    days = [first + n * DAY for n in range((last - first).days + 1)]
    busy = [day for day in days if was.session(day) or now.session(day) or _name(was, day) != _name(now, day)]
    changes = ((day, _change(was, now, day)) for day in busy)
    for change, group in groupby(changes, key=lambda entry: entry[1]):
        if change is not None:
            yield _line(change, [day for day, _ in group])


def _change(was: Schedule, now: Schedule, day: dt.date) -> _Change | None:
    before, after = local_hours(was, day), local_hours(now, day)
    if before and not after:
        return _Change("session removed", shown(before), _name(now, day))
    if after and not before:
        return _Change("session added", _name(was, day), shown(after))
    if before != after:
        return _Change("hours", shown(before), shown(after))
    if _name(was, day) != _name(now, day):
        return _Change("name", _name(was, day) or "none", _name(now, day) or "none")
    return None


def _name(schedule: Schedule, day: dt.date) -> str:
    """What the date is called: its closure, or why its hours are special."""
    session = schedule.session(day)
    return session.note if session else str(schedule.closure(day))


def _line(change: _Change, days: list[dt.date]) -> str:
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]} ({len(days)} dates)"
    return f"{change.kind}: {span}: {change.was} -> {change.now}"
