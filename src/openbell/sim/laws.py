"""The laws: what must hold in every world, checked against the truth of the world, not the code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta

from openbell.core.decide import decide
from openbell.core.events import Event, Exited, Led, Lost, Refused, Reopen, Requested, Start, Stop
from openbell.core.evolve import evolve
from openbell.core.group import MARKED
from openbell.core.inputs import Fail
from openbell.core.model import AttemptKey, Late, Step, TaskKey
from openbell.core.naps import Naps
from openbell.core.requests import CancelTasks, RetryTasks
from openbell.core.state import Group, Limits, Live, RunRecord, State
from openbell.core.states import FailureKind, RunState, StopReason, TaskState
from openbell.core.windows import is_open
from openbell.sim.counting import count, exhausted, failures
from openbell.sim.holding import ended_as_planned, keeps_up
from openbell.sim.marking import Hand
from openbell.sim.renewing import Renewal
from openbell.sim.scenario import MEMORY
from openbell.sim.waiting import no_fallback_but_a_success, wanting
from openbell.sim.world import Broken, World
from openbell.store.loader import snapshot
from openbell.store.protocol import Store


class Watch:
    """An observer that checks every durable batch as it goes by."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[TaskKey, float] = {}

    def see(self, events: Sequence[Event], state: State) -> None:
        for event in events:
            match event:
                case Start():
                    self._started(event, state)
                case Exited() | Lost() | Refused(counted=True):
                    self._ended(event, state)
                case Reopen() | Led():  # a crash may have kept earlier batches from this observer
                    self._due.clear()
                case Stop(reason=StopReason.TIMEOUT):
                    self._timed_out(event)
        self._within_limits(state)

    def _started(self, event: Start, state: State) -> None:
        record = state.runs[event.task.run]
        step = record.run.pipeline.step(event.task.step)
        due = self._due.pop(event.task, None)
        if due is not None and event.at.timestamp() < due - 1e-6:
            raise Broken(f"{event.task} was tried again before its time")
        if record.run.forced:
            return
        if step.window and not is_open(step.window, event.at)[0]:
            raise Broken(f"{event.task} was started outside its window")
        tries = record.groups[step.name].tries
        if not _in_time(step, event.at, begun=event.attempt > 1 or sum(tries) > event.attempt):
            raise Broken(f"{event.task} was started outside its time in the session's day")
        for lacking in wanting(record, event.task):
            raise Broken(f"{event.task} was started without {lacking}")

    def _ended(self, event: Exited | Lost | Refused, state: State) -> None:
        group = state.runs[event.task.run].groups[event.task.step]
        due = group.due.get(event.task.cell)
        if due is not None:
            least = group.step.retry.delay.total_seconds() * (1 - group.step.retry.jitter)
            if due - event.at < timedelta(seconds=least - 1e-6):
                raise Broken(f"{event.task}: the retry comes too soon")
            self._due[event.task] = due.timestamp()

    def _timed_out(self, event: Stop) -> None:
        process = self._world.processes.get(AttemptKey(*event.task, event.attempt))
        if process and process.brief.step.timeout:
            expired = self._world.now >= process.begun + process.brief.step.timeout
            if not expired and not self._world.jumped:
                raise Broken(f"{event.task} was stopped before its timeout")

    def _within_limits(self, state: State) -> None:
        """Slots, memory and concurrency, counted in attempts that hold a slot."""
        cpu = memory = 0.0
        holders = 0
        for record in state.runs.values():
            live = 0
            for group in record.groups.values():
                live += len(group.live)
                cpu += len(group.live) * group.step.demand.cpu
                memory += len(group.live) * group.step.demand.memory
            holders += live
            bound = record.run.pipeline.concurrency
            if bound is not None and live > bound:
                raise Broken(f"{live} attempts live, concurrency is {bound}")
        slots = self._world.scenario.slots
        if cpu > slots and holders > 1:
            raise Broken(f"{cpu} slots taken of {slots}")
        memory_users = sum(
            len(g.live) for r in state.runs.values() for g in r.groups.values() if g.step.demand.memory
        )
        if memory > MEMORY and memory_users > 1:
            raise Broken(f"{memory} units of memory taken of {MEMORY}")


