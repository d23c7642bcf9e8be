"""Planted bugs about time and triggers, which the laws of `punctuality` must catch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from openbell.core import decide, evolve, following, occasions, triggers
from openbell.core.events import Fire
from openbell.core.state import Limits, Schedule, State
from openbell.core.triggers import AfterTrigger, Occasion, SessionTrigger
from openbell.engine.engine import Engine
from openbell.market import Market
from openbell.sim.mutants import Mutant
from openbell.store import projection
from openbell.store.memory import MemoryStore


def _fires_for_ever(state: State, event: Any) -> None:
    """The position of a trigger is moved by misses only."""
    position = dict(state.positions)
    _note(state, event)
    if isinstance(event, Fire) and event.at.minute % 7 == 0:
        state.positions = position


_note = occasions.note


def _without(**kept: Any) -> Any:
    def load(self: MemoryStore, limits: Limits) -> State:
        state = _load(self, limits)
        for name, keep in kept.items():
            setattr(state, name, keep(getattr(state, name)))
        return state

    return load


_load = MemoryStore.load


def _not_queued(fired: dict[str, Fire]) -> dict[str, Fire]:
    return {run: fire for run, fire in fired.items() if not fire.queued}


def _whatever_came_of_it(state: State, trigger: AfterTrigger, label: str) -> bool:
    return all(label in state.ended.get(name, {}) for name in trigger.pipelines)


def _newest_first(state: State, schedule: Schedule, now: datetime) -> Iterator[Fire]:
    name = schedule.pipeline.name
    queue = {fire.run: fire for fire in state.fired.values() if fire.pipeline == name and fire.queued}
    if queue and all(run in queue for run in state.rivals(name)):
        yield replace(max(queue.values(), key=lambda one: one.nominal), at=now, queued=False)


def _by_winter_time(wall: datetime) -> datetime:
    winter = wall.replace(month=1, day=15).utcoffset() or timedelta(0)
    return (wall.replace(tzinfo=None) - winter).replace(tzinfo=UTC)


def _of_the_date(at: datetime, mode: str, session: Any) -> Occasion:
    found = _occasion(at, mode, session)
    return found._replace(session=at.astimezone(UTC).date() if session else None)


_occasion = triggers._occasion


def _anybody(_state: State, _schedule: Schedule) -> str:
    return ""


def _hours_later(state: State) -> Iterator[datetime]:
    return (at + timedelta(hours=1) for at in _moments(state))


_moments = occasions.moments


def _any_session(market: Market, _now: datetime) -> Any:
    return market.session(_now)


def _waits_for_news(self: Engine) -> None:
    """What had come before the engine died is not taken up again."""
    fired, self.state.fired = self.state.fired, {}
    _heed(self)
    self.state.fired = fired


_heed = Engine.heed


def _too_many(schedule: Schedule, trigger: Any, occasion: Occasion, now: datetime) -> bool:
    return False if isinstance(trigger, SessionTrigger) else _late(schedule, trigger, occasion, now)


_late = occasions._late

MISTAKES: tuple[Mutant, ...] = (
    Mutant("a trigger comes twice", evolve, "note", _fires_for_ever),
    Mutant("after an outage all is caught up with", occasions, "_late", lambda *_: False),
    Mutant("after an outage all sessions are caught up with", occasions, "_late", _too_many),
    Mutant("a run does not heed its predecessor", occasions, "predecessor", _anybody),
    Mutant("what comes after does not heed its predecessor", following, "predecessor", _anybody),
    Mutant("positions are forgotten at a restart", MemoryStore, "load", _without(positions=lambda _: {})),
    Mutant("what is queued is forgotten at a restart", MemoryStore, "load", _without(fired=_not_queued)),
    Mutant("what has come is not taken up again after a restart", Engine, "heed", _waits_for_news),
    Mutant("occasions are slept through", decide, "moments", _hours_later),
    Mutant("misses are not written down", projection, "_missed", lambda *_: None),
    Mutant("what comes after does not ask how it ended", following, "ready", _whatever_came_of_it),
    Mutant("dates without a session have runs", following, "_unfit", lambda *_: ""),
    Mutant("the queue is a stack", occasions, "turn", _newest_first),
    Mutant("nothing is replaced", decide, "replaced", lambda _: iter(())),
    Mutant("the wall goes by winter time", triggers, "_first_instant", _by_winter_time),
    Mutant("a session is the date in London", triggers, "_occasion", _of_the_date),
    Mutant("a session goes on until the next one", occasions, "_going_on", _any_session),
)
