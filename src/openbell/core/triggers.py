"""What opens runs by itself: sessions, crons, intervals, points of a market's day, other pipelines, files.

A trigger keeps nothing in mind. `upcoming(trigger, place, t)` gives its occasions after an instant; whoever
knows how far they have been dealt with knows all there is to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from openbell.errors import MarketError, OutOfBounds
from openbell.market import Market, MarketState
from openbell.market.points import anchor

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

    `market` is that of the pipeline: session and market triggers have none without it.
    """
    if isinstance(trigger, SessionTrigger | AnchorTrigger) and market is None:
        return
    try:
        match trigger:
            case SessionTrigger():
                assert market is not None
                for at, label in _sessions(market, after):
                    yield Occasion(at, _key(label.isoformat(), trigger.mode), label)
            case AnchorTrigger():
                assert market is not None
                for at, label in anchor(trigger.anchor).after(market, after):
                    yield _occasion(at, trigger.mode, label)
            case CronTrigger() | IntervalTrigger():
                instants = (
                    _ticks(trigger, after) if isinstance(trigger, IntervalTrigger) else _cron(trigger, after)
                )
                for at in instants:
                    session = market.session(at) if market is not None else None
                    if not trigger.during or (market is not None and _in(market, at, trigger.during)):
                        yield _occasion(at, trigger.mode, session)
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


def _in(market: Market, at: datetime, states: tuple[str, ...]) -> bool:
    return market.state(at) in {MarketState[name.upper()] for name in states}


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
    from cronsim import CronSim

    return (at.astimezone(UTC) for at in CronSim(trigger.expression, after.astimezone(ZoneInfo(trigger.tz))))


def _ticks(trigger: IntervalTrigger, after: datetime) -> Iterator[datetime]:
    every = trigger.every
    if _HOUR % every and not _DAY % every:
        return _by_the_wall(every, ZoneInfo(trigger.tz), after)
    return _by_the_epoch(every, after)


def _by_the_epoch(every: timedelta, after: datetime) -> Iterator[datetime]:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    count = (after - start) // every
    while True:
        count += 1
        yield start + count * every


def _by_the_wall(every: timedelta, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Wall times of each local day; one that the clocks skip comes when they have, a repeated one once."""
    day = after.astimezone(zone).date() - _DAY
    last = after
    while True:
        for count in range(_DAY // every):
            wall = datetime.combine(day, time()) + count * every
            at = _first_instant(wall.replace(tzinfo=zone))
            if at > last:
                last = at
                yield at
        day += _DAY


def _first_instant(wall: datetime) -> datetime:
    """The instant of a wall time; where the clocks skip it, the one at which they do."""
    at = wall.astimezone(UTC)
    if at.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return at
    before = at - _DAY
    while at - before > timedelta(seconds=1):  # in the gap `at` lies behind the change: look for it
        middle = before + (at - before) // 2
        if middle.astimezone(wall.tzinfo).utcoffset() == at.astimezone(wall.tzinfo).utcoffset():
            at = middle
        else:
            before = middle
    return at.replace(microsecond=0)


def _length(every: timedelta) -> str:
    seconds = every.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _told(text: str, mode: str, during: tuple[str, ...] = ()) -> str:
    text += f" during {'|'.join(during)}" if during else ""
    return f"{text} mode {mode}" if mode else text
