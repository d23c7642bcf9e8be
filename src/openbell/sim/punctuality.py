"""The laws of triggers: each occasion is answered once, in its time or as it was agreed.

What was to come is known from `truth`, what came from the journal. Nothing here asks the core.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from openbell.core.events import Answer, CloseRun, Event, Fire, Miss, OpenRun, Reopen, Unplanned, Watch
from openbell.core.model import Overlap, Pipeline
from openbell.core.state import State
from openbell.core.states import RunState, TaskState
from openbell.core.triggers import AfterTrigger, SessionTrigger, Timed, Trigger
from openbell.market import Market, market
from openbell.sim.timetable import expected, is_fickle
from openbell.sim.truth import Due
from openbell.sim.world import Broken

if TYPE_CHECKING:
    from openbell.sim.weeks import Term

_LATE = timedelta(minutes=2)
_AWAY = "the engine was not running"
_REPLACED = "replaced by the next one"


def awake(term: Term, sleep: timedelta) -> None:
    """After a turn all that has come is dealt with, and nothing that comes is slept through."""
    state, now = term.engine.state, term.world.clock.now()
    for schedule in (state.schedules or {}).values():
        pipeline = schedule.pipeline
        for trigger in pipeline.triggers:
            known = state.positions.get((pipeline.name, str(trigger)))
            if not isinstance(trigger, Timed) or known is None:
                continue
            position = datetime.fromisoformat(known)
            times = [one.at for one in expected(trigger, pipeline.market, term.table.season)]
            come = bisect_right(times, now)
            if come and times[come - 1] > position:
                raise Broken(f"{pipeline.name}: {times[come - 1]} has come, and nothing has come of it")
            ahead = times[bisect_right(times, max(now, position)) :][:1]
            if ahead and ahead[0] < now + sleep:
                raise Broken(f"{pipeline.name}: {ahead[0]} would be slept through")
        _makes_room(state, pipeline)


def _makes_room(state: State, pipeline: Pipeline) -> None:
    """What is due waits for a run only, and one that is to be replaced is on its way out."""
    due = [fire for fire in state.fired.values() if fire.pipeline == pipeline.name]
    name = pipeline.name
    runs = [one for one in state.runs.values() if one.run.pipeline.name == name and one.outcome is None]
    if due and not runs:
        raise Broken(f"{due[0].run} is due, and nothing keeps it from being opened")
    if due and pipeline.overlap is Overlap.REPLACE:
        if len(due) > 1:
            raise Broken(f"{due[0].run} waits, and {due[-1].run} has replaced it")
        groups = [group for one in runs for group in one.groups.values()]
        stays = any(live.state is not TaskState.STOPPING for group in groups for live in group.live.values())
        if stays or any(group.waiting for group in groups):
            raise Broken(f"{runs[0].id} does not make room for {due[0].run}")


@dataclass(slots=True)
class _Books:
    """What the journal says up to here."""

    since: dict[tuple[str, str], datetime] = field(default_factory=dict)
    fired: dict[tuple[str, str, str], Fire] = field(default_factory=dict)
    covered: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    open: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Runs under way by pipeline."""
    due: dict[str, Fire] = field(default_factory=dict)
    """Occasions that have come and are not open yet, by run."""
    ended: dict[str, dict[str, RunState]] = field(default_factory=lambda: defaultdict(dict))
    answers: Counter[str] = field(default_factory=Counter)


def judge(term: Term) -> None:
    """Go through the journal once."""
    books = _Books()
    pipelines = {one.name: one for one in term.table.pipelines}
    afters = [(one, trigger) for one in pipelines.values() for trigger in one.triggers]
    for seq, event in term.store.journal(limit=10**9):
        if seq == (term.cut or 0) + 1:
            _followed(books, pipelines, afters)
        match event:
            case Watch():
                books.since[event.pipeline, event.trigger] = event.at
            case Fire():
                _fires(term, books, pipelines[event.pipeline], event)
            case Miss():
                _misses(term, books, pipelines[event.pipeline], event)
            case Unplanned():
                _gives_up(term, books, pipelines[event.pipeline], event)
            case OpenRun():
                _opens(books, pipelines[event.run.pipeline.name], event)
            case Answer(request=request) if request.startswith("fire."):
                books.answers[request] += 1
                books.due.pop(request.removeprefix("fire."), None)
            case CloseRun():
                _closes(term, books, event)
            case Reopen():
                raise Broken(f"{event.run} was opened again, and nobody has asked for that")
    for pipeline in pipelines.values():
        for trigger in pipeline.triggers:
            if isinstance(trigger, Timed):
                _each_once(term, books, pipeline, trigger)
    _kept(term)
    for run, fire in books.due.items():
        if not fire.queued:
            raise Broken(f"{run} was due, and was never opened")
    if any(count > 1 and not _shared(pipelines, request) for request, count in books.answers.items()):
        raise Broken("an occasion was answered twice")