def _in_time(step: Step, at: datetime, *, begun: bool) -> bool:
    """Before its end; inside of one of its stretches, or after all of them where that may be."""
    if step.absent or (step.stop_at is not None and step.stop_at <= at):
        return False
    if step.hold:
        return step.ends is not None and at < step.ends and all(start <= at for start, _ in step.openings)
    inside = any(start <= at and (end is None or at < end) for start, end in step.openings)
    may_be_late = step.late is Late.RUN or begun
    return inside or not step.openings or (may_be_late and all(start <= at for start, _ in step.openings))


def unhindered(state: State, world: World) -> None:
    """After a turn, a forced run has started everything that there is room for, whatever its conditions."""
    now = world.clock.now()
    live = [g for r in state.runs.values() for g in r.groups.values() for _ in g.live]
    urgent = [
        group.step.priority
        for record in state.runs.values()
        if record.outcome is None and not record.paused
        for group in record.groups.values()
        if group.waiting
    ]
    for record in state.runs.values():
        if not record.run.forced or record.outcome or record.paused or record.tripped:
            continue
        for name, group in record.groups.items():
            first = all(group.step.priority <= other for other in urgent)
            if (
                first
                and not group.unbound
                and not group.stands_in_for
                and next(group.ready(now), None) is not None
                and _has_room(record, group.step, live, world)
            ):
                raise Broken(f"{record.id}/{name} waits in a forced run, and there is room")


def _has_room(record: RunRecord, step: Step, live: Sequence[Group], world: World) -> bool:
    cpu = sum(group.step.demand.cpu for group in live)
    memory = sum(group.step.demand.memory for group in live)
    bound = record.run.pipeline.concurrency
    return (
        (not cpu or cpu + step.demand.cpu <= world.scenario.slots)
        and (not memory or not step.demand.memory or memory + step.demand.memory <= MEMORY)
        and (bound is None or record.live < bound)
    )


def sleeps_soundly(state: State, naps: Naps, world: World) -> None:
    """decide() says the same whether it remembers which runs sleep or looks at all of them."""
    now = world.clock.now()
    if decide(state, now, naps) != decide(state, now):
        raise Broken("a run that was thought to sleep has something to do")


def reads_only(state: State, world: World) -> None:
    """decide() does not change what it looks at, and says the same when asked again."""
    before = {run: deepcopy(snapshot(record)) for run, record in state.runs.items()}
    told = deepcopy((state.positions, state.fired, state.ended))
    first = decide(state, world.clock.now())
    if decide(state, world.clock.now()) != first:
        raise Broken("decide() says two things about one state")
    if before != {run: snapshot(record) for run, record in state.runs.items()}:
        raise Broken("decide() changed the state")
    if told != (state.positions, state.fired, state.ended):
        raise Broken("decide() changed what it knows of triggers")


def replays(store: Store, limits: Limits) -> None:
    """Folding the journal gives what the store has kept in its rows; no task is tried too often."""
    folded = State(limits)
    spent: Counter[TaskKey] = Counter()
    forgiven: Counter[str] = Counter()
    doomed: set[TaskKey] = set()
    untried: set[TaskKey] = set()
    hand, renewal = Hand(), Renewal()
    for _, event in store.journal(limit=10**9):
        hand.before(event, folded)
        renewal.before(event, folded)
        count(spent, forgiven, event, folded)
        _doom(doomed, event, folded)
        _give_up(untried, event, folded)
        no_fallback_but_a_success(event, folded)
        evolve(folded, event)
        keeps_up(event, folded)
        renewal.after(event, folded)
    for run_id, record in folded.runs.items():
        exhausted(record, spent, untried)
        hand.agrees(record)
        kept = store.run(run_id)
        if kept is None or snapshot(kept) != snapshot(record):
            raise Broken(f"the journal of {run_id} does not fold to its rows")
    loaded = store.load(limits)
    if loaded.datasets != folded.datasets:
        raise Broken("the journal does not fold to the data sets")
    if set(loaded.requests) != set(folded.requests):
        raise Broken("the journal does not fold to the pending requests")
    if loaded.positions != folded.positions or loaded.fired != folded.fired:
        raise Broken("the journal does not fold to the positions of triggers and what is due")


