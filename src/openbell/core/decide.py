"""What to do next. Reads the state and the time it is given, changes nothing.

Level-triggered: the answer follows from the state alone, so a lost wake-up costs latency, never
correctness, and recovery is "load, decide". O(open steps + live attempts + started now).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby
from itertools import count as counting
from typing import NamedTuple

from openbell.core.alarms import alarms, ending, escalations, overdue_at
from openbell.core.answers import answer, cancellation
from openbell.core.binding import binding, given_up, taken_away, turns
from openbell.core.events import Action, Cancel, CloseRun, FallBack, Reopen, Skip, Stall, Start, Stop
from openbell.core.gates import PATIENT, Scope, awaits_files, closed_gate, expired, missed, slots
from openbell.core.inputs import Clear, Fail, Lookout, WaitingFor
from openbell.core.intake import lookout, waits_for_chores
from openbell.core.model import Late, Step, TaskKey
from openbell.core.naps import Naps
from openbell.core.needs import AFTER, after_one, hopeless, just_waits, lost, recourse
from openbell.core.occasions import moments, occasions
from openbell.core.renewals import renewals
from openbell.core.requests import CancelTasks
from openbell.core.resources import Pool, Usage, asks
from openbell.core.state import Group, Live, RunRecord, State
from openbell.core.states import FailureKind, StopReason, TaskState
from openbell.core.summary import outcome, stall_at
from openbell.core.turns import replaced
from openbell.core.windows import is_open


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and the earliest instant at which the answer could change without news."""

    actions: tuple[Action, ...]
    wake_at: datetime | None


def decide(state: State, now: datetime, naps: Naps | None = None) -> Decision:
    """The next actions. A pending request comes first and alone, for it may change all the rest.

    `naps` remembers the runs that sleep. It saves looking at them and changes nothing else.
    """
    for request_id, (request, run) in state.requests.items():
        return Decision(tuple(answer(state, request_id, request, run, now)), None)
    if actions := [*occasions(state, now)]:
        return Decision(tuple(actions), None)
    if actions := [*_replacements(state, now)]:  # what is cancelled does not start
        return Decision(tuple(actions), None)
    actions.extend(
        Clear(now, chore.run, chore.step, chore.file, chore.consume, chore.folder)
        for chore in state.chores.values()
        if not chore.ordered
    )
    numbers = counting(state.next_alert)
    actions.extend(escalations(state, now))
    naps = naps or Naps()
    awake = [record for record in _open(state) if naps.until(record, now) is None]
    waiting: list[tuple[RunRecord, Group]] = []
    for record in awake:
        tripped = record.tripped
        renewed: list[Reopen] = []
        for group in record.groups.values():
            if group.live:
                actions.extend(_stops(state, record, group, now))
            if group.waiting:
                if tripped or not just_waits(group):
                    actions.extend(_endings(state, record, group, now, tripped=tripped))
                    if not tripped:
                        waiting.append((record, group))
            elif group.earlier and (source := recourse(record, group)):
                actions.append(FallBack(now, record.id, group.step.name, source))
            if group.outdated and not tripped:
                renewed += renewals(record, group, now)
        actions.extend(alarms(record, numbers, now))
        actions.extend(renewed)
        if record.complete and not renewed and not waits_for_chores(state, record.id):
            result = outcome(record)
            actions.extend(ending(record, result, numbers, now))
            actions.append(CloseRun(now, record.id, result))
        actions.extend(_stall(record, now))
    if not any(isinstance(one, Fail | Reopen) for one in actions):  # one too many; what others would need
        actions.extend(_starts(state, now, waiting))
    if not actions:
        for record in awake:
            _nod_off(state, record, now, naps)
    return Decision(tuple(actions), _wake_at(state, now, naps))


def _replacements(state: State, now: datetime) -> Iterator[Action]:
    """The end of what makes room for the next run of its pipeline."""
    for record in replaced(state):
        yield from cancellation(record, CancelTasks(record.id), "replaced by the next run", now)


def _open(state: State) -> Iterator[RunRecord]:
    return (record for record in state.runs.values() if record.outcome is None)


def _stops(state: State, record: RunRecord, group: Group, now: datetime) -> Iterator[Action]:
    """Attempts whose time is up."""
    window = group.step.window
    if window is None and not _timed(state, group.step):
        return
    closed = window is not None and not is_open(window, now)[0]
    for cell, live in group.live.items():
        if live.state is TaskState.STOPPING:
            continue
        reason = StopReason.WINDOW if closed else None
        if (deadline := _deadline(state, group, live)) and deadline[0] <= now:
            reason = deadline[1]
        if reason:
            yield Stop(now, TaskKey(record.id, group.step.name, cell), live.attempt, reason)