def _shared(pipelines: dict[str, Pipeline], request: str) -> bool:
    """Whether two triggers may name one instant, which is one run, asked for twice."""
    return len(pipelines[request.removeprefix("fire.").rpartition("/")[0]].triggers) > 1


# ── what comes by the clock ──────────────────────────────────────────────────────────────────


def _key(trigger: Timed, one: Due) -> str:
    text = str(one.label) if isinstance(trigger, SessionTrigger) else f"{one.at:%Y%m%dT%H%M%SZ}"
    return f"{text}-{trigger.mode}" if trigger.mode else text


def _trigger(pipeline: Pipeline, text: str) -> Timed | AfterTrigger:
    [found] = (one for one in pipeline.triggers if str(one) == text)
    assert isinstance(found, Timed | AfterTrigger)
    return found


def _going_on(place: Market | None, label: date | None, at: datetime) -> bool:
    """Whether the day of this session lasts, from its pre-open to the end of its post-close."""
    if place is None or label is None:
        return False
    day = place.session_of(label)
    return day.open - place.windows.pre_open <= at < day.close + place.windows.post_close


def _came(term: Term, pipeline: Pipeline, trigger: Timed, since: datetime, until: datetime) -> list[Due]:
    """The occasions from when the trigger was first looked at, with the session that was going on then."""
    place = market(pipeline.market) if pipeline.market else None
    return [
        one
        for one in expected(trigger, pipeline.market, term.table.season)
        if one.at <= until
        and (since < one.at or (isinstance(trigger, SessionTrigger) and _going_on(place, one.label, since)))
    ]


def _fires(term: Term, books: _Books, pipeline: Pipeline, event: Fire) -> None:
    place = (event.pipeline, event.trigger, event.key)
    before = books.fired.get(place)
    trigger = _trigger(pipeline, event.trigger)
    _in_turn(books, pipeline, event, before)
    books.fired[place] = event
    books.due[event.run] = event
    if before is not None:
        if not before.queued or event.queued:
            raise Broken(f"{event.run} has come twice")
        return
    if isinstance(trigger, AfterTrigger):
        _may_follow(term, books, trigger, event)
        books.covered[event.pipeline, event.trigger].append(event.position)
        return
    since = books.since[event.pipeline, event.trigger]
    came = _came(term, pipeline, trigger, since, event.at)
    books.covered[event.pipeline, event.trigger].append(event.key)
    one = next((one for one in came if _key(trigger, one) == event.key), None)
    if one is None:
        raise Broken(f"{event.run} was opened at {event.at}, and there was no occasion for it")
    if one.label != event.session:
        raise Broken(f"{event.run} belongs to the session {one.label}, not to {event.session}")
    if _is_late(pipeline, trigger, one, event.at):
        newer = sum(other.at > one.at for other in came)
        if newer >= pipeline.catch_up:
            raise Broken(f"{event.run} was caught up with, and {newer} newer ones had come")


def _is_late(pipeline: Pipeline, trigger: Timed, one: Due, at: datetime) -> bool:
    place = market(pipeline.market) if pipeline.market else None
    lasts = isinstance(trigger, SessionTrigger) and _going_on(place, one.label, at)
    return at - one.at > _LATE and not lasts


def _in_turn(books: _Books, pipeline: Pipeline, event: Fire, before: Fire | None) -> None:
    """A run opens when its predecessor has ended, or beside it if it may; it is queued behind one only."""
    name = pipeline.name
    others = {run for run in books.open[name] if run != event.run}
    due = {run for run, fire in books.due.items() if fire.pipeline == name and run != event.run}
    if pipeline.overlap is Overlap.ALLOW:
        if event.queued:
            raise Broken(f"{event.run} is queued, and need not be")
        return
    opening = {run for run in due if not books.due[run].queued}
    if not event.queued and (others or opening):
        raise Broken(f"{event.run} is opened while {min(others | opening)} runs")
    if event.queued and not others and not due:
        raise Broken(f"{event.run} is queued behind nothing")
    if before is not None:
        line = [books.due[run] for run in due if books.due[run].queued]
        if any((fire.nominal, fire.key) < (event.nominal, event.key) for fire in line):
            raise Broken(f"{event.run} has jumped the queue")


