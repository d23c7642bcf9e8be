"""Which rows a batch of events touches. Every store writes the same rows; none decides anything.

The rows of tasks are snapshots of the state after the batch, so a task that starts and ends within
one batch is written once. What happens to a whole step at once (skip, cancel, reopen) stays one
statement: cells that never had a row of their own share the `rest` state of their group.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from openbell.core.events import (
    Acknowledge,
    Amend,
    Answer,
    Bounced,
    Cancel,
    CloseRun,
    Delivered,
    Event,
    Exited,
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
    Start,
    Started,
    Stop,
    Unplanned,
    Unreachable,
    Unwatch,
    Watch,
)
from openbell.core.group import MARKED, OUTDATED
from openbell.core.inputs import Bind, Cleared, Fail, FilesSeen
from openbell.core.model import TaskKey, run_name
from openbell.core.occasions import FIRED
from openbell.core.retry import failure
from openbell.core.state import State
from openbell.core.states import TaskState
from openbell.store.changes import Changes, Relay, Row, Sweep
from openbell.store.codec import encode_pipeline, encode_request, encode_value
from openbell.store.inputs import arrived_rows, cleared_row, consumed_rows, dataset_rows


def project(events: Sequence[Event], state: State) -> Changes:
    """The rows that these events touch, as of `state`, the state after them."""
    changes = Changes()
    for event in events:
        _touch(changes, event, state)
    return changes


def _touch(changes: Changes, event: Event, state: State) -> None:
    match event:
        case Start() | Started() | Stop() | Exited() | Refused() | Lost() | Unreachable() | Reached():
            _attempt(changes, event)
            _task(changes, event.task, state, event.at)
            if isinstance(event, Exited):
                changes.consumed += consumed_rows(event, state)
                _provided(changes, event.task.run, event.task.step, state)
                _outdated(changes, event.task.run, event.task.step, state)
        case Reported():
            _attempt(changes, event)
        case Skip() | Fail() | Cancel() | Reopen():
            _move(changes, event, state)
        case Mark():
            _mark(changes, event, state)
        case FallBack() | Recalled():
            _earlier(changes, event, state)
        case Notify() | Acknowledge() | Delivered() | Bounced():
            changes.post.take(event)
        case Bind() | FilesSeen() | Cleared():
            _input(changes, event, state)
        case Requested():
            row = {"id": event.id, "at": event.at, "request": encode_request(event.request), "run": event.run}
            changes.requested.append(row)
        case Answer():
            row = {"key": event.request, "answered_at": event.at, "accepted": event.accepted}
            changes.answered.append({**row, "message": event.message, "run": event.run})
            if (waited := event.request.removeprefix(FIRED)) != event.request:
                changes.fires[waited] = None
        case Watch() | Unwatch() | Fire() | Miss() | Unplanned():
            _occasion(changes, event, state)
        case OpenRun():
            _open(changes, event, state)
        case Prune():
            changes.pruned.append(event)
        case Led():
            for run_id in state.runs:
                _run(changes, run_id, state, event.at)
        case Force() | Pause() | Resume() | Amend() | Overdue() | CloseRun():
            _run(changes, event.run, state, event.at)
            if isinstance(event, CloseRun):
                changes.post.settle(event.run, state, event.at)


def _move(changes: Changes, event: Skip | Fail | Cancel | Reopen, state: State) -> None:
    """What happens to tasks without an attempt: some cells, or all of a step at once."""
    waiting = (TaskState.WAITING,)
    match event:
        case Skip(cell=int(first)):
            for cell in range(first, first + event.count):
                _task(changes, TaskKey(event.run, event.step, cell), state, event.at)
        case Skip():
            changes.sweeps.append(Sweep(event.run, event.step, waiting, TaskState.SKIPPED, event.at))
        case Fail():
            sweep = Sweep(event.run, event.step, waiting, TaskState.FAILED, event.at, event.kind)
            changes.sweeps.append(sweep)
        case Cancel(cell=None):
            changes.sweeps.append(Sweep(event.run, event.step, waiting, TaskState.CANCELLED, event.at))
        case Reopen(cell=None):
            changes.sweeps.append(Sweep(event.run, event.step, event.states, TaskState.WAITING, event.at))
        case Cancel(cell=int(cell)) | Reopen(cell=int(cell)):
            _task(changes, TaskKey(event.run, event.step, cell), state, event.at)
    if isinstance(event, Cancel | Fail | Reopen):
        _run(changes, event.run, state, event.at)
        _wait(changes, event.run, event.step, state)
    if isinstance(event, Reopen):
        changes.outdating[event.run, event.step] = not event.alone
        _fallback(changes, event.run, event.step, state)
        changes.post.settle(event.run, state, event.at)


def _mark(changes: Changes, event: Mark, state: State) -> None:
    if event.cell is None:
        sweep = Sweep(event.run, event.step, event.states, event.to, event.at, flags=MARKED)
        changes.sweeps.append(sweep)
    else:
        _task(changes, TaskKey(event.run, event.step, event.cell), state, event.at)
    _run(changes, event.run, state, event.at)
    _fallback(changes, event.run, event.step, state)
    _provided(changes, event.run, event.step, state)
    _outdated(changes, event.run, event.step, state)
    changes.post.settle(event.run, state, event.at)


def _provided(changes: Changes, run: str, step: str, state: State) -> None:
    changes.datasets |= {row["name"]: row for row in dataset_rows(run, step, state)}


def _outdated(changes: Changes, run: str, step: str, state: State) -> None:
    """What a late success of this step has put out of date."""
    record = state.runs.get(run)
    if record is not None and (record.groups[step].outdates or record.groups[step].marked):
        for name, group in record.groups.items():
            if group.outdated:
                changes.outdated[run, name] = [*group.flagged(OUTDATED)]


def _occasion(changes: Changes, event: Watch | Unwatch | Fire | Miss | Unplanned, state: State) -> None:
    match event:
        case Unwatch():
            changes.cursors[event.pipeline, event.trigger] = None
        case Unplanned():
            changes.fires[f"{event.pipeline}/{event.key}"] = None
            _missed(changes, event, event.trigger, event.key, event.key, 1)
        case Watch():
            changes.cursors[event.pipeline, event.trigger] = event.position
        case Fire():  # one that was queued has left its trigger's position behind
            trigger = (event.pipeline, event.trigger)
            changes.cursors[trigger] = state.positions.get(trigger)
            changes.fires[event.run] = encode_value(event)
            changes.consumed += arrived_rows(event)
        case Miss():
            changes.cursors[event.pipeline, event.trigger] = event.position
            _missed(changes, event, event.trigger, event.first, event.last, event.count)


def _missed(
    changes: Changes, event: Miss | Unplanned, trigger: str, first: str, last: str, count: int
) -> None:
    row = {"pipeline": event.pipeline, "trigger": trigger, "first": first, "last": last}
    changes.misses.append({**row, "count": count, "reason": event.reason, "at": event.at})


def _open(changes: Changes, event: OpenRun, state: State) -> None:
    run = event.run
    pipeline = run.pipeline
    changes.opened.append(
        {
            "id": run.id,
            "name": pipeline.name,
            "digest": run.digest,
            "session": pipeline.sessions.get("session", ""),
            "mode": pipeline.choice.mode,
            "opened_at": run.opened_at,
            "origin": run.origin,
            "provenance": encode_value(run.provenance),
            "size": pipeline.size,
            "past": "",
            "number": int(key) if (key := run_name(run.id)[1]).isdecimal() else None,
        }
    )
    for step in pipeline:
        blank = {
            "rest": 0,
            "flags": 0,
            "outdates": False,
            "kind": None,
            "since": None,
            "refused": "",
            "fallback": "",
        }
        changes.groups.append({"run": run.id, "step": step.name, **blank})
    _run(changes, run.id, state, event.at)


def _input(changes: Changes, event: Bind | FilesSeen | Cleared, state: State) -> None:
    match event:
        case Bind():
            if event.values:
                changes.sweeps.append(Relay(event.run, event.step))
            _run(changes, event.run, state, event.at)
        case FilesSeen():
            _wait(changes, event.run, event.step, state)
        case Cleared():
            changes.cleared.append(cleared_row(event))


def _wait(changes: Changes, run: str, step: str, state: State) -> None:
    """Since when a step waits for its files, and why it has failed without a try."""
    record = state.runs.get(run)
    group = record.groups[step] if record else None
    if group is not None:
        since = group.intake.since if group.intake else None
        row = {"key_run": run, "key_step": step, "since": since, "refused": group.refused}
        changes.waits[run, step] = row


def _run(changes: Changes, run_id: str, state: State, at: datetime) -> None:
    record = state.runs.get(run_id)
    if record is not None:
        pipeline = record.run.pipeline
        changes.runs[run_id] = {
            "key": run_id,
            "title": pipeline.title,
            "size": pipeline.size,
            "definition": encode_pipeline(pipeline),
            "state": record.state.value,
            "paused": record.paused,
            "forgiven": record.forgiven,
            "forced": encode_value(record.run.forced) if record.run.forced else "",
            "overdue": record.overdue,
            "closed_at": at if record.outcome else None,
        }


def _earlier(changes: Changes, event: FallBack | Recalled, state: State) -> None:
    """What a run has of earlier ones."""
    if isinstance(event, Recalled):
        changes.pasts[event.run] = encode_value(event.past)
    else:
        _fallback(changes, event.run, event.step, state)


def _fallback(changes: Changes, run_id: str, step: str, state: State) -> None:
    record = state.runs.get(run_id)
    if record is not None and record.groups[step].step.on_failure.last_success:
        changes.fallbacks[run_id, step] = record.groups[step].fallback


def _task(changes: Changes, task: TaskKey, state: State, at: datetime) -> None:
    record = state.runs.get(task.run)
    if record is None:
        return
    group = record.groups[task.step]
    found = group.state(task.cell)
    kind = group.kinds.get(task.cell)
    changes.tasks[task] = {
        "run": task.run,
        "step": task.step,
        "cell": task.cell,
        "state": int(found),
        "tries": group.tries[task.cell],
        "base": group.base.get(task.cell, 0),
        "not_before": group.due.get(task.cell),
        "kind": kind.value if kind else None,
        "finished_at": at if found.final else None,
        "flags": group.flags[task.cell],
    }


NEWEST_WINS = frozenset({"unreachable", "heard"})
"""Columns of attempts that later events overwrite; all others are known once."""

_ATTEMPT: Row = {
    "decided_at": None,
    "started_at": None,
    "ended_at": None,
    "handle": None,
    "stop": None,
    "unreachable": None,
    "heard": None,
    "kind": None,
    "error": None,
    "elapsed": None,
    "exit": None,
    "result": None,
}


def _attempt(
    changes: Changes,
    event: Start | Started | Stop | Exited | Refused | Lost | Unreachable | Reached | Reported,
) -> None:
    """Merge what the event tells of its attempt into the row; what is known already stays."""
    key = (event.task, event.attempt)
    row = changes.attempts.get(key)
    if row is None:
        task = {"run": event.task.run, "step": event.task.step, "cell": event.task.cell}
        row = changes.attempts[key] = {**task, "attempt": event.attempt, **_ATTEMPT}
    match event:
        case Start():
            row["decided_at"] = event.at
        case Started():
            row["started_at"] = row["started_at"] or event.at
            row["handle"] = row["handle"] or event.handle
        case Stop():
            row["stop"] = event.reason.value
        case Unreachable():
            row["unreachable"] = event.at.isoformat()
        case Reached():
            row["unreachable"] = ""
        case Reported():
            row["heard"] = max(row["heard"] or 0, event.heard)
        case Exited():
            row["ended_at"] = event.at
            row["elapsed"] = event.exit.elapsed
            row["error"] = event.exit.error
            row["exit"] = encode_value(event.exit)
            row["result"] = encode_value(event.result) if event.result else None
        case Refused() | Lost():
            row["ended_at"] = event.at
            row["error"] = event.reason
    if isinstance(event, Exited | Refused | Lost) and (kind := failure(event)):
        row["kind"] = kind.value