def _doom(doomed: set[TaskKey], event: Event, before: State) -> None:
    """What was cancelled, waiting or running, does not start again before somebody reopens it."""
    match event:
        case Stop(reason=StopReason.CANCEL | StopReason.INTERRUPT | StopReason.WINDOW):
            doomed.add(event.task)
        case Start() if event.task in doomed:
            raise Broken(f"{event.task} was started after it had been cancelled")
        case Requested(request=CancelTasks() as request) if event.run in before.runs:
            groups = before.runs[event.run].groups.items()
            chosen = [(name, group) for name, group in groups if request.step in (None, name)]
            for name, group in chosen:
                cells = range(group.size) if request.cell is None else [request.cell]
                waiting = (cell for cell in cells if group.state(cell) is TaskState.WAITING)
                doomed.update(TaskKey(event.run, name, cell) for cell in waiting)
        case Reopen():
            touched = [t for t in doomed if t[:2] == (event.run, event.step) and event.cell in (None, t.cell)]
            doomed.difference_update(touched)


def _give_up(untried: set[TaskKey], event: Event, before: State) -> None:
    """Tasks that failed without a try, for want of an input: only such as were waiting for it."""
    match event:
        case Fail(run=run, step=step):
            group = before.runs[run].groups[step]
            late = event.kind is FailureKind.LATE
            may_fail = group.step.late is Late.FAIL or group.step.hold
            if late and (not may_fail or _in_time(group.step, event.at, begun=False)):
                raise Broken(f"{run}/{step} was failed as too late, and it was not")
            if not late and (group.intake is None or not group.unbound):
                raise Broken(f"{run}/{step} was failed, and it was not waiting for files")
            untried.update(TaskKey(run, step, cell) for cell in range(group.size))
        case Reopen(run=run, step=step, cell=cell):
            again = [t for t in untried if t[:2] == (run, step) and cell in (None, t.cell)]
            untried.difference_update(again)


class Timeliness:
    """No deadline passes unseen: checked right after each turn of an engine that is up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping: dict[AttemptKey, datetime] = {}

    def check(self, state: State, seconds: float) -> None:
        """`seconds`: how long the engine means to sleep."""
        now = self._world.clock.now()
        for record in state.runs.values():
            for name, group in record.groups.items():
                for cell, live in group.live.items():
                    key = AttemptKey(record.id, name, cell, live.attempt)
                    if live.state is TaskState.STOPPING:
                        self._patience(key)
                    elif (due := self._deadline(group.step, live)) and due < now + timedelta(
                        seconds=seconds - 1
                    ):
                        raise Broken(f"{key}: its deadline {due} would pass unseen")

    def restart(self) -> None:
        self._stopping.clear()

    def _deadline(self, step: Step, live: Live) -> datetime | None:
        own = self._own_deadline(step, live)
        return min((at for at in (own, step.stop_at, step.ends) if at is not None), default=None)

    def _own_deadline(self, step: Step, live: Live) -> datetime | None:
        if live.state is TaskState.STARTING:
            ours = step.start_timeout if not self._world.scenario.keeps_start else None
            return live.since + ours if ours else None
        if self._world.scenario.keeps_time or not step.timeout or not live.started:
            return None
        return live.started + step.timeout

    def _patience(self, key: AttemptKey) -> None:
        """Whoever was told to stop is gone after its grace and the report's delay."""
        since = self._stopping.setdefault(key, self._world.now)
        process = self._world.processes.get(key)
        if process and process.ended is None and self._world.now > since + timedelta(minutes=2):
            raise Broken(f"{key} was to be stopped and still runs")


