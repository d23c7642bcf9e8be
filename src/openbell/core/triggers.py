"""What opens runs by itself: sessions, crons, intervals, points of a market's day, other pipelines, files.

A trigger keeps nothing in mind. `upcoming(trigger, place, t)` gives its occasions after an instant; whoever
knows how far they have been dealt with knows all there is to know.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from openbell.core.inputs import Signal
from openbell.errors import MarketError, OutOfBounds
from openbell.market import Market, MarketState
from openbell.market.points import anchor

if TYPE_CHECKING:
    from cronsim import CronSim

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = timedelta(days=50 * 366)
_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SessionTrigger:
    """One run for each session of the pipeline's market, opened when its pre-open begins."""

    kind: Literal["session"] = field(default="session", kw_only=True)
    mode: str = ""

    def __str__(self) -> str:
        return _told("session", self.mode)


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """A cron expression in a zone. Fixed times fire once on days when the clocks change."""

    expression: str
    tz: str
    during: tuple[str, ...] = ()
    """States of the market in which it fires; empty: always."""
    kind: Literal["cron"] = field(default="cron", kw_only=True)
    mode: str = ""

    def __str__(self) -> str:
        return _told(f"cron {self.expression} {self.tz}", self.mode, self.during)


@dataclass(frozen=True, slots=True)
class IntervalTrigger:
    """Every so often, aligned.

    A divisor of an hour counts from the full hour and a divisor of a day from the local midnight by the
    wall clock; other intervals count from 1970.
    """

    every: timedelta
    tz: str
    during: tuple[str, ...] = ()
    kind: Literal["every"] = field(default="every", kw_only=True)
    mode: str = ""

    def __str__(self) -> str:
        return _told(f"every {_length(self.every)}", self.mode, self.during)


@dataclass(frozen=True, slots=True)
class AnchorTrigger:
    """A point of each session's day, such as `close+30m` or `last session of month close+1h`."""

    anchor: str
    kind: Literal["market"] = field(default="market", kw_only=True)
    mode: str = ""

    def __str__(self) -> str:
        return _told(f"market {self.anchor}", self.mode)


@dataclass(frozen=True, slots=True)
class AfterTrigger:
    """After runs of other pipelines have succeeded, matched by the label of their session.

    `mismatch` is for a label that one of them has no session for: `wait` for its next session, use the
    `previous` one, or `skip` the label.
    """

    pipelines: tuple[str, ...]
    every_one: bool = True
    mismatch: Literal["wait", "skip", "previous"] = "wait"
    kind: Literal["after"] = field(default="after", kw_only=True)
    mode: str = ""

    def __str__(self) -> str:
        names = (", " if self.every_one else " or ").join(self.pipelines)
        return _told(f"after {names}", self.mode)


@dataclass(frozen=True, slots=True)
class FilesTrigger:
    """Files that have arrived and settled: one run for each batch."""

    patterns: tuple[str, ...]
    settle: timedelta
    kind: Literal["files"] = field(default="files", kw_only=True)
    mode: str = ""
    signal: Signal | None = None
    """The files by which their writer tells when they are complete."""
    stalled: timedelta | None = None
    """So long after its last signal a writer that has not completed counts as stuck."""
    timeout: timedelta | None = None
    """So long after its first signal a writer has to have completed."""

    def __str__(self) -> str:
        return _told(f"files {' '.join(self.patterns)}", self.mode)


Trigger = SessionTrigger | CronTrigger | IntervalTrigger | AnchorTrigger | AfterTrigger | FilesTrigger
Timed = SessionTrigger | CronTrigger | IntervalTrigger | AnchorTrigger
"""Triggers whose occasions are known in advance."""


@lru_cache(maxsize=4096)
def named(trigger: Trigger) -> str:
    """The text that stands for a trigger in the store."""
    return str(trigger)


class Occasion(NamedTuple):
    """One time that a trigger names: the nominal instant (UTC), the key of its run, the session's label."""

    at: datetime
    key: str
    session: date | None


def upcoming(trigger: Timed, market: Market | None, after: datetime) -> Iterator[Occasion]:
    """The occasions of a trigger strictly after an instant, in order, without end or to the calendar's end.

    `market` is that of the pipeline: triggers that go by one have none without it.
    """
    try:
        match trigger:
            case SessionTrigger() if market is not None:
                for at, label in _sessions(market, after):
                    yield Occasion(at, _key(label.isoformat(), trigger.mode), label)
            case AnchorTrigger() if market is not None:
                for at, label in anchor(trigger.anchor).after(market, after):
                    yield _occasion(at, trigger.mode, label)
            case CronTrigger() | IntervalTrigger() if market is not None and trigger.during:
                for at, label in _during(trigger, market, after):
                    yield _occasion(at, trigger.mode, label)
            case CronTrigger() | IntervalTrigger() if not trigger.during:
                for at in _instants(trigger, after):
                    yield _occasion(at, trigger.mode, market.session(at) if market is not None else None)
    except OutOfBounds:
        return  # the calendar ends here


def next_after(trigger: Timed, market: Market | None, after: datetime) -> Occasion | None:
    """The first occasion strictly after an instant; None when the calendar knows of none."""
    return next(upcoming(trigger, market, after), None)


def _occasion(at: datetime, mode: str, session: date | None) -> Occasion:
    at = at.astimezone(UTC)
    return Occasion(at, _key(f"{at:%Y%m%dT%H%M%SZ}", mode), session)


