"""Planted bugs. Each is one that a scheduler has really had; the laws must catch every one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from openbell.core import alarms, answers, decide, evolve, gates, holds, intake, needs, resources, retry
from openbell.core.alerts import Acknowledge, Alert
from openbell.core.events import Event, Lost, Mark, Skip, Stop
from openbell.core.model import NeedMode, Step, TaskKey
from openbell.core.resources import Usage
from openbell.core.retry import Verdict
from openbell.core.state import HELD, Group, Limits, Live, RunRecord, State
from openbell.core.states import StopReason, TaskState, Verb
from openbell.engine.engine import Engine
from openbell.engine.intakes import Intakes
from openbell.errors import StoreError
from openbell.executors.protocol import Orphan
from openbell.sim.faults import FlakyStore
from openbell.sim.world import SimExecutor
from openbell.store import loader, memory, post, projection
from openbell.store.changes import Changes
from openbell.store.memory import MemoryStore
from openbell.store.projection import project


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: `name` on `owner` is replaced."""

    title: str
    owner: Any
    name: str
    value: Any

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The bug is there inside the block."""
        original = self.owner.__dict__[self.name]
        setattr(self.owner, self.name, self.value)
        try:
            yield
        finally:
            setattr(self.owner, self.name, original)


def _cancels_only_the_live(record: RunRecord, request: Any, now: datetime) -> Iterator[Any]:
    return (action for action in _original_cancel(record, request, now) if isinstance(action, Stop))


_original_cancel = answers._cancel


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    return None


def _any_live(state: State, task: TaskKey, _attempt: int) -> Live | None:
    record = state.runs.get(task.run)
    return record.groups[task.step].live.get(task.cell) if record else None


_original_judge = retry.judge


def _always_retry(*args: Any) -> Verdict:
    verdict = _original_judge(*args)
    if verdict.verb is Verb.FAIL:
        return Verdict(Verb.RETRY, verdict.kind, args[-1].at + timedelta(seconds=1))
    return verdict


def _never_retry(*args: Any) -> Verdict:
    verdict = _original_judge(*args)
    if verdict.verb is Verb.RETRY and verdict.kind is not None:
        return Verdict(Verb.FAIL, verdict.kind)
    return verdict


def _nothing_waits(record: RunRecord) -> bool:
    return not any(group.waiting for group in record.groups.values())


_ticks = count()


def _random_delay(*_args: Any) -> timedelta:
    return timedelta(seconds=30 + next(_ticks) % 7)


def _some_is_done(need: Any, upstream: Group) -> needs.Fate:
    mode = NeedMode.DONE if need.mode is NeedMode.SOME else need.mode
    return _original_fate(replace(need, mode=mode), upstream)


_original_fate = needs.fate


def _mark_lost(self: SimExecutor, orphans: Sequence[Orphan]) -> None:
    """What most schedulers do at a restart: whatever was running is declared dead."""
    now = self._world.clock.now()
    for orphan in orphans:
        self._tell(Lost(now, orphan.key.task, orphan.key.attempt, "restart"), 0)


def _act_first(self: Engine) -> Any:
    """Perform, then record."""
    while True:
        decision = decide.decide(self.state, self._clock.now())
        for action in decision.actions:
            evolve.evolve(self.state, action)
        self._pending.extend(decision.actions)
        for action in decision.actions:
            self._perform(action)
        self._tell(self._commit())
        if not decision.actions:
            return decision.wake_at


def _append_twice(self: FlakyStore, _epoch: int, first: int, events: Sequence[Event], state: State) -> None:
    self._journal.extend(enumerate(events, first))
    self._apply(project(events, state))
    if self._world.happens(self._world.scenario.flaky):
        raise StoreError("simulated: the reply was lost")


def _unstopped(self: Engine) -> dict[str, list[Orphan]]:
    return {
        name: [replace(orphan, stop=None) for orphan in orphans]
        for name, orphans in _original_orphans(self).items()
    }


_original_orphans = Engine._orphans


def _forgets_attempts(events: Sequence[Event], state: State) -> Changes:
    changes = project(events, state)
    for row in changes.tasks.values():
        if row["state"] == TaskState.STARTING:
            row["state"], row["tries"] = int(TaskState.WAITING), row["tries"] - 1
    return changes


def _counted(self: Group, cell: int) -> int:
    return self.tries[cell]


def _slots_only(record: RunRecord, step: Any) -> Iterator[Any]:
    yield ("executor", step.executor), step.demand.cpu
    if record.run.pipeline.concurrency is not None:
        yield ("run", record.id), 1


def _no_concurrency(_record: RunRecord, step: Any) -> Iterator[Any]:
    yield ("executor", step.executor), step.demand.cpu
    if step.demand.memory:
        yield ("pool", "memory"), step.demand.memory


def _late(*args: Any) -> datetime | None:
    found = _original_wake(*args)
    return found + timedelta(minutes=5) if found else None


_original_wake = decide._wake_at


def _no_end(state: State, group: Group, live: Live) -> tuple[datetime, StopReason] | None:
    found = _original_deadline(state, group, live)
    return None if found is None or found[1] is StopReason.WINDOW else found


_original_deadline = decide._deadline


def _gates_but(one: object) -> tuple[object, ...]:
    return tuple(gate for gate in gates.GATES if gate is not one)


def _own_chain_only(record: RunRecord, group: Group, cell: int) -> Iterator[Any]:
    found = _original_prospects(record, group, cell)
    return (one for one in found if record.groups[one[1].upstream] is group)


def _other_steps_only(record: RunRecord, group: Group, cell: int) -> Iterator[Any]:
    found = _original_prospects(record, group, cell)
    return (one for one in found if record.groups[one[1].upstream] is not group)


_original_prospects = needs.prospects


def _all_of_it(record: RunRecord, group: Group, now: datetime) -> Iterator[Skip]:
    yield Skip(now, record.id, group.step.name, "one of its cells cannot run")


def _skipped(record: RunRecord, group: Group, reason: str, now: datetime) -> Skip:
    return Skip(now, record.id, group.step.name, reason)


def _given_up(step: Step, *rest: Any) -> Verdict:
    verdict = _original_verdict(step, *rest)
    gives_up = step.hold and verdict.verb is Verb.RETRY and verdict.kind is not None
    return Verdict(Verb.FAIL, verdict.kind) if gives_up else verdict


def _as_any_other(step: Step, *rest: Any) -> Verdict:
    return _original_verdict(replace(step, hold=False), *rest)


_original_verdict = retry.verdict_on


def _endless(state: State, group: Group, live: Live) -> tuple[datetime, StopReason] | None:
    found = _original_deadline(state, group, live)
    return None if found is None or found[1] is StopReason.END else found


def _never_settled(record: RunRecord, group: Group, cell: int) -> None:
    if group.codes[cell] != HELD:
        _original_settle(record, group, cell)


_original_settle = holds.settle


def _at_its_start(record: RunRecord, group: Group, cell: int) -> Any:
    """Every file is used up by the first success, whoever else takes it."""
    return group.step.files.bound or () if group.step.files else _original_consumed(record, group, cell)


_original_consumed = intake.consumed_by


def _no_chores(self: memory.MemoryStore, limits: Limits) -> State:
    state = _original_load(self, limits)
    state.chores.clear()
    return state


_original_load = memory.MemoryStore.load


def _seen_again(_self: Intakes, fact: Any, _state: State) -> Any:
    return fact


def _any_earlier_run(self: MemoryStore, name: str, _step: str, before: datetime) -> str | None:
    found = (row for row in self._newest_first(name) if row["opened_at"] < before)
    return next((str(row["id"]) for row in found), None)


def _all_failed(record: RunRecord) -> int:
    return record.count(TaskState.FAILED)


def _only_whole(group: Group) -> bool:
    return group.closed and group.count(TaskState.FAILED) == group.size


def _begun_at_once(need: Any, upstream: Group) -> needs.Fate:
    return needs.Fate.MET if need.mode is NeedMode.STARTED else _original_fate(need, upstream)


def _all_or_nothing(need: Any, upstream: Group) -> needs.Fate:
    partial = upstream.step.partial
    object.__setattr__(upstream.step, "partial", False)
    try:
        return _original_fate(need, upstream)
    finally:
        object.__setattr__(upstream.step, "partial", partial)


def _seen_to(row: Any) -> Alert:
    return replace(_original_escalating(row), at=row.escalate_at + timedelta(days=1))


_original_escalating = post.escalating


def _never_seen_to(state: State, event: Any) -> None:
    if not isinstance(event, Acknowledge):
        _original_note(state, event)


_original_note = alarms.note


def _mark_alone(record: RunRecord, request: Any, now: datetime) -> Iterator[Any]:
    return (action for action in _original_mark(record, request, now) if isinstance(action, Mark))


_original_mark = answers._mark


MUTANTS: tuple[Mutant, ...] = (
    Mutant("needs are not waited for", gates, "GATES", _gates_but(gates.needs)),
    Mutant("`some` lets pass without a success", needs, "fate", _some_is_done),
    Mutant("a hopeless step waits for ever", decide, "hopeless", lambda *_: ""),
    Mutant("cells do not wait for the same cell", holds, "prospects", _own_chain_only),
    Mutant("the order along an axis is not kept", holds, "prospects", _other_steps_only),
    Mutant("one lost cell skips the whole step", decide, "_lost", _all_of_it),
    Mutant("cells behind a lost one wait for ever", decide, "_lost", lambda *_: ()),
    Mutant("a cell that waits for another is never released", holds, "settle", _never_settled),
    Mutant("who waits for whom is forgotten at a restart", loader, "settle_run", _nothing),
    Mutant(
        "a failure that is gone on without holds up others", needs, "redeemed", lambda _: needs.Fate.HOPELESS
    ),
    Mutant("a failure without recourse holds nobody up", needs, "redeemed", lambda _: needs.Fate.MET),
    Mutant("what stands in runs in any case", needs, "called", lambda _: needs.Fate.MET),
    Mutant("what stands in waits for a step that fails wholly", needs, "has_failed", _only_whole),
    Mutant("a fallback on a run in which the step has failed", MemoryStore, "last_success", _any_earlier_run),
    Mutant("the fallback is forgotten at a restart", projection, "_fallback", _nothing),
    Mutant("some successes are not enough where they should be", needs, "fate", _all_or_nothing),
    Mutant("what is gone on without fails the run", RunRecord, "failed", property(_all_failed)),
    Mutant("what holds its time is not started again", evolve, "verdict_on", _given_up),
    Mutant("what holds its time has only so many tries", evolve, "verdict_on", _as_any_other),
    Mutant("what holds its time runs on after its end", decide, "_deadline", _endless),
    Mutant("what waits for a beginning does not wait", needs, "fate", _begun_at_once),
    Mutant("what was made without a late success stays as it is", decide, "renewals", lambda *_: ()),
    Mutant("what is out of date is forgotten at a restart", projection, "_outdated", _nothing),
    Mutant("what runs is marked", answers, "_unmarkable", lambda *_: ""),
    Mutant("who was skipped for the sake of a marked task stays so", answers, "_mark", _mark_alone),
    Mutant("a mark is forgotten at a restart", loader, "_mark", _nothing),
    Mutant("a retry opens what somebody has marked", Group, "flagged", lambda *_: iter(())),
    Mutant("slots are overbooked", Usage, "short", lambda *_: []),
    Mutant("memory is not counted", resources, "asks", _slots_only),
    Mutant("the run's concurrency is not counted", resources, "asks", _no_concurrency),
    Mutant("a paused run starts tasks", gates, "GATES", _gates_but(gates.brake)),
    Mutant("max_failures is ignored", RunRecord, "tripped", property(lambda _: False)),
    Mutant("windows are ignored", gates, "GATES", _gates_but(gates.window)),
    Mutant("the time in the session's day is ignored", gates, "GATES", _gates_but(gates.market)),
    Mutant("what is to end by a time runs on", decide, "_deadline", _no_end),
    Mutant("what is late waits for ever", decide, "missed", lambda *_: ""),
    Mutant("what is to fail when it is late is skipped", decide, "_late", _skipped),
    Mutant("a late report counts for the next attempt", State, "live", _any_live),
    Mutant("retries without a bound", retry, "judge", _always_retry),
    Mutant("retries are forgotten", retry, "judge", _never_retry),
    Mutant("retries come at once", retry, "delay", lambda *_: timedelta(0)),
    Mutant("the delay is drawn anew each time", retry, "delay", _random_delay),
    Mutant("a refusal for want of room counts as a try", Group, "spent", _counted),
    Mutant("deadlines are not looked at", decide, "_deadline", _nothing),
    Mutant("the engine wakes too late", decide, "_wake_at", _late),
    Mutant("a run closes while tasks run", RunRecord, "complete", property(_nothing_waits)),
    Mutant("running attempts are declared lost at a restart", SimExecutor, "adopt", _mark_lost),
    Mutant("orphans are not looked for", SimExecutor, "adopt", _nothing),
    Mutant("intent is recorded after the deed", Engine, "_act", _act_first),
    Mutant("starting tasks are not recorded", memory, "project", _forgets_attempts),
    Mutant("a commit of unknown fate is repeated", FlakyStore, "append", _append_twice),
    Mutant("a stop is forgotten at a restart", Engine, "_orphans", _unstopped),
    Mutant("a cancelled task is tried again", retry, "_CANCELLING", frozenset()),
    Mutant("a cancelled step goes on", answers, "_cancel", _cancels_only_the_live),
    Mutant("a forced run waits all the same", Step, "freed", lambda step: step),
    Mutant("who has forced a run is forgotten at a restart", loader, "decode_forced", _nothing),
    Mutant("one of several tasks uses a file up", intake, "consumed_by", _at_its_start),
    Mutant("what was ended after its marker uses files up", intake, "withholds", lambda _: False),
    Mutant("consumed files are taken again", Intakes, "sift", _seen_again),
    Mutant("two runs take one file", intake, "_siblings", lambda *_: iter(())),
    Mutant("a file that is to be put away is forgotten at a restart", memory.MemoryStore, "load", _no_chores),
    Mutant("a failure after a reopening is told to nobody", alarms, "reopened", _nothing),
    Mutant("what has been told is forgotten at a restart", memory, "standing", lambda _: {}),
    Mutant("alerts that wait are forgotten at a restart", memory, "escalating", _seen_to),
    Mutant("who sees to an alert is called all the same", alarms, "note", _never_seen_to),
    Mutant("a deadline passes unseen", decide, "overdue_at", _nothing),
    Mutant("a failure of a run is told to nobody", decide, "ending", lambda *_: ()),
    Mutant("an ended run is not closed", RunRecord, "complete", property(lambda _: False)),
)
