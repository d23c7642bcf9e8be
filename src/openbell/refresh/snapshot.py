"""The files of the snapshot: every calendar's data, with names of holidays, names of events, corrections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from openbell.errors import UnknownMarket
from openbell.market.amended import Amended
from openbell.market.calendar import Calendar
from openbell.market.overlay import collect
from openbell.refresh import futures, generated, tables, upstream
from openbell.refresh.compact import Upstream, compact, render
from openbell.refresh.holiday_names import days_off, holiday_names
from openbell.refresh.packages import versions


def names() -> list[str]:
    """Every calendar that can be built, by the name of its file. Raises `MarketError` without the extra."""
    theirs = {name.replace("/", "-") for name in upstream.names()}
    return sorted(theirs | {*futures.names(), "FX"})


def build(name: str) -> dict[str, Any]:
    """The data of one calendar, as its file has it. Raises `UnknownMarket`, or `MarketError`."""
    file = name.replace("/", "-")
    if file not in names():
        raise UnknownMarket(f"no calendar {name!r} can be built", hint="`openbell calendars list` shows all")
    calendar = _named(_known(_read(file)))
    return compact(calendar, tables.corrections(file))


def write(wanted: Iterable[str], folder: Path, progress: Callable[[str], object] = print) -> list[Path]:
    """Builds these calendars, or all, into `folder`; one line for each to `progress`, then what is redundant.

    Gives the files. Raises `UnknownMarket`, `OverlayError` for a correction that cannot hold, `MarketError`.
    """
    written = []
    for name in wanted or names():
        data, target = build(name), folder / f"{name.replace('/', '-')}.json"
        notes = list(redundant(data))
        target.write_text(render(data), encoding="utf-8")
        progress(f"{target.name}: {summary(data)}")
        for note in notes:
            progress(f"{target.name}: {note}")
        written.append(target)
    return written


def summary(data: dict[str, Any]) -> str:
    """Horizon and counts of a calendar's data, in one line."""
    unnamed = sum(not reason for reason in data["adhoc"].values())
    closures = (
        f"{len(data['closed'])} holidays, {len(data['adhoc'])} other closures ({unnamed} without a name)"
    )
    rest = f"{len(data['special'])} special hours, {len(data['corrections'])} corrections"
    return f"until {data['valid_until']}, {closures}, {rest}"


def redundant(data: dict[str, Any]) -> Iterator[str]:
    """What has no effect among the corrections: upstream has come to agree. Raises `OverlayError`."""
    amended = Amended(Calendar(data), collect(data["corrections"], data["name"]))
    for _, error in amended.prove():
        raise error
    yield from (f"correction {note}" for _, note in amended.notes)


def _read(file: str) -> Upstream:
    if file == "FX":
        return generated.foreign_exchange()
    if file in futures.names():
        return futures.read(file)
    return upstream.read(file.replace("-", "/") if file[:2] == "24" else file)


def _known(calendar: Upstream) -> Upstream:
    """The calendar as far as upstream knows all its holidays."""
    last = tables.horizon(calendar.name, calendar.last)
    sessions = {day: hours for day, hours in calendar.sessions.items() if day <= last}
    return replace(calendar, sessions=sessions, last=last)


def _named(calendar: Upstream) -> Upstream:
    """The calendar with names for what upstream leaves without one: events, then holidays."""
    ours = tables.holidays(calendar.name)
    known = replace(
        calendar, holidays=ours | tables.plain(calendar.holidays), events=tables.events(calendar.name)
    )
    unnamed = [dt.date.fromisoformat(day) for day, name in compact(known)["adhoc"].items() if not name]
    theirs = holiday_names(calendar.name, calendar.first, calendar.last) if unnamed else {}
    found = tables.plain(days_off(theirs, {day: theirs[day] for day in unnamed if day in theirs}))
    sources = {**known.sources, **(versions("holidays") if found else {})}
    return replace(known, holidays={**found, **known.holidays}, sources=sources)
