"""The only writer of the state: one event in, the state moved on, or `InvalidTransition`.

Actions are ours, so an impossible one is a bug and raises. Facts come from outside, late or twice:
one that is not about the attempt that lives changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from openbell.core import alarms
from openbell.core.events import (
    Acknowledge,
    Amend,
    Answer,
    AttemptFact,
    Bounced,
    Cancel,
    CloseRun,
    Delivered,
    Event,
    Exited,
    Fact,
    FallBack,
    Fire,
    Force,
    Led,
    Lost,
    Mark,
    Miss,
    Notify,
    OpenRun,
    Overdue,
    Pause,
    Prune,
    Reached,
    Recalled,
    Refused,
    Reopen,
    Reported,
    Requested,
    Resume,
    Skip,
    SpaceChanged,
    Stall,
    Start,
    Started,
    Stop,
    Unplanned,
    Unreachable,
    Unwatch,
    Watch,
)
from openbell.core.following import label_of, remember
from openbell.core.freshness import Dataset, newer
from openbell.core.group import MARKED
from openbell.core.holds import put, put_all, settle_behind, settle_run
from openbell.core.inputs import Arrived, Bind, Clear, Cleared, Fail, FilesSeen
from openbell.core.intake import bind, clear, consume, is_awaited, look_again, rebound, see
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.occasions import answered, arrive, note
from openbell.core.renewals import outdate
from openbell.core.retry import verdict_on
from openbell.core.state import Group, Live, RunRecord, State
from openbell.core.states import TRANSITIONS, TaskState, Verb
from openbell.errors import InvalidTransition


def evolve(state: State, event: Event) -> None:
    """Apply one event. Raises `InvalidTransition` for an action that the state machine forbids."""
    _touch(state, event)
    match event:
        case Start():
            _start(state, event)
        case Started() | Unreachable() | Reached() | Reported():
            _hear(state, event)
        case Exited() | Refused() | Lost():
            _end(state, event)
        case Stop():
            _stop(state, event)
        case Skip() | Fail() | Cancel() | Reopen():
            _move(state, event)
        case Mark():
            _mark(state, event)
        case FallBack():
            record = state.runs[event.run]
            (group := record.groups[event.step]).fallback = event.source
            settle_behind(record, group)
        case Requested():
            state.requests[event.id] = (event.request, event.run)
        case Answer():
            state.requests.pop(event.request, None)
            answered(state, event.request)
        case Notify() | Overdue() | Acknowledge() | Delivered() | Bounced():
            alarms.note(state, event)
        case Watch() | Unwatch() | Fire() | Miss() | Unplanned():
            note(state, event)
        case SpaceChanged():
            state.space_low = event.low
            for record in state.runs.values():
                look_again(record)
        case Led():
            _lead(state, event)
        case Bind():
            if not state.runs[event.run].groups[event.step].waiting:
                raise InvalidTransition(f"{event.run}/{event.step} is bound while nothing of it waits")
            bind(state, event)
            settle_run(state.runs[event.run])
        case Arrived():
            arrive(state, event)
        case FilesSeen():
            see(state, event)
        case Clear():
            state.chores[event.run, event.step, event.file.path].ordered = True
        case Cleared():
            clear(state, event)
        case _:
            _run(state, event)


def _touch(state: State, event: Event) -> None:
    """Whatever is said about a run wakes it."""
    task = getattr(event, "task", None)
    run = task.run if task is not None else getattr(event, "run", None)
    record = state.runs.get(run) if isinstance(run, str) else None
    if record is not None:
        record.version += 1


def is_news(state: State, fact: Fact) -> bool:
    """Whether a fact says anything that is not known: a late or repeated report does not."""
    if isinstance(fact, FilesSeen):
        return is_awaited(state, fact)
    if isinstance(fact, Arrived):
        waiting = (fact.pipeline, fact.trigger)
        return (fact.files, fact.told) != (state.arrived.get(waiting, ()), state.told.get(waiting))
    if isinstance(fact, Cleared):
        return (fact.run, fact.step, fact.path) in state.chores
    if not isinstance(fact, AttemptFact):
        return True
    live = state.live(fact.task, fact.attempt)
    if live is None:
        return False
    return live.started is None if isinstance(fact, Started) else True


def judged(state: State, fact: Fact) -> Fact:
    """The fact with what it has just made of its task, for readers of the journal."""
    if not isinstance(fact, Exited | Refused | Lost):
        return fact
    return replace(fact, became=_at(state, fact.task)[1].state(fact.task.cell))


def _run(
    state: State, event: OpenRun | Amend | Force | Pause | Resume | Stall | CloseRun | Recalled | Prune
) -> None:
    match event:
        case OpenRun(run=run):
            if run.id in state.runs:
                raise InvalidTransition(f"run {run.id} is open already")
            record = state.runs[run.id] = RunRecord(run)
            settle_run(record)
        case Amend(run=run_id, pipeline=pipeline):
            record = state.runs[run_id]
            record.amend(replace(record.run, pipeline=rebound(record, pipeline)))
            settle_run(record)
        case Force(run=run_id, forced=forced):
            record = state.runs[run_id]
            record.amend(replace(record.run, forced=forced))
            settle_run(record)
        case Recalled(run=run_id, past=past):
            record = state.runs[run_id]
            record.recall(past)
            settle_run(record)
        case Pause():
            state.runs[event.run].paused = event.reason
            look_again(state.runs[event.run])
        case Resume():
            record = state.runs[event.run]
            record.paused = ""
            record.last_end = event.at
            record.stalled = False
        case Stall():
            state.runs[event.run].stalled = True
        case Prune():
            if under_way := [
                run for run in event.runs if run in state.runs and state.runs[run].outcome is None
            ]:
                raise InvalidTransition(f"{under_way[0]} is under way, and cannot be let go")
        case CloseRun():
            record = state.runs[event.run]
            if not record.complete:
                raise InvalidTransition(f"run {event.run} cannot close: some of its tasks are not final")
            record.outcome = event.outcome
            record.paused = ""
            alarms.closed(state, record)
            remember(state, record.run.pipeline.name, label_of(record.run), event.outcome)


def _lead(state: State, event: Led) -> None:
    state.epoch = event.epoch
    for chore in state.chores.values():
        chore.ordered, chore.error = False, ""
    for record in state.runs.values():
        look_again(record)
        record.last_end = event.at
        record.stalled = False
        if not event.adopt and record.outcome is None and not record.paused:
            record.paused = ORPHANED


ORPHANED = "its engine ended"
"""The reason of the brake that a new engine finds on, or puts on, a run that nobody has asked for yet."""


def _start(state: State, event: Start) -> None:
    _, group = _at(state, event.task)
    cell = event.task.cell
    to = _next(group, event.task, Verb.START)
    if event.attempt != group.tries[cell] + 1:
        raise InvalidTransition(f"{event.task}: attempt {event.attempt} after {group.tries[cell]}")
    group.tries[cell] = event.attempt
    group.live[cell] = Live(event.attempt, to, event.at)
    group.put(cell, to)


def _hear(state: State, event: Started | Unreachable | Reached | Reported) -> None:
    live = state.live(event.task, event.attempt)
    if live is None:
        return
    match event:
        case Started():
            live.started = live.started or event.at
            live.handle = live.handle or event.handle
            if live.state is TaskState.STARTING:
                _, group = _at(state, event.task)
                live.state = _next(group, event.task, Verb.CONFIRM)
                group.put(event.task.cell, live.state)
        case Unreachable():
            live.unreachable_since = live.unreachable_since or event.at
        case Reached():
            live.unreachable_since = None
        case Reported():
            live.heard = max(live.heard, event.heard)


def _stop(state: State, event: Stop) -> None:
    _, group = _at(state, event.task)
    live = state.live(event.task, event.attempt)
    if live is None:
        raise InvalidTransition(
            f"{event.task}: no attempt {event.attempt} lives; {_story(group, event.task)}"
        )
    live.state = _next(group, event.task, Verb.STOP)
    live.stop = event.reason
    group.put(event.task.cell, live.state)


def _end(state: State, event: Exited | Refused | Lost) -> None:
    live = state.live(event.task, event.attempt)
    if live is None:
        return
    record, group = _at(state, event.task)
    cell = event.task.cell
    if isinstance(event, Refused) and not event.counted:
        group.base[cell] = group.base.get(cell, 0) + 1
    elif group.step.hold and live.started and event.at - live.started >= group.step.retry.max_delay:
        group.base[cell] = group.tries[cell] - 1  # it was well for long: the waits begin anew
    key = AttemptKey(*event.task, event.attempt)
    verdict = verdict_on(group.step, key, group.spent(cell), live, event)
    to = _next(group, event.task, verdict.verb)
    del group.live[cell]
    put(record, group, cell, to, verdict.not_before)
    if to is TaskState.FAILED and verdict.kind is not None:
        group.kinds[cell] = verdict.kind
        group.error = event.exit.error if isinstance(event, Exited) else event.reason
    record.last_end = event.at
    record.stalled = False
    if isinstance(event, Exited):
        if not group.step.hold:
            record.durations.add(event.exit.elapsed)
        if to is TaskState.SUCCEEDED:
            if group.step.name in record.listed:
                group.results[cell] = event.result
            consume(state, event)
            _provide(state, record, group, event.at)
            if group.outdates:
                outdate(group, [cell])


def _provide(state: State, record: RunRecord, group: Group, at: datetime) -> None:
    """The data sets of a step are fresh when all of it has succeeded."""
    if group.step.provides and group.count(TaskState.SUCCEEDED) == group.size:
        session = record.run.pipeline.sessions.get("session", "")
        for name in group.step.provides:
            found = Dataset(name, at, record.id, group.step.name, session)
            if newer(state.datasets.get(name), found):
                state.datasets[name] = found


def _move(state: State, event: Skip | Fail | Cancel | Reopen) -> None:
    """What happens to tasks without an attempt: some cells, or all of a step at once."""
    record = state.runs[event.run]
    group = record.groups[event.step]
    if isinstance(event, Reopen):
        look_again(record)
        group.refused = ""
        group.outdates = not event.alone
        if group.intake is not None:
            group.intake.since = None
    match event:
        case Skip(cell=None):
            put_all(record, group, (TaskState.WAITING,), TaskState.SKIPPED)
        case Skip(cell=int(first)):
            for cell in range(first, first + event.count):
                put(record, group, cell, _next(group, TaskKey(event.run, event.step, cell), Verb.SKIP))
        case Fail():
            group.refused = event.reason
            failing = [cell for cell in range(group.size) if group.state(cell) is TaskState.WAITING]
            put_all(record, group, (TaskState.WAITING,), TaskState.FAILED)
            group.kinds |= dict.fromkeys(failing, event.kind)
            group.error = event.reason
        case Cancel(cell=None):
            put_all(record, group, (TaskState.WAITING,), TaskState.CANCELLED)
        case Cancel(cell=int(cell)):
            put(record, group, cell, _next(group, TaskKey(event.run, event.step, cell), Verb.CANCEL))
        case Reopen(cell=None):
            record.outcome, group.fallback = None, ""
            for cell, tries in enumerate(group.tries):
                if tries and group.state(cell) in event.states and not group.flags[cell] & MARKED:
                    group.base[cell] = tries
            put_all(record, group, event.states, TaskState.WAITING)
            record.forgiven = record.failed
        case Reopen(cell=int(cell)):
            record.outcome, group.fallback = None, ""
            to = _next(group, TaskKey(event.run, event.step, cell), Verb.REOPEN)
            group.base[cell] = group.tries[cell]
            put(record, group, cell, to)
            record.forgiven = record.failed
    if isinstance(event, Reopen):
        alarms.reopened(state, record, event.step)


def _mark(state: State, event: Mark) -> None:
    """Somebody's word about tasks that do not run. It uses no files up, and leaves no results."""
    record = state.runs[event.run]
    group = record.groups[event.step]
    verb = Verb.VOUCH if event.to is TaskState.SUCCEEDED else Verb.EXCUSE
    every = (cell for cell in range(group.size) if not group.flags[cell] & MARKED)
    cells = every if event.cell is None else (event.cell,)
    chosen = [cell for cell in cells if group.state(cell) in event.states]
    for cell in chosen:
        put(record, group, cell, _next(group, TaskKey(event.run, event.step, cell), verb))
        group.flag(cell, MARKED)
        if group.intake is not None and event.to is TaskState.SUCCEEDED:
            group.intake.withheld.add(cell)
    record.outcome, group.fallback = None, ""
    record.forgiven = record.failed
    settle_behind(record, group)
    if event.to is TaskState.SUCCEEDED:
        _provide(state, record, group, event.at)
        outdate(group, chosen)
    alarms.reopened(state, record, event.step)


def _at(state: State, task: TaskKey) -> tuple[RunRecord, Group]:
    record = state.runs[task.run]
    return record, record.groups[task.step]


def _next(group: Group, task: TaskKey, verb: Verb) -> TaskState:
    """Where the transition table leads. Raises `InvalidTransition` with the task's story."""
    now = group.state(task.cell)
    try:
        return TRANSITIONS[now, verb]
    except KeyError:
        raise InvalidTransition(f"{task}: cannot {verb} a task that is {_story(group, task)}") from None


def _story(group: Group, task: TaskKey) -> str:
    cell = task.cell
    told = f"{group.state(cell).name.lower()} after {group.tries[cell]} attempts"
    if live := group.live.get(cell):
        told += f" (attempt {live.attempt} since {live.since:%H:%M:%S}, handle {live.handle or 'unknown'})"
    if due := group.due.get(cell):
        told += f" (not before {due:%H:%M:%S})"
    return told