def _misses(term: Term, books: _Books, pipeline: Pipeline, event: Miss) -> None:
    trigger = _trigger(pipeline, event.trigger)
    if isinstance(trigger, AfterTrigger):
        _labels_missed(books, event)
        return
    came = _came(term, pipeline, trigger, books.since[event.pipeline, event.trigger], event.at)
    keys = [_key(trigger, one) for one in came]
    if event.first not in keys or event.last not in keys:
        raise Broken(f"{pipeline.name}: {event.first} is missed, and there was no such occasion")
    missed = came[keys.index(event.first) : keys.index(event.last) + 1]
    if len(missed) != event.count:
        raise Broken(f"{pipeline.name}: {event.count} are missed from {event.first}; it was {len(missed)}")
    books.covered[event.pipeline, event.trigger] += [_key(trigger, one) for one in missed]
    if event.reason == _AWAY:
        for one in missed:
            newer = sum(other.at > one.at for other in came)
            if newer < pipeline.catch_up or not _is_late(pipeline, trigger, one, event.at):
                raise Broken(f"{pipeline.name}: {_key(trigger, one)} was given up, and should not have been")
    elif event.reason == _REPLACED:
        if pipeline.overlap is not Overlap.REPLACE or missed[-1] is came[-1]:
            raise Broken(f"{pipeline.name}: {event.last} is replaced by nothing")
    elif event.reason.startswith("overlap: "):
        there = books.open[pipeline.name] or any(
            fire.pipeline == pipeline.name for fire in books.due.values()
        )
        late = any(_is_late(pipeline, trigger, one, event.at) for one in missed)
        if pipeline.overlap is not Overlap.FORBID or not there or late:
            raise Broken(f"{pipeline.name}: {event.first} overlaps nothing ({event.reason})")
    else:
        raise Broken(f"{pipeline.name}: {event.first} is missed because of {event.reason!r}")


def _gives_up(term: Term, books: _Books, pipeline: Pipeline, event: Unplanned) -> None:
    run = f"{event.pipeline}/{event.key}"
    if run not in books.due:
        raise Broken(f"{run} is given up, and was not due")
    fire = books.due.pop(run)
    if event.reason == _REPLACED:
        if pipeline.overlap is not Overlap.REPLACE or not fire.queued:
            raise Broken(f"{run} is given up for a newer one, which nobody has asked for")
    elif not is_fickle(term.table, event.pipeline, event.key):
        raise Broken(f"{run} is given up: {event.reason}")


def _opens(books: _Books, pipeline: Pipeline, event: OpenRun) -> None:
    run = event.run
    fire = books.due.get(run.id)
    if fire is None or fire.queued:
        raise Broken(f"{run.id} is opened, and was not due")
    session = run.pipeline.sessions.get("session")
    if pipeline.market and session != str(fire.session):
        raise Broken(f"{run.id} works on {session}, and belongs to {fire.session}")
    books.open[pipeline.name].add(run.id)


def _closes(term: Term, books: _Books, event: CloseRun) -> None:
    name, _, key = event.run.rpartition("/")
    books.open[name].discard(event.run)
    [pipeline] = (one for one in term.table.pipelines if one.name == name)
    fires = (fire for (who, _, what), fire in books.fired.items() if (who, what) == (name, key))
    fire = next(fires, None)
    label = str(fire.session) if pipeline.market and fire else key
    books.ended[name][label] = event.outcome
    if event.outcome is RunState.CANCELLED and event.run not in term.cancelled:
        replaced = pipeline.overlap is Overlap.REPLACE and any(
            one.pipeline == name and one.queued for one in books.due.values()
        )
        if not replaced:
            raise Broken(f"{event.run} was cancelled, and nobody has asked for that")


def _each_once(term: Term, books: _Books, pipeline: Pipeline, trigger: Timed) -> None:
    """Every occasion that any engine can have seen is answered, by one run or one miss."""
    place = (pipeline.name, str(trigger))
    since = books.since.get(place)
    if since is None:
        raise Broken(f"{pipeline.name} was never looked at")
    came = {_key(trigger, one) for one in _came(term, pipeline, trigger, since, term.furthest)}
    answered = Counter(books.covered[place])
    for key, count in answered.items():
        if count > 1:
            raise Broken(f"{pipeline.name}/{key} was answered {count} times")
    if lost := came - answered.keys():
        raise Broken(f"{pipeline.name}: nothing has come of {min(lost)}")
    if extra := answered.keys() - came:
        raise Broken(f"{pipeline.name}: {min(extra)} was answered, and there was no such occasion")


