"""What a rehearsal comes to: per pipeline, on unusual days, and where it would go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from openbell.core.state import Schedule
from openbell.core.states import RunState, StopReason
from openbell.market import Market
from openbell.sim.rehearsal import Occurrence, Played, Rehearsal, Unopened

_DAY = timedelta(days=1)
_LATE = timedelta(minutes=1)
"""From which on waiting is worth a line."""
_REPLACED = "replaced by "
"""How the reasons begin of what makes room for the next run."""


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


class Kind(StrEnum):
    """What goes wrong."""

    DEADLINE = "deadline"
    """A run has not ended by its deadline."""
    OVERLAP = "overlap"
    """An occasion comes while the run before it is under way: it is missed, waits, or takes its place."""
    STARVED = "starved"
    """A step waits for a slot or a pool with everything else there."""
    MISSED = "missed"
    """No run answers for an occasion."""
    SKIPPED = "skipped"
    """A step is skipped, cancelled or stopped."""
    ENDED = "ended"
    """A run ends without success."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator would be called for."""

    at: datetime
    """When it should have been."""
    kind: Kind
    pipeline: str
    run: str
    step: str
    """Empty where it is about the run as a whole."""
    what: str
    by: timedelta | None = None
    """By how much it is late; to the end of the stretch, where it is still not there then."""

    @property
    def where(self) -> str:
        """The run, and its step."""
        return f"{self.run}/{self.step}" if self.step else self.run


@dataclass(frozen=True, slots=True)
class Count:
    """How often something goes wrong in a pipeline, and where it is worst."""

    kind: Kind
    pipeline: str
    times: int
    worst: Problem


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
        waited=max(
            filter(None, (_wait(step, rehearsal.end) for one in found for step in one.steps.values())),
            default=timedelta(0),
        ),
    )


def began(occurrence: Occurrence) -> datetime | None:
    """When the first step of a run started."""
    return min((one.began for one in occurrence.steps.values() if one.began), default=None)


def _wait(played: Played, end: datetime) -> timedelta | None:
    """How long a step waited with everything there but a slot."""
    begun = played.began or (end if played.crowded else None)
    return max(begun - played.ready, timedelta(0)) if begun is not None else None


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


def problems(rehearsal: Rehearsal, patience: timedelta = _LATE) -> list[Problem]:
    """Whatever goes wrong, in order of time. `patience`: how long a step may wait for a slot."""
    found = [_unopened(one, rehearsal.end) for one in rehearsal.unopened]
    for occurrence in rehearsal.occurrences:
        found += _of_run(occurrence, rehearsal.end)
        found += _of_steps(occurrence, rehearsal.end, patience)
    return sorted(found, key=lambda one: (one.at, one.where, one.what))


def _unopened(one: Unopened, end: datetime) -> Problem:
    run, told = f"{one.pipeline}/{one.key}", f"missed{_times(one.count)}: {one.reason}"
    if (before := one.overlapped) is not None:
        by = (before.closed or end) - one.at
        told += f", for {_words(by)} more"
        return Problem(one.at, Kind.OVERLAP, one.pipeline, run, "", told, by)
    kind = Kind.OVERLAP if one.reason.startswith(_REPLACED) else Kind.MISSED
    return Problem(one.at, kind, one.pipeline, run, "", told)


def _of_run(one: Occurrence, end: datetime) -> Iterator[Problem]:
    """What goes wrong with a run as a whole."""
    about = (one.fire.pipeline, one.run, "")
    if one.closed is not None and any(_is_replaced(played) for played in one.steps.values()):
        yield Problem(one.closed, Kind.OVERLAP, *about, "cancelled: replaced by the next run")
    elif one.outcome not in (None, RunState.SUCCEEDED):
        yield Problem(one.opened, Kind.ENDED, *about, str(one.outcome))
    if one.queued is not None and one.queued - one.fire.nominal < _LATE <= one.opened - one.queued:
        by = one.opened - one.queued  # whoever catches up after an outage waits as well, and should
        told = f"opens {_words(by)} late: the run before it was still under way"
        yield Problem(one.queued, Kind.OVERLAP, *about, told, by)
    if one.overdue is not None:
        by = (one.closed or end) - one.overdue
        told = f"ends {_words(by)} after" if one.closed else f"has not ended {_words(by)} after"
        yield Problem(one.overdue, Kind.DEADLINE, *about, f"{told} its deadline", by)


def _is_replaced(played: Played) -> bool:
    """Whether a step was cancelled: in a rehearsal, only the next run of its pipeline does that."""
    return played.note.startswith(_REPLACED) or played.note == f"stopped: {StopReason.CANCEL.value}"


def _of_steps(one: Occurrence, end: datetime, patience: timedelta) -> Iterator[Problem]:
    for name, played in one.steps.items():
        about = (one.fire.pipeline, one.run, name)
        if played.note and not _is_replaced(played):
            yield Problem(one.opened, Kind.SKIPPED, *about, played.note)
        wait = _wait(played, end)
        if wait is not None and wait >= patience:
            told = f"starts {_words(wait)} after it could"
            if played.began is None:
                told = f"has not started {_words(wait)} after it could"
            yield Problem(played.ready, Kind.STARVED, *about, f"{told}: no room", wait)


def counts(found: Sequence[Problem]) -> list[Count]:
    """What goes wrong by its kind and pipeline."""
    by_kind: dict[tuple[Kind, str], list[Problem]] = {}
    for one in found:
        by_kind.setdefault((one.kind, one.pipeline), []).append(one)
    order = list(Kind)
    return [
        Count(kind, pipeline, len(ones), max(ones, key=lambda one: one.by or timedelta(0)))
        for (kind, pipeline), ones in sorted(
            by_kind.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]


def _words(by: timedelta) -> str:
    """`45 s`, `22 min`, `3 h 05 min`."""
    minutes, rest = divmod(round(by.total_seconds()), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def _times(count: int) -> str:
    return f" {count:,} times" if count > 1 else ""


def local(at: datetime, zone: str) -> str:
    """An instant by the wall clock of a zone: `Fri 2026-11-27 13:00 EST`."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M %Z}"
