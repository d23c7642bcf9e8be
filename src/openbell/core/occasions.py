"""Which occasions have come, and what becomes of each: a run, or a record of why there is none.

An occasion is dealt with once: its trigger's position moves past it in the same event, and never back,
whatever the clock does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile

from openbell.core.events import Action, Fire, Miss, Unplanned, Unwatch, Watch
from openbell.core.following import following, latest
from openbell.core.model import Overlap
from openbell.core.state import RunRecord, Schedule, State
from openbell.core.triggers import (
    AfterTrigger,
    Occasion,
    SessionTrigger,
    Timed,
    Trigger,
    named,
    next_after,
    upcoming,
)
from openbell.errors import OutOfBounds
from openbell.market import Market, MarketState

_PUNCTUAL = timedelta(minutes=2)
"""An engine that is up looks at least once a minute: what is later than this, it has slept over."""

_MOST = 10_000  # occasions of one trigger that are counted one by one
_KEPT = 60  # endings of each pipeline that are kept in mind
FIRED = "fire."
"""How the ids of requests begin that fired occasions make."""


def request_id(run: str) -> str:
    """The id of the request that a fired occasion makes."""
    return f"{FIRED}{run}"


# ── what is to be done ───────────────────────────────────────────────────────────────────────


def occasions(state: State, now: datetime) -> Iterator[Action]:
    """What the triggers of all schedules come to at this instant."""
    for schedule in (state.schedules or {}).values():
        for trigger in schedule.pipeline.triggers:
            name = schedule.pipeline.name
            position = state.positions.get((name, named(trigger)))
            if position is None:
                yield Watch(now, name, named(trigger), _start(state, schedule, trigger, now))
            elif isinstance(trigger, AfterTrigger):
                yield from following(state, schedule, trigger, position, now)
            elif isinstance(trigger, Timed):
                yield from _due(state, schedule, trigger, position, now)


def unwatched(state: State, now: datetime) -> Iterator[Unwatch]:
    """Triggers that are heeded and that no pipeline has any more."""
    known = {
        (schedule.pipeline.name, named(trigger))
        for schedule in (state.schedules or {}).values()
        for trigger in schedule.pipeline.triggers
    }
    for name, trigger in state.positions:
        if (name, trigger) not in known:
            yield Unwatch(now, name, trigger)


def moments(state: State) -> Iterator[datetime]:
    """When the next occasion of each trigger comes."""
    for schedule in (state.schedules or {}).values():
        yield from _next(state, schedule)


def _next(state: State, schedule: Schedule) -> Iterator[datetime]:
    """When the next occasion of each trigger comes; one in the past is held up."""
    for trigger in schedule.pipeline.triggers:
        position = state.positions.get((schedule.pipeline.name, named(trigger)))
        if position is not None and isinstance(trigger, Timed):
            occasion = coming(trigger, schedule.market, position)
            if occasion is not None:
                yield occasion.at


def _start(state: State, schedule: Schedule, trigger: Trigger, now: datetime) -> str:
    """From where on a new trigger is heeded: from now, but a session that is going on still counts."""
    if isinstance(trigger, AfterTrigger):
        return latest(state, trigger)
    if isinstance(trigger, SessionTrigger) and schedule.market is not None:
        try:
            moment = schedule.market.moment(now)
            if moment.state not in (MarketState.OVERNIGHT, MarketState.HOLIDAY):
                begin = schedule.market.window(moment.session, MarketState.PRE_OPEN)[0]
                return (begin - timedelta(seconds=1)).isoformat()
        except OutOfBounds:
            pass
    return now.isoformat()


def last_over(market: Market, now: datetime) -> date:
    """The last session whose day is over, its post-close included."""
    moment = market.moment(now)
    over = moment.state in (MarketState.OVERNIGHT, MarketState.HOLIDAY)
    return moment.session if over else market.prev_session(moment.session).date


@lru_cache(maxsize=4096)
def coming(trigger: Timed, market: Market | None, position: str) -> Occasion | None:
    """The first occasion behind a position."""
    return next_after(trigger, market, datetime.fromisoformat(position))


def _due(state: State, schedule: Schedule, trigger: Timed, position: str, now: datetime) -> Iterator[Action]:
    """The occasions of one trigger that have come since its position."""
    first = coming(trigger, schedule.market, position)
    if first is None or first.at > now:
        return
    since = upcoming(trigger, schedule.market, datetime.fromisoformat(position))
    due = list(islice(takewhile(lambda occasion: occasion.at <= now, since), _MOST))
    wanted, missed = _caught_up(state, schedule, due, now)
    if missed:
        yield _miss(schedule, trigger, missed, "the engine was not running", now)
    if not wanted:
        return
    running = state.rivals(schedule.pipeline.name)
    overlap = schedule.pipeline.overlap
    if overlap is Overlap.ALLOW or not running:
        yield _fire(schedule, trigger, wanted[0], now)
    elif overlap is Overlap.FORBID and now - wanted[0].at <= _PUNCTUAL:
        yield _miss(schedule, trigger, wanted, f"overlap: {running[0]} still runs", now)
    elif overlap is Overlap.REPLACE and len(wanted) > 1:  # the last one fires when `replaced` has made room
        yield _miss(schedule, trigger, wanted[:-1], "replaced by the next one", now)


def _caught_up(
    state: State, schedule: Schedule, due: list[Occasion], now: datetime
) -> tuple[list[Occasion], list[Occasion]]:
    """Those that get a run, and those that nobody was there for, by the pipeline's `catch_up`."""
    patient = schedule.pipeline.overlap in (Overlap.QUEUE, Overlap.REPLACE)
    led = state.led_at or now
    late = [o for o in due if o.at < led - _PUNCTUAL or (not patient and now - o.at > _PUNCTUAL)]
    fresh = due[len(late) :]
    kept = max(0, schedule.pipeline.catch_up - (0 if patient else len(fresh)))
    return [*late[len(late) - min(kept, len(late)) :], *fresh], late[: len(late) - min(kept, len(late))]


