"""Writes the board of a daemon, and keeps it as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from openbell.clock import Clock
from openbell.core.events import CloseRun, Event, Fire, Led, Miss, OpenRun, Unplanned, Unwatch, Watch
from openbell.core.health import Coming
from openbell.core.outlook import outlook
from openbell.core.state import Schedule, State
from openbell.core.triggers import Timed, named, next_after
from openbell.engine.board import Board, Hours, Posted, encode
from openbell.errors import OutOfBounds
from openbell.market import Market

_AHEAD = timedelta(days=15)
"""How far the board knows what markets do. Their longest closures are shorter."""
_BEHIND = timedelta(days=60)
_MOMENT = 0.1  # seconds
_DAILY = timedelta(days=1)
_NEWS = (CloseRun, Fire, Led, Miss, OpenRun, Unplanned, Unwatch, Watch)


def post(schedules: Mapping[str, Schedule], state: State, now: datetime, broken: Sequence[str] = ()) -> Board:
    """The board as it is at an instant."""
    markets = {one.market.name: one.market for one in schedules.values() if one.market is not None}
    hours = {name: found for name, market in markets.items() if (found := _hours(market, now)) is not None}
    return Board(now, tuple(_posted(one, state, now) for one in schedules.values()), hours, tuple(broken))


def _posted(schedule: Schedule, state: State, now: datetime) -> Posted:
    pipeline = schedule.pipeline
    return Posted(
        name=pipeline.name,
        title=pipeline.shown,
        market=schedule.market.name if schedule.market is not None else "",
        scheduled=bool(pipeline.triggers),
        coming=tuple(_coming(schedule, state, now)),
        provides=tuple(dict.fromkeys(name for step in pipeline for name in step.provides)),
        requires=tuple((step.name, required) for step in pipeline for required in step.requires),
    )


def _coming(schedule: Schedule, state: State, now: datetime) -> Iterator[Coming]:
    """What opens the next run. For triggers that nobody heeds yet: what would."""
    name = schedule.pipeline.name
    for trigger, blocker in outlook(state, schedule, now):
        at, told = blocker.until, blocker.text
        if isinstance(trigger, Timed) and (name, named(trigger)) not in state.positions:
            occasion = next_after(trigger, schedule.market, now)
            if occasion is not None:
                at, told = occasion.at, f"would open {name}/{occasion.key}"
        yield Coming(str(trigger), told, at)


def _hours(market: Market, now: datetime) -> Hours | None:
    try:
        moment, label = market.moment(now), market.session(now)
        changes = [(moment.since, moment.state.value, label)]
        ahead = takewhile(lambda change: change.at < now + _AHEAD, market.transitions(now))
        changes += [(change.at, change.state.value, change.session) for change in ahead]
        first = max(market.valid_from, (now - _BEHIND).date())
        last = min(market.valid_until, (now + _AHEAD).date())
        return Hours(market.tz.key, tuple(changes), tuple(market.dates(first, last)))
    except OutOfBounds:
        return None


class Billposter:
    """An observer of the daemon's engine that keeps the board as it should be. `path`: of the file.

    It writes a moment later than things happen: the next task does not wait for it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._broken: tuple[str, ...] = ()
        self._at: datetime | None = None
        self._soon: asyncio.TimerHandle | None = None

    def see(self, events: Sequence[Event], state: State) -> None:
        """Post anew when something has happened that stands on it, and once a day."""
        old = self._at is None or abs(events[-1].at - self._at) > _DAILY
        if self._soon is None and (old or any(isinstance(event, _NEWS) for event in events)):
            loop = asyncio.get_running_loop()
            self._soon = loop.call_later(_MOMENT, lambda: self.post(state))

    def post(self, state: State, broken: Sequence[str] | None = None) -> None:
        """Write the board, all of it or nothing. A full disk leaves none: then it is read elsewhere."""
        self._broken = self._broken if broken is None else tuple(broken)
        self._forget()
        now = self._at = self._clock.now()
        draft = self._path.with_suffix(".tmp")
        try:
            draft.write_text(encode(post(state.schedules or {}, state, now, self._broken)), encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the board down."""
        self._forget()
        self._path.unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