def _key(text: str, mode: str) -> str:
    """Two triggers of one instant that ask for different modes are two runs."""
    return f"{text}-{mode}" if mode else text


def _instants(trigger: CronTrigger | IntervalTrigger, after: datetime) -> Iterator[datetime]:
    return _ticks(trigger, after) if isinstance(trigger, IntervalTrigger) else _cron(trigger, after)


def _during(
    trigger: CronTrigger | IntervalTrigger, market: Market, after: datetime
) -> Iterator[tuple[datetime, date]]:
    """The instants at which the market is in one of the states, with the sessions that they belong to."""
    states = {MarketState[name.upper()] for name in trigger.during}
    instants = _instants(trigger, after)
    while (at := next(instants, None)) is not None:
        moment = market.moment(at)
        if moment.state in states:
            yield at, moment.session
        else:  # nor in any instant before that changes
            instants = _instants(trigger, moment.until - _INSTANT)


def _sessions(market: Market, after: datetime) -> Iterator[tuple[datetime, date]]:
    """The sessions whose pre-open begins after an instant."""
    label = market.session(after)
    while True:
        try:
            label = market.next_session(label).date
        except MarketError:
            return
        begin = market.window(label, MarketState.PRE_OPEN)[0]
        if begin > after:
            yield begin, label


def _cron(trigger: CronTrigger, after: datetime) -> Iterator[datetime]:
    """Debian's rule: times that are fixed are those of the wall, others go by real time."""
    from cronsim import CronSim

    zone = ZoneInfo(trigger.tz)
    fields = CronSim(trigger.expression, after)
    minute, hour, *_ = trigger.expression.split()
    if minute.startswith("*") or hour.startswith("*"):
        return _by_the_clock(fields, zone, after)
    walls = [time(hour, minute) for hour in sorted(fields.hours) for minute in sorted(fields.minutes)]
    return _by_the_wall(walls, _days(fields, after.astimezone(zone).date() - _DAY), zone, after)


def _days(fields: CronSim, first: date) -> Iterator[date]:
    """The dates of a cron expression; none for fifty years is none at all."""
    day = last = first
    while day - last < _NEVER:
        if day.month in fields.months and fields.match_day(day):
            last = day
            yield day
        day += _DAY


def _by_the_clock(fields: CronSim, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Every minute whose local time matches, by real time."""
    for day in _days(fields, after.astimezone(zone).date()):
        at = max(_first_instant(datetime.combine(day, time(), zone)), _next_minute(after))
        while (local := at.astimezone(zone)).date() == day:
            if local.hour in fields.hours and local.minute in fields.minutes:
                yield at
            ahead = at + timedelta(minutes=1 if local.hour in fields.hours else 60 - local.minute)
            jumps = ahead.astimezone(zone).utcoffset() != local.utcoffset()
            at = at + _MINUTE if jumps else ahead


def _next_minute(after: datetime) -> datetime:
    return after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE


def _ticks(trigger: IntervalTrigger, after: datetime) -> Iterator[datetime]:
    every, zone = trigger.every, ZoneInfo(trigger.tz)
    if not _HOUR % every:
        return _by_the_hour(every, zone, after)
    if not _DAY % every:
        walls = [(_EPOCH + count * every).time() for count in range(_DAY // every)]
        first = after.astimezone(zone).date() - _DAY
        return _by_the_wall(walls, (first + count * _DAY for count in itertools.count()), zone, after)
    return _by_the_epoch(every, after)


def _by_the_epoch(every: timedelta, after: datetime, shift: timedelta = timedelta(0)) -> Iterator[datetime]:
    """Multiples of an interval since 1970, or since `shift` before that."""
    start = _EPOCH - shift
    count = (after - start) // every
    while True:
        count += 1
        yield start + count * every


def _by_the_hour(every: timedelta, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """By real time, from the full hour of the zone: Kolkata has its full hours half an hour later."""
    shift = after.astimezone(zone).utcoffset() or timedelta(0)
    while True:
        for at in _by_the_epoch(every, after, shift):
            offset = at.astimezone(zone).utcoffset() or timedelta(0)
            if (offset - shift) % every:  # the hours have moved on the way
                after, shift = _change(after, at, zone) - _INSTANT, offset
                break
            yield at
            after = at


def _by_the_wall(
    walls: Sequence[time], days: Iterator[date], zone: ZoneInfo, after: datetime
) -> Iterator[datetime]:
    """Wall times of local days; one that the clocks skip comes when they have, a repeated one once."""
    last = after
    for day in days:
        for wall in walls:
            at = _first_instant(datetime.combine(day, wall, zone))
            if at > last:
                last = at
                yield at


def _first_instant(wall: datetime) -> datetime:
    """The instant of a wall time; where the clocks skip it, the one at which they do."""
    at = wall.astimezone(UTC)
    if at.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return at
    return _change(at - _DAY, at, wall.tzinfo)  # in the gap `at` lies behind the change


def _change(before: datetime, at: datetime, zone: tzinfo | None) -> datetime:
    """When the offset of a zone became what it is at an instant; it was another one before."""
    while at - before > timedelta(seconds=1):
        middle = before + (at - before) // 2
        if middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
            at = middle
        else:
            before = middle
    return at.astimezone(UTC).replace(microsecond=0)


def _length(every: timedelta) -> str:
    seconds = every.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _told(text: str, mode: str, during: tuple[str, ...] = ()) -> str:
    text += f" during {'|'.join(during)}" if during else ""
    return f"{text} mode {mode}" if mode else text