def answered(store: Store, asked: Sequence[str]) -> None:
    """Every request has its answer."""
    for request_id in asked:
        if store.answer(request_id) is None:
            raise Broken(f"request {request_id} has no answer")


def truthful(store: Store, world: World) -> None:
    """What is recorded is what happened: one outcome per attempt, each begun at most once, none forgotten."""
    recorded = {info.key: info for run in store.runs(limit=10**6) for info in store.attempts(run.id)}
    for key, process in world.processes.items():
        info = recorded.get(key)
        if info is None:
            raise Broken(f"{key} ran and is not recorded")
        if process.ended is None:
            raise Broken(f"{key} still runs after all has ended")
        if info.ended_at is None:
            raise Broken(f"{key} has ended and is recorded as running")
        if process.lost:
            if info.kind is not FailureKind.LOST:
                raise Broken(f"{key} was lost and is recorded as {info.kind}")
        elif info.exit != process.exit:
            raise Broken(f"{key} is recorded as {info.exit}, it was {process.exit}")
    for key, info in recorded.items():
        if key not in world.processes and info.kind is not FailureKind.START:
            raise Broken(f"{key} never ran and is recorded as {info.kind or 'a success'}")


def finished(store: Store, world: World) -> None:
    """Every task of every run has one final state, and it follows from its last attempt."""
    picked = _picked(store)
    for run in store.runs(limit=10**6):
        record = store.run(run.id)
        if record is None or record.outcome is None:
            raise Broken(f"{run.id} has not come to its end")
        if record.outcome is RunState.FAILED and not failures(record):
            raise Broken(f"{run.id} has failed for what it goes on without")
        for name, group in record.groups.items():
            for cell in range(group.size):
                _follows(record, name, cell, world, picked)


def _picked(store: Store) -> set[tuple[str, str]]:
    """Steps of which somebody has retried a single cell, by run."""
    journal = store.journal(limit=10**9, kinds=("Requested",))
    asked = (event.request for _, event in journal if isinstance(event, Requested))
    return {
        (one.run, one.step)
        for one in asked
        if isinstance(one, RetryTasks) and one.step and one.cell is not None
    }


def _follows(record: RunRecord, step: str, cell: int, world: World, picked: set[tuple[str, str]]) -> None:
    group = record.groups[step]
    state = group.state(cell)
    if not state.final:
        raise Broken(f"{record.id}/{step}/{cell} is {state.name} in a closed run")
    last = world.processes.get(AttemptKey(record.id, step, cell, group.tries[cell]))
    if group.tries[cell] == group.base.get(cell, -1):
        last = None  # that one was before it was opened again
    well = last is not None and not last.lost and last.exit is not None
    good = well and last.exit.code == 0 and last.exit.stopped is None  # type: ignore[union-attr]
    chosen = record.run.pipeline.step(step)
    if group.flags[cell] & MARKED:
        return
    if (state is TaskState.SUCCEEDED) != (good or ended_as_planned(chosen, last)):
        raise Broken(f"{record.id}/{step}/{cell} is {state.name}; its last attempt was {last}")
    own = chosen.late is Late.SKIP or chosen.hold or chosen.files is not None or chosen.stop_at is not None
    own = own or (record.id, step) in picked  # somebody wanted others of its cells, and not this one
    if state is TaskState.SKIPPED and not own and not any(wanting(record, TaskKey(record.id, step, cell))):
        raise Broken(f"{record.id}/{step}/{cell} was skipped, and nothing of what it waits for is wanting")
