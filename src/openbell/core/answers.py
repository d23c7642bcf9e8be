"""What a request leads to. Each function gives the actions, the last of them the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from openbell.core.events import (
    Acknowledge,
    Action,
    Amend,
    Answer,
    Cancel,
    Force,
    Mark,
    OpenRun,
    Pause,
    Reopen,
    Resume,
    Stop,
)
from openbell.core.gates import expired, missed
from openbell.core.graph import dependants
from openbell.core.group import MARKED
from openbell.core.intake import rebound
from openbell.core.model import Late, NeedMode, Run, TaskKey
from openbell.core.render import task_path
from openbell.core.requests import (
    AckAlert,
    CancelTasks,
    HaltRun,
    MarkTasks,
    Only,
    PauseRun,
    PruneRuns,
    Request,
    ResumeRun,
    RetryTasks,
    Submit,
)
from openbell.core.retention import pruning
from openbell.core.state import Group, RunRecord, State
from openbell.core.states import StopReason, TaskState
from openbell.core.words import plural

_REOPENED = {
    Only.FAILED: (TaskState.FAILED, TaskState.SKIPPED),
    Only.MISSING: (TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED),
}


def answer(state: State, request_id: str, request: Request, run: str, now: datetime) -> Iterator[Action]:
    """The actions that fulfil the request, and the `Answer` that ends it."""
    record = state.runs.get(run)
    if isinstance(request, Submit):
        yield from _submit(state, request_id, request, run, now)
        return
    if isinstance(request, PruneRuns):
        yield from _prune(state, request_id, request, now)
        return
    if record is None:
        yield Answer(now, request_id, False, f"there is no run {run}")
        return
    match request:
        case RetryTasks():
            actions = list(_retry(record, request, now))
            count = _reopened(record, actions)
            opened = f"{plural(count, 'task')} reopened" if count else "resumed"
            done = opened if actions else "nothing to retry"
        case MarkTasks():
            done = _unmarkable(record, request)
            actions = [] if done else list(_mark(record, request, now))
            done = done or _marked(record, request, actions)
        case CancelTasks():
            actions = list(_cancel(record, request, now))
            done = "cancelled" if actions else "nothing to cancel: it has ended already"
        case PauseRun(reason=reason):
            actions = [] if record.outcome else [Pause(now, run, reason)]
            done = "paused" if actions else "it has ended already"
        case ResumeRun():
            actions = [Resume(now, run)] if record.paused else []
            done = "resumed" if actions else "it is not paused"
        case AckAlert():
            actions = list(_see_to(record, request, now))
            done = "acknowledged" if actions else f"no alert {request.alert} of it stands"
        case HaltRun(reason=reason):
            actions = list(_halt(record, reason, now))
            done = "halted"
    yield from actions
    yield Answer(now, request_id, bool(actions), done, run)


def _prune(state: State, request_id: str, request: PruneRuns, now: datetime) -> Iterator[Action]:
    action = pruning(state, request, now)
    if action is not None:
        yield action
    count = len(action.runs) if action is not None else 0
    done = f"{', '.join(request.parts)} of {plural(count, 'run')} let go"
    yield Answer(now, request_id, bool(count), done if count else "all of that is needed, or is under way")


def _submit(state: State, request_id: str, request: Submit, run: str, now: datetime) -> Iterator[Action]:
    record = state.runs.get(run)
    if request.exclusive and (other := _rival(state, request, run)):
        message = (
            f"{request.pipeline.shown!r} is running already as {other}; its names and outputs are in use"
        )
        yield Answer(now, request_id, False, message, other)
        return
    if record is None:
        origin, provenance = request.origin, request.provenance
        yield OpenRun(now, Run(run, request.pipeline, request.digest, now, origin, provenance=provenance))
        if request.forced:
            yield Force(now, run, request.forced)
        yield Answer(now, request_id, True, "opened", run)
        return
    if request.key and record.run.digest != request.digest:  # of another shape, perhaps
        yield Answer(now, request_id, True, "is there already, by another definition", run)
        return
    actions = list(_rerun(record, request, now))
    if record.outcome and not actions:
        yield Answer(now, request_id, True, "nothing to do: every task has succeeded", run)
        return
    went_on = not record.paused and not actions
    if record.run.pipeline != (amended := rebound(record, request.pipeline)):
        yield Amend(now, run, amended)
    if record.run.forced != request.forced:
        yield Force(now, run, request.forced)
    yield from actions
    if record.paused:
        yield Resume(now, run)
    yield Answer(now, request_id, True, "is under way" if went_on else "resumed", run)


def _rival(state: State, request: Submit, run: str) -> str | None:
    """Another run of the same name that is under way."""
    for record in state.runs.values():
        under_way = record.outcome is None and (record.live or not record.paused)
        if under_way and record.id != run and record.run.pipeline.name == request.pipeline.name:
            return record.id
    return None


def _rerun(record: RunRecord, request: Submit, now: datetime) -> Iterator[Action]:
    """A finished run opens what is missing; an unfinished one what an interrupt had cancelled."""
    states = _REOPENED[request.only]
    if record.outcome is None and request.only is Only.MISSING:
        states = (TaskState.CANCELLED, TaskState.SKIPPED) if request.forced else (TaskState.CANCELLED,)
    barred = set() if request.forced else _barred(record, now)
    opened: set[str] = set()
    for name, group in record.groups.items():
        if name in barred:
            continue
        held_up = opened & {need.step for need in group.step.needs}
        chained = group.step.sequential and any(group.count(state) for state in states)
        wanted = (*states, TaskState.SKIPPED) if held_up or chained else states  # skipped for its sake
        if actions := list(_reopen(record, group, tuple(dict.fromkeys(wanted)), "run again", now)):
            opened.add(name)
        yield from actions


def _barred(record: RunRecord, now: datetime) -> set[str]:
    """Steps that would be skipped again at once: too late themselves, or in need of one that is.

    What was skipped for another's sake and is to fail when it is late is none of them: now it fails.
    """
    found: set[str] = set()
    for name, group in record.groups.items():
        lost = (
            need.step in found
            for need in group.step.needs
            if need.mode not in (NeedMode.DONE, NeedMode.SAME)
            or (need.mode is NeedMode.SAME and not record.groups[need.step].count(TaskState.SUCCEEDED))
        )
        succeeded = group.count(TaskState.SUCCEEDED) == group.size
        fails = group.step.late is Late.FAIL and group.count(TaskState.SKIPPED)
        over = expired(group, now) or (missed(group, now) and not fails)
        if not succeeded and (over or any(lost)):
            found.add(name)
    return found


def _retry(record: RunRecord, request: RetryTasks, now: datetime) -> Iterator[Action]:
    reason = f"retry by {request.actor or 'a user'}"
    opened = False
    alone = not request.downstream
    for group in _chosen(record, request.step):
        cell = 0 if request.step is not None and group.size == 1 else request.cell
        if cell is None:
            actions = list(_reopen(record, group, _REOPENED[request.only], reason, now, alone=alone))
        elif (was := group.state(cell)) in _REOPENED[Only.MISSING] or group.flags[cell] & MARKED:
            actions = [Reopen(now, record.id, group.step.name, (was,), reason, cell, alone)]
        else:
            actions = []
        opened = opened or bool(actions)
        yield from actions
    if request.step is not None and opened:  # what was skipped for its sake
        for group in record.groups.values():
            if group.step.name != request.step or group.step.sequential:
                yield from _reopen(record, group, (TaskState.SKIPPED,), reason, now, alone=alone)
    if record.paused:
        yield Resume(now, record.id)


def _reopen(
    record: RunRecord,
    group: Group,
    states: tuple[TaskState, ...],
    reason: str,
    now: datetime,
    *,
    alone: bool = False,
) -> Iterator[Reopen]:
    if _count(group, states):
        yield Reopen(now, record.id, group.step.name, states, reason, alone=alone)


def _count(group: Group, states: tuple[TaskState, ...]) -> int:
    """The tasks in these states that nobody has marked."""
    return sum(map(group.count, states)) - sum(group.state(c) in states for c in group.flagged(MARKED))


def _reopened(record: RunRecord, actions: list[Action]) -> int:
    opened = 0
    for action in actions:
        if isinstance(action, Reopen):
            opened += 1 if action.cell is not None else _count(record.groups[action.step], action.states)
    return opened


_MARKABLE = {
    TaskState.SUCCEEDED: (TaskState.WAITING, TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED),
    TaskState.SKIPPED: (TaskState.WAITING, TaskState.FAILED, TaskState.CANCELLED),
}


def _unmarkable(record: RunRecord, request: MarkTasks) -> str:
    """Why what is meant cannot be marked, and what to do about it; or an empty text."""
    group = record.groups.get(request.step)
    if group is None:
        return f"{record.id} has no step {request.step}"
    cells = range(group.size) if request.cell is None else (request.cell,)
    if (live := next((cell for cell in cells if cell in group.live), None)) is not None:
        task = task_path(record.run.pipeline, TaskKey(record.id, request.step, live))
        return f"{task} runs: wait for its end, or end it with `openbell cancel {task}`, and mark it then"
    if any(group.state(cell) in _MARKABLE[request.outcome] for cell in cells):
        return ""
    if any(group.flags[cell] & MARKED for cell in cells):
        task = task_path(record.run.pipeline, TaskKey(record.id, request.step, cells[0]))
        return f"it is marked already; `openbell retry {task}` takes that back"
    return f"nothing to mark {request.outcome.name.lower()}: all of it has {_found(group, cells)} already"


def _found(group: Group, cells: Sequence[int]) -> str:
    states = {group.state(cell).name.lower() for cell in cells}
    return " or ".join(sorted(states)).replace("skipped", "been skipped")


def _mark(record: RunRecord, request: MarkTasks, now: datetime) -> Iterator[Mark | Reopen]:
    """The mark, and what was skipped for the sake of what now counts as succeeded."""
    step, actor = request.step, request.actor or "a user"
    states = _MARKABLE[request.outcome]
    yield Mark(now, record.id, step, request.outcome, states, actor, request.reason, request.cell)
    if request.outcome is TaskState.SUCCEEDED:
        reason = f"{step} is marked succeeded by {actor}"
        behind = dependants(record.run.pipeline.steps, step)
        if record.groups[step].step.sequential and request.cell is not None:
            behind = [step, *behind]
        for name in behind:
            yield from _reopen(record, record.groups[name], (TaskState.SKIPPED,), reason, now)


def _marked(record: RunRecord, request: MarkTasks, actions: list[Action]) -> str:
    group = record.groups[request.step]
    count = 1 if request.cell is not None else _count(group, _MARKABLE[request.outcome])
    told = f"{plural(count, 'task')} marked {request.outcome.name.lower()}"
    opened = _reopened(record, actions)
    return f"{told}, {opened:,} reopened" if opened else told


def _cancel(record: RunRecord, request: CancelTasks, now: datetime) -> Iterator[Action]:
    yield from cancellation(record, request, f"cancelled by {request.actor or 'a user'}", now)


def cancellation(
    record: RunRecord, request: CancelTasks, reason: str, now: datetime
) -> Iterator[Cancel | Stop]:
    """What ends the tasks of a run that the request means."""
    for group in _chosen(record, request.step):
        if request.cell is None and group.waiting:
            yield Cancel(now, record.id, group.step.name, reason)
        elif request.cell is not None and group.state(request.cell) is TaskState.WAITING:
            yield Cancel(now, record.id, group.step.name, reason, request.cell)
        yield from _stops(record, group, StopReason.CANCEL, now, request.cell)


def _see_to(record: RunRecord, request: AckAlert, now: datetime) -> Iterator[Action]:
    if request.alert in record.alerts.values():
        yield Acknowledge(now, record.id, request.alert, request.actor, request.reason)


def _halt(record: RunRecord, reason: str, now: datetime) -> Iterator[Action]:
    if record.outcome is None and not record.paused:
        yield Pause(now, record.id, reason)
    for group in record.groups.values():
        yield from _stops(record, group, StopReason.INTERRUPT, now)


def _stops(
    record: RunRecord, group: Group, reason: StopReason, now: datetime, only: int | None = None
) -> Iterator[Stop]:
    for cell, live in group.live.items():
        if live.state is not TaskState.STOPPING and only in (None, cell):
            yield Stop(now, TaskKey(record.id, group.step.name, cell), live.attempt, reason)


def _chosen(record: RunRecord, step: str | None) -> list[Group]:
    return [group for name, group in record.groups.items() if step in (None, name)]