# ── what comes after others ──────────────────────────────────────────────────────────────────


def _closed(place: str | None, label: str) -> bool:
    """Whether this label is a date on which the market has no session."""
    return place is not None and label[4:5] == "-" and not market(place).is_session(date.fromisoformat(label))


def _stands_in(pipeline: Pipeline, label: str, mismatch: str) -> str:
    """The label that counts for a pipeline: its own, or of the session beside it."""
    if not _closed(pipeline.market, label):
        return label
    assert pipeline.market is not None
    days = market(pipeline.market).sessions(
        date.fromisoformat(label) - timedelta(days=15), date.fromisoformat(label) + timedelta(days=15)
    )
    before = [day.date for day in days if str(day.date) < label]
    after = [day.date for day in days if str(day.date) > label]
    return str(before[-1] if mismatch == "previous" else after[0])


def _is_ready(books: _Books, pipelines: dict[str, Pipeline], trigger: AfterTrigger, label: str) -> bool:
    def well(name: str, which: str) -> bool:
        return books.ended[name].get(which) is RunState.SUCCEEDED

    if not any(well(name, label) for name in trigger.pipelines):
        return False
    if not trigger.every_one:
        return True
    return all(well(name, _stands_in(pipelines[name], label, trigger.mismatch)) for name in trigger.pipelines)


def _barred(pipelines: dict[str, Pipeline], pipeline: Pipeline, trigger: AfterTrigger, label: str) -> bool:
    above = [pipelines[name].market for name in trigger.pipelines] if trigger.mismatch == "skip" else []
    return any(_closed(place, label) for place in (pipeline.market, *above))


def _may_follow(term: Term, books: _Books, trigger: AfterTrigger, event: Fire) -> None:
    pipelines = {one.name: one for one in term.table.pipelines}
    if not _is_ready(books, pipelines, trigger, event.position):
        raise Broken(f"{event.run} has come before what it comes after")
    if _barred(pipelines, pipelines[event.pipeline], trigger, event.position):
        raise Broken(f"{event.run} has come on a date without a session")
    done = books.covered[event.pipeline, event.trigger]
    if done and max(done) >= event.position:
        raise Broken(f"{event.run} has come after {max(done)}")


def _labels_missed(books: _Books, event: Miss) -> None:
    done = books.covered[event.pipeline, event.trigger]
    if done and max(done) >= event.first:
        raise Broken(f"{event.pipeline}: {event.first} is missed after {max(done)}")
    done += [event.last] if event.count == 1 else [event.first, *[""] * (event.count - 2), event.last]


def _followed(
    books: _Books, pipelines: dict[str, Pipeline], triggers: list[tuple[Pipeline, Trigger]]
) -> None:
    """Every label that is ready has had its run, or a record of why not."""
    for pipeline, trigger in triggers:
        if not isinstance(trigger, AfterTrigger):
            continue
        done = max(books.covered[pipeline.name, str(trigger)], default="")
        known = {label for name in trigger.pipelines for label in books.ended[name]}
        left = sorted(label for label in known if label > done)
        for label in left:
            barred = _barred(pipelines, pipeline, trigger, label)  # told with the next that is not
            if _is_ready(books, pipelines, trigger, label) and not (barred and label != left[0]):
                raise Broken(f"{pipeline.name}: {label} is ready, and nothing has come of it")


# ── what is kept ─────────────────────────────────────────────────────────────────────────────


def _kept(term: Term) -> None:
    """The misses in the store are those of the journal."""
    told = Counter(_missed(event for _, event in term.store.journal(limit=10**9)))
    kept = Counter(
        (one.pipeline, one.trigger, one.first, one.last, one.count) for one in term.store.misses(limit=10**9)
    )
    if set(told) != set(kept):
        raise Broken("the misses of the store are not those of the journal")


def _missed(events: Iterator[Event]) -> Iterator[tuple[str, str, str, str, int]]:
    for event in events:
        if isinstance(event, Miss):
            yield event.pipeline, event.trigger, event.first, event.last, event.count
        elif isinstance(event, Unplanned):
            yield event.pipeline, event.trigger, event.key, event.key, 1