def _timed(state: State, step: Step) -> bool:
    """Whether attempts of this step have deadlines that their executor does not see to."""
    if step.stop_at is not None or step.ends is not None:
        return True
    ours = _ours(state, step)
    return (step.start_timeout is not None and ours.start) or (step.timeout is not None and ours.time)


class _Ours(NamedTuple):
    """Which timeouts of a step its executor does not see to."""

    time: bool
    start: bool


def _ours(state: State, step: Step) -> _Ours:
    executor = state.limits.executors.get(step.executor)
    if executor is None:
        return _Ours(time=False, start=True)
    return _Ours(not executor.keeps_time, not executor.keeps_start)


def _deadline(state: State, group: Group, live: Live) -> tuple[datetime, StopReason] | None:
    """When this attempt has to be stopped, as far as its executor does not see to that itself."""
    step = group.step
    found = [(step.ends, StopReason.END)] if step.ends is not None else []
    if step.stop_at is not None and not step.hold:
        found.append((step.stop_at, StopReason.WINDOW))
    if live.state is TaskState.STARTING:
        if step.start_timeout is not None and _ours(state, step).start:
            found.append((live.since + step.start_timeout, StopReason.START_TIMEOUT))
    elif live.started and step.timeout is not None and _ours(state, step).time:
        found.append((live.started + step.timeout, StopReason.TIMEOUT))
    return min(found, default=None)


def _endings(
    state: State, record: RunRecord, group: Group, now: datetime, *, tripped: bool
) -> Iterator[Action]:
    """Waiting tasks that will never run."""
    if tripped:
        failed = record.failed
        yield Cancel(now, record.id, group.step.name, f"max_failures reached ({failed} failed)")
    elif reason := expired(group, now):
        yield Cancel(now, record.id, group.step.name, reason)
    elif reason := hopeless(record, group):
        yield Skip(now, record.id, group.step.name, reason)
    elif reason := missed(group, now):
        yield _late(record, group, reason, now)
    elif group.doomed:
        yield from _lost(record, group, now)
    elif group.intake is not None:
        yield from _without_files(state, record, group, now)


def _late(record: RunRecord, group: Group, reason: str, now: datetime) -> Skip | Fail:
    """What becomes of a step that will not start because its time is over, or never comes."""
    broke_down = group.step.hold and group.begun  # and was not up again by its end
    if (group.step.late is Late.FAIL or broke_down) and not group.step.absent:
        return Fail(now, record.id, group.step.name, reason, FailureKind.LATE)
    return Skip(now, record.id, group.step.name, reason)


def _lost(record: RunRecord, group: Group, now: datetime) -> Iterator[Skip]:
    """Cells that wait for one that ended without success, and those that wait for them in turn."""
    reasons: dict[int, str] = {}
    behind = [link.after for link, other in group.followers if other is group]
    for cell in group.doomed:
        reason, line = lost(record, group, cell), [cell]
        while line and line[0] not in reasons and group.state(line[0]) is TaskState.WAITING:
            reasons[line[0]] = reason
            if line[0] == cell and not reason.startswith(AFTER):
                reason = after_one(group, cell, TaskState.SKIPPED)
            line = [following for after in behind for following in after(line[0])]
    if len(reasons) == group.waiting and len(set(reasons.values())) == 1:
        yield Skip(now, record.id, group.step.name, next(iter(reasons.values())))
        return
    for first, count, reason in _stretches(reasons):
        yield Skip(now, record.id, group.step.name, reason, first, count)


def _without_files(state: State, record: RunRecord, group: Group, now: datetime) -> Iterator[Action]:
    """What becomes of a step whose files do not come, or are taken away again."""
    if (end := given_up(state, record, group, now)) is not None:
        yield end
    else:
        yield from taken_away(record, group, now)


def _stretches(reasons: Mapping[int, str]) -> Iterator[tuple[int, int, str]]:
    """Neighbouring cells with one reason: (first cell, count, reason)."""
    for (_, reason), cells in groupby(
        enumerate(sorted(reasons)), key=lambda entry: (entry[1] - entry[0], reasons[entry[1]])
    ):
        found = [cell for _, cell in cells]
        yield found[0], len(found), reason


