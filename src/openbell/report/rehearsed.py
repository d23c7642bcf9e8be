"""What a rehearsal comes to: per pipeline, on unusual days, and where it would go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from openbell.core.state import Schedule
from openbell.core.states import RunState
from openbell.market import Market
from openbell.sim.rehearsal import Occurrence, Rehearsal

_DAY = timedelta(days=1)
_STARVED = timedelta(minutes=1)
"""Waiting for a slot that is worth a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One pipeline over the whole stretch."""

    pipeline: str
    runs: int
    succeeded: int
    missed: int
    skipped: int
    """Steps that were skipped, cancelled or stopped."""
    usual: str
    """When its first step mostly starts, in the zone of the pipeline."""
    longest: timedelta
    """From the first start to the end, of the longest run."""
    waited: timedelta
    """The longest that a step waited for a slot."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """A day that is not like the others: a holiday, a half day, a change of the clocks."""

    day: date
    pipeline: str
    what: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator would be called for."""

    at: datetime
    run: str
    what: str


def lines(rehearsal: Rehearsal) -> list[Line]:
    """A line for each pipeline that has triggers."""
    return [_line(name, schedule, rehearsal) for name, schedule in rehearsal.schedules.items()]


def _line(name: str, schedule: Schedule, rehearsal: Rehearsal) -> Line:
    found = [one for one in rehearsal.occurrences if one.fire.pipeline == name]
    zone = ZoneInfo(schedule.pipeline.tz)
    starts = Counter(f"{at.astimezone(zone):%H:%M}" for one in found if (at := began(one)) is not None)
    lengths = [one.closed - at for one in found if one.closed and (at := began(one)) is not None]
    return Line(
        pipeline=name,
        runs=len(found),
        succeeded=sum(one.outcome is RunState.SUCCEEDED for one in found),
        missed=sum(one.count for one in rehearsal.unopened if one.pipeline == name),
        skipped=sum(bool(played.note) for one in found for played in one.steps.values()),
        usual=starts.most_common(1)[0][0] if starts else "",
        longest=max(lengths, default=timedelta(0)),
        waited=max((wait for one in found for _, wait in _waits(one)), default=timedelta(0)),
    )


def began(occurrence: Occurrence) -> datetime | None:
    """When the first step of a run started."""
    return min((one.began for one in occurrence.steps.values() if one.began), default=None)


def _waits(occurrence: Occurrence) -> Iterator[tuple[str, timedelta]]:
    """How long each step waited with everything there but a slot."""
    for name, played in occurrence.steps.items():
        if played.began is not None:
            yield name, max(played.began - played.ready, timedelta(0))


def oddities(rehearsal: Rehearsal) -> list[Oddity]:
    """Unusual days of the markets and zones of the pipelines, in order."""
    found: set[Oddity] = set()
    for name, schedule in rehearsal.schedules.items():
        first, last = rehearsal.start.date(), rehearsal.end.date()
        runs = [one for one in rehearsal.occurrences if one.fire.pipeline == name]
        found |= set(_clock_changes(name, ZoneInfo(schedule.pipeline.tz), first, last, runs))
        if (market := schedule.market) is not None:
            first, last = max(first, market.valid_from), min(last, market.valid_until)
            found |= set(_holidays(name, market, first, last))
            found |= set(_half_days(name, market, first, last, runs))
    return sorted(found, key=lambda one: (one.day, one.pipeline, one.what))


def _holidays(name: str, market: Market, first: date, last: date) -> Iterator[Oddity]:
    for closure in market.closures(first, last):
        if str(closure) != "weekend":
            yield Oddity(closure.date, name, f"no session: {closure}")


def _half_days(
    name: str, market: Market, first: date, last: date, runs: Sequence[Occurrence]
) -> Iterator[Oddity]:
    starts = {one.session: began(one) for one in runs}
    for session in market.sessions(first, last):
        if not market.is_usual(session):
            begin, end = session.open.astimezone(market.tz), session.close.astimezone(market.tz)
            told = f"hours {begin:%H:%M}-{end:%H:%M}"
            if (at := starts.get(session.date)) is not None:
                told += f", its steps start at {at.astimezone(market.tz):%H:%M}"
            yield Oddity(session.date, name, told)


def _clock_changes(
    name: str, zone: ZoneInfo, first: date, last: date, runs: Sequence[Occurrence]
) -> Iterator[Oddity]:
    day = first
    while day < last:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
        before, after = (noon - _DAY).utcoffset(), noon.utcoffset()
        if before is not None and after is not None and before != after:
            count = sum(one.fire.nominal.astimezone(zone).date() == day for one in runs)
            minutes = (after - before) // timedelta(minutes=1)
            way = "forward" if minutes > 0 else "back"
            yield Oddity(day, name, f"the clocks go {way} {abs(minutes)} min; {count} runs")
        day += _DAY


def problems(rehearsal: Rehearsal) -> list[Problem]:
    """Misses, runs that do not go well, steps that starve, in order of time."""
    found = [
        Problem(one.at, f"{one.pipeline}/{one.key}", f"missed{_times(one.count)}: {one.reason}")
        for one in rehearsal.unopened
    ]
    for occurrence in rehearsal.occurrences:
        if occurrence.outcome not in (None, RunState.SUCCEEDED):
            found.append(Problem(occurrence.opened, occurrence.run, str(occurrence.outcome)))
        for name, played in occurrence.steps.items():
            if played.note:
                found.append(Problem(occurrence.opened, f"{occurrence.run}/{name}", played.note))
        for name, wait in _waits(occurrence):
            if wait >= _STARVED:
                at = occurrence.steps[name].began or occurrence.opened
                told = f"starts {round(wait / timedelta(minutes=1)):,} min after it could"
                found.append(Problem(at, f"{occurrence.run}/{name}", told))
    return sorted(found, key=lambda one: (one.at, one.run, one.what))


def _times(count: int) -> str:
    return f" {count:,} times" if count > 1 else ""


def local(at: datetime, zone: str) -> str:
    """An instant by the wall clock of a zone: `Fri 2026-11-27 13:00 EST`."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"