def replaced(state: State, now: datetime) -> Iterator[RunRecord]:
    """Runs that have to make room for the next one of their pipeline."""
    for name, schedule in (state.schedules or {}).items():
        if schedule.pipeline.overlap is Overlap.REPLACE and any(at <= now for at in _next(state, schedule)):
            for record in state.runs.values():
                if record.outcome is None and record.run.pipeline.name == name:
                    yield record


# ── what the actions say ─────────────────────────────────────────────────────────────────────


def _fire(
    schedule: Schedule, trigger: Trigger, occasion: Occasion, now: datetime, position: str = ""
) -> Fire:
    name = schedule.pipeline.name
    position = position or occasion.at.isoformat()
    return Fire(
        now, name, named(trigger), position, occasion.key, occasion.at, occasion.session, trigger.mode
    )


def _miss(schedule: Schedule, trigger: Timed, missed: list[Occasion], reason: str, now: datetime) -> Miss:
    name, position = schedule.pipeline.name, missed[-1].at.isoformat()
    return Miss(now, name, named(trigger), position, missed[0].key, missed[-1].key, len(missed), reason)


# ── what it does to the state ────────────────────────────────────────────────────────────────


def note(state: State, event: Watch | Unwatch | Fire | Miss | Unplanned) -> None:
    """Move the position of a trigger, and remember what is due."""
    match event:
        case Watch() | Miss():
            state.positions[event.pipeline, event.trigger] = event.position
        case Unwatch():
            state.positions.pop((event.pipeline, event.trigger), None)
        case Fire():
            state.positions[event.pipeline, event.trigger] = event.position
            state.fired[event.run] = event
        case Unplanned():
            state.fired.pop(f"{event.pipeline}/{event.key}", None)


def answered(state: State, request: str) -> None:
    """A run has been opened for an occasion, or found."""
    if request.startswith(FIRED):
        state.fired.pop(request.removeprefix(FIRED), None)