def _stall(record: RunRecord, now: datetime) -> Iterator[Action]:
    if record.stalled or (when := stall_at(record)) is None or when > now:
        return
    group, cell, live = min(
        ((g, cell, live) for g in record.groups.values() if not g.step.hold for cell, live in g.live.items()),
        key=lambda found: (found[2].since, found[1]),
    )
    silent = (now - record.last_end).total_seconds()
    yield Stall(now, record.id, TaskKey(record.id, group.step.name, cell), live.attempt, silent)


def _starts(state: State, now: datetime, queue: list[tuple[RunRecord, Group]]) -> Iterator[Action]:
    """As many starts as the gates, slots and pools allow, the most urgent and longest first."""
    if not queue:
        return
    queue.sort(key=lambda entry: (entry[1].step.priority, -entry[1].longest))  # then by run and step order
    usage = Usage.of(state)
    held: dict[Pool, int] = {}
    bound: set[tuple[str, str]] = set()
    for record, group in queue:
        scope = Scope(state, record, group, usage, now, tripped=False)
        if closed_gate(scope) or _waits_for_a_better(scope, held):
            continue
        if group.unbound:
            who = (record.run.pipeline.name, group.step.name)
            if who not in bound:  # what one takes now, the next does not get: it is asked in the next round
                bound.add(who)
                found = list(binding(state, record, group, now))
                yield from found
                if any(isinstance(action, Fail) for action in found):
                    return
            continue
        for cell in group.ready(now):
            if slots(scope):
                for pool, _, _ in usage.short(state, record, group.step):
                    held.setdefault(pool, group.step.priority)
                break
            usage.take(record, group.step)
            yield Start(now, TaskKey(record.id, group.step.name, cell), group.tries[cell] + 1)


def lookouts(state: State, now: datetime) -> dict[WaitingFor, Lookout]:
    """The files that sensors have to look for: those of the steps that wait for nothing else."""
    found: dict[WaitingFor, Lookout] = {}
    for record in _open(state):
        for name, group in record.groups.items():
            files, intake = group.step.files, group.intake
            if files is None or intake is None or files.bound is not None:
                continue
            if awaits_files(Scope(state, record, group, Usage(), now, record.tripped)):
                found[record.id, name] = lookout(record, group.step, files, intake.count)
    return found


def _waits_for_a_better(scope: Scope, held: dict[Pool, int]) -> bool:
    """A pool that a more urgent step waits for is not drained by less urgent ones."""
    step = scope.group.step
    wanted = (pool for pool, _ in asks(scope.record, step))
    return any(held.get(pool, step.priority) < step.priority for pool in wanted)


def _nod_off(state: State, record: RunRecord, now: datetime, naps: Naps) -> None:
    """Let a run sleep whose every step waits for a time, or for another of its steps."""
    usage = Usage()
    for group in record.groups.values():
        if group.live:
            return
        if group.waiting:
            blocker = closed_gate(Scope(state, record, group, usage, now, tripped=False))
            if blocker is None or blocker.gate not in PATIENT:
                return
    until = min((moment for moment in _moments(state, record, now) if moment > now), default=None)
    if until is not None:
        naps.note(record, now, until)


def _wake_at(state: State, now: datetime, naps: Naps) -> datetime | None:
    of_runs: list[datetime] = []
    for record in _open(state):
        if (nap := naps.until(record, now)) is not None:
            of_runs.append(nap)
        else:
            of_runs.extend(_moments(state, record, now))
    later = (alert.at for alert in state.alerts.values())
    return min((moment for moment in chain(of_runs, moments(state), later) if moment > now), default=None)


def _moments(state: State, record: RunRecord, now: datetime) -> Iterator[datetime]:
    """Instants at which something about this run changes by itself."""
    if (stall := stall_at(record)) and not record.stalled:
        yield stall
    if (due_by := overdue_at(record)) is not None:
        yield due_by
    for group in record.groups.values():
        step = group.step
        if group.waiting:
            if (due := group.next_due()) and not record.paused:
                yield due  # one that is past waits for a gate or a slot: news, not time, will free it
            if step.openings:
                yield from (at for opening in step.openings for at in opening if at is not None)
            if step.stop_at is not None:
                yield step.stop_at
            if group.intake is not None:
                yield from turns(group)
        elif not group.live:
            continue
        if step.window is not None:
            yield is_open(step.window, now)[1]
        if group.live and _timed(state, step):
            for live in group.live.values():
                if live.state is not TaskState.STOPPING and (deadline := _deadline(state, group, live)):
                    yield deadline[0]
