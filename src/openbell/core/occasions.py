"""Which occasions have come, and what becomes of each: a run, or a record of why there is none.

An occasion is dealt with once, as soon as somebody is there: its trigger's position moves past it in the
same event, and never back, whatever the clock does. One that has to wait for its predecessor is queued,
and stands in the store until its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, takewhile

from openbell.core.events import Action, Fire, Miss, Unplanned, Unwatch, Watch
from openbell.core.following import following, latest
from openbell.core.inputs import Arrived, Told
from openbell.core.model import Overlap
from openbell.core.state import Schedule, State
from openbell.core.triggers import (
    AfterTrigger,
    AnchorTrigger,
    FilesTrigger,
    Occasion,
    SessionTrigger,
    Timed,
    Trigger,
    named,
    next_after,
    upcoming,
)
from openbell.core.turns import displaced, predecessor, turn
from openbell.errors import OutOfBounds
from openbell.market import Market, MarketState

_PUNCTUAL = timedelta(minutes=2)
"""An engine that is up looks at least once a minute: what is later than this, it was not there for."""

_MOST = 10_000  # occasions of one trigger that are dealt with at once
_STUCK = "stuck "
"""How the position of a trigger begins whose writer was given up: then follows its last signal."""

FIRED = "fire."
"""How the ids of requests begin that fired occasions make."""


def request_id(run: str) -> str:
    """The id of the request that a fired occasion makes."""
    return f"{FIRED}{run}"


# ── what is to be done ───────────────────────────────────────────────────────────────────────


def occasions(state: State, now: datetime) -> Iterator[Action]:
    """What the triggers of all schedules come to at this instant.

    One trigger of a pipeline at a time: what the others come to depends on it.
    """
    for schedule in (state.schedules or {}).values():
        for trigger in schedule.pipeline.triggers:
            if actions := [*_of_trigger(state, schedule, trigger, now)]:
                yield from actions
                break
        else:
            yield from turn(state, schedule, now)


def _of_trigger(state: State, schedule: Schedule, trigger: Trigger, now: datetime) -> Iterator[Action]:
    name = schedule.pipeline.name
    position = state.positions.get((name, named(trigger)))
    if position is None:
        yield Watch(now, name, named(trigger), _start(state, schedule, trigger, now))
    elif isinstance(trigger, AfterTrigger):
        yield from following(state, schedule, trigger, position, now)
    elif isinstance(trigger, FilesTrigger):
        yield from _arrived(state, schedule, trigger, now)
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
        for trigger in schedule.pipeline.triggers:
            position = state.positions.get((schedule.pipeline.name, named(trigger)))
            if position is not None and isinstance(trigger, Timed):
                occasion = coming(trigger, schedule.market, position)
                if occasion is not None:
                    yield occasion.at
            elif isinstance(trigger, FilesTrigger):
                late = overdue(trigger, state.told.get((schedule.pipeline.name, named(trigger))))
                if late is not None:
                    yield late[0]


def _start(state: State, schedule: Schedule, trigger: Trigger, now: datetime) -> str:
    """From where on a new trigger is heeded: from now, but a session that is going on still counts."""
    if isinstance(trigger, AfterTrigger):
        return latest(state, trigger)
    if isinstance(trigger, SessionTrigger) and schedule.market is not None:
        try:
            if (label := _going_on(schedule.market, now)) is not None:
                begin = schedule.market.window(label, MarketState.PRE_OPEN)[0]
                return (begin - timedelta(seconds=1)).isoformat()
        except OutOfBounds:
            pass
    return now.isoformat()


def _going_on(market: Market, now: datetime) -> date | None:
    """The session whose day it is, from its pre-open to the end of its post-close; None between two."""
    moment = market.moment(now)
    over = moment.state in (MarketState.OVERNIGHT, MarketState.HOLIDAY)
    return None if over else moment.session


def last_over(market: Market, now: datetime) -> date:
    """The last session whose day is over, its post-close included."""
    label = _going_on(market, now)
    return market.session(now) if label is None else market.prev_session(label).date


@lru_cache(maxsize=4096)
def coming(trigger: Timed, market: Market | None, position: str) -> Occasion | None:
    """The first occasion behind a position."""
    return next_after(trigger, market, datetime.fromisoformat(position))


# ── what has come by the clock ───────────────────────────────────────────────────────────────


def _due(state: State, schedule: Schedule, trigger: Timed, position: str, now: datetime) -> Iterator[Action]:
    """The occasions of one trigger that have come since its position, all of them."""
    first = coming(trigger, schedule.market, position)
    if first is None or first.at > now:
        return
    most = _MOST + schedule.pipeline.catch_up
    since = upcoming(trigger, schedule.market, datetime.fromisoformat(position))
    due = list(islice(takewhile(lambda occasion: occasion.at <= now, since), most))
    late = [occasion for occasion in due if _late(schedule, trigger, occasion, now)]
    if len(late) == most:  # as many again come after these, which nobody can catch up with
        yield _miss(schedule, trigger, late[:_MOST], "the engine was not running", now)
        return
    fresh = due[len(late) :]
    missed = len(late) - min(max(0, schedule.pipeline.catch_up - len(fresh)), len(late))
    if missed:
        yield _miss(schedule, trigger, late[:missed], "the engine was not running", now)
    yield from _come(state, schedule, trigger, late[missed:], fresh, now)


def _queues(overlap: Overlap | None, trigger: Timed) -> bool:
    """Whether an occasion waits for its predecessor. A session of its own is no slot that comes again."""
    if overlap is None:
        return isinstance(trigger, SessionTrigger | AnchorTrigger)
    return overlap is not Overlap.FORBID


def _late(schedule: Schedule, trigger: Timed, occasion: Occasion, now: datetime) -> bool:
    """Whether nobody was there for it. A session that is still going on is not missed yet."""
    if now - occasion.at <= _PUNCTUAL:
        return False
    if isinstance(trigger, SessionTrigger) and schedule.market is not None:
        try:
            return _going_on(schedule.market, now) != occasion.session
        except OutOfBounds:
            return True
    return True


def _come(
    state: State,
    schedule: Schedule,
    trigger: Timed,
    late: Sequence[Occasion],
    fresh: Sequence[Occasion],
    now: datetime,
) -> Iterator[Action]:
    """A run for each, at once or in its turn, or a miss, by `overlap`."""
    name, overlap = schedule.pipeline.name, schedule.pipeline.overlap
    wanted = [*late, *fresh]
    patient = bool(late) or _queues(overlap, trigger)  # whoever catches up does so one after the other
    if overlap is Overlap.REPLACE and wanted:
        if len(wanted) > 1:
            yield _miss(schedule, trigger, wanted[:-1], "replaced by the next one", now)
        wanted = wanted[-1:]
        yield from displaced(state, name, now)
    before = predecessor(state, schedule)
    for occasion in wanted:
        run = f"{name}/{occasion.key}"
        if before in ("", run):  # two triggers may name one instant: that is one run
            yield _fire(schedule, trigger, occasion, now)
        elif patient:
            yield _fire(schedule, trigger, occasion, now, queued=True)
        else:
            yield _miss(schedule, trigger, [occasion], f"overlap: {before} still runs", now)
        if overlap is not Overlap.ALLOW:
            before = before or run


def _arrived(state: State, schedule: Schedule, trigger: FilesTrigger, now: datetime) -> Iterator[Fire | Miss]:
    """One run for all that has arrived; while its predecessor runs, it waits for its turn."""
    name = schedule.pipeline.name
    files = state.arrived.get((name, named(trigger)), ())
    signalled = trigger.signal is None or any(file.role for file in files)
    if not signalled or not any(not file.role for file in files):
        yield from _unfinished(state, schedule, trigger, now)
        return
    digest = blake2b("\n".join(sorted(f"{f.path} {f.key}" for f in files)).encode(), digest_size=5)
    key = f"f{digest.hexdigest()}" + (f"-{trigger.mode}" if trigger.mode else "")
    session = schedule.market.session(now) if schedule.market is not None else None
    queued = bool(predecessor(state, schedule))
    position = now.isoformat()
    yield Fire(now, name, named(trigger), position, key, now, session, trigger.mode, queued, files)


def _unfinished(state: State, schedule: Schedule, trigger: FilesTrigger, now: datetime) -> Iterator[Miss]:
    """A writer that does not come to its end: its files are missed, once for each signal it stays with."""
    name = schedule.pipeline.name
    told = state.told.get((name, named(trigger)))
    late = overdue(trigger, told)
    if told is None or late is None or late[0] > now:
        return
    key = f"w{told.at:%Y%m%dT%H%M%S%fZ}" + (f"-{trigger.mode}" if trigger.mode else "")
    position = f"{_STUCK}{told.at.isoformat()}"
    if state.positions.get((name, named(trigger))) != position:
        yield Miss(now, name, named(trigger), position, key, key, 1, late[1])


def overdue(trigger: FilesTrigger, told: Told | None) -> tuple[datetime, str] | None:
    """When a writer that has not completed is given up, and the reason; None for one that may go on."""
    if told is None or not told.writes:
        return None
    said = f"told {told.phase}{f' ({told.text})' if told.text else ''}"
    found = []
    if trigger.stalled is not None:
        silence = f"its writer {said} at {told.at:%H:%M:%S} UTC and nothing since: it is stuck"
        found.append((told.at + trigger.stalled, silence))
    if trigger.timeout is not None:
        began = told.since or told.at
        told_late = f"its writer began at {began:%H:%M:%S} UTC and has not completed in time; it {said}"
        found.append((began + trigger.timeout, told_late))
    return min(found, default=None)


# ── what the actions say ─────────────────────────────────────────────────────────────────────


def _fire(
    schedule: Schedule,
    trigger: Trigger,
    occasion: Occasion,
    now: datetime,
    position: str = "",
    *,
    queued: bool = False,
) -> Fire:
    position = position or occasion.at.isoformat()
    name, key, mode = schedule.pipeline.name, occasion.key, trigger.mode
    return Fire(now, name, named(trigger), position, key, occasion.at, occasion.session, mode, queued)


def _miss(schedule: Schedule, trigger: Timed, missed: Sequence[Occasion], reason: str, now: datetime) -> Miss:
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
            known = state.fired.get(event.run)
            its_turn = (
                known is not None and known.queued and not event.queued and known.trigger == event.trigger
            )
            if not its_turn:  # else its trigger has left it behind when it was queued
                state.positions[event.pipeline, event.trigger] = event.position
            state.fired[event.run] = event
            gone = {file.key for file in event.files}
            _take(state, (event.pipeline, event.trigger), gone)
        case Unplanned():
            state.fired.pop(f"{event.pipeline}/{event.key}", None)


def arrive(state: State, event: Arrived) -> None:
    """What is there for a trigger now, less what it has opened a run for."""
    waiting = (event.pipeline, event.trigger)
    state.arrived[waiting] = event.files
    if event.told is not None:
        state.told[waiting] = event.told
    else:
        state.told.pop(waiting, None)


def _take(state: State, waiting: tuple[str, str], keys: set[str]) -> None:
    if left := tuple(file for file in state.arrived.get(waiting, ()) if file.key not in keys):
        state.arrived[waiting] = left
    else:
        state.arrived.pop(waiting, None)


def answered(state: State, request: str) -> None:
    """A run has been opened for an occasion, or found."""
    if request.startswith(FIRED):
        state.fired.pop(request.removeprefix(FIRED), None)
