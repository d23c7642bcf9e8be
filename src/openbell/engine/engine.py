"""The engine: drain, decide, record, perform, wait.

Intent is durable before it is attempted: no action is performed before the transaction that holds
it has committed. Whatever kills the engine between two lines, the next one loads the state, asks
the executors what became of the attempts that lived, and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from openbell.clock import Clock
from openbell.core.decide import decide
from openbell.core.events import (
    Action,
    Amend,
    Answer,
    Event,
    Exited,
    Fact,
    Fire,
    Led,
    Lost,
    OpenRun,
    Recalled,
    Refused,
    Requested,
    Start,
    Stop,
    Unplanned,
    Unreachable,
)
from openbell.core.evolve import evolve, is_news, judged
from openbell.core.following import awaited, label_for, remember
from openbell.core.inputs import Clear
from openbell.core.model import AttemptKey, Run, TaskKey
from openbell.core.naps import Naps
from openbell.core.occasions import request_id, unwatched
from openbell.core.requests import Request, Submit
from openbell.core.state import Limits, RunRecord, Schedule, State
from openbell.core.states import RunState, StopReason
from openbell.engine.briefing import brief, orphan
from openbell.engine.environment import inherited
from openbell.engine.history import past
from openbell.engine.inbox import Inbox
from openbell.engine.intakes import Intakes
from openbell.engine.points import point
from openbell.engine.space import SpaceWatch
from openbell.engine.upstream import Upstream
from openbell.errors import Fenced, OpenbellError, StoreError
from openbell.executors.protocol import Executor, Orphan
from openbell.sensors.protocol import Sensor
from openbell.store.protocol import Store

_LONGEST_SLEEP = 60.0  # seconds; a clock that jumps is noticed after that at the latest
_IMPATIENCE = timedelta(seconds=3)  # grace of attempts whose user wants to leave now
_ENDINGS = 60  # runs of a pipeline that others may come after
_COMMITS = 3  # appending is idempotent, so a commit of unknown fate is simply tried again


class Observer(Protocol):
    """Somebody who watches: sees every batch once it is durable."""

    def see(self, events: Sequence[Event], state: State) -> None: ...


class Planner(Protocol):
    """Knows the pipelines that open runs by themselves."""

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """Those pipelines by name."""
        ...

    @property
    def intact(self) -> bool:
        """Whether all files could be read: then a pipeline that is not among them is gone."""
        ...

    def plan(self, fire: Fire) -> Submit:
        """The run for an occasion. Raises `OpenbellError` when there can be none."""
        ...


def recall(state: State, store: Store) -> None:
    """Bring to mind how the pipelines have ended lately that others come after."""
    schedules = state.schedules or {}
    for name in awaited(schedules):
        market = schedules[name].pipeline.market if name in schedules else name
        for info in reversed(store.runs(name, _ENDINGS)):
            if info.state.final:
                label = label_for(info.id, info.session, market, info.opened_at)
                remember(state, name, label, info.state)


class Engine:
    """One leading engine of a project. With a planner it opens runs by itself."""

    def __init__(
        self,
        store: Store,
        executors: Mapping[str, Executor],
        clock: Clock,
        *,
        pools: Mapping[str, float] | None = None,
        space: SpaceWatch | None = None,
        sensor: Sensor | None = None,
        observers: Sequence[Observer] = (),
        wanted: Callable[[str], bool] = lambda _: True,
        planner: Planner | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        self.inbox = Inbox()
        self.state = State(Limits({name: e.capacity for name, e in executors.items()}, dict(pools or {})))
        self._store = store
        self._executors = executors
        self._clock = clock
        self._space = space
        self._intakes = Intakes(sensor, store)
        self._observers = observers
        self.naps = Naps()
        self._wanted = wanted
        self._planner = planner
        self._upstream = upstream
        self._inherited = inherited()
        self._pending: list[Event] = []
        self._epoch = 0
        self._next = 1

    # ── taking the lead ──────────────────────────────────────────────────────────────────────

    def lead(self, holder: str, *, adopt: bool = False) -> None:
        """Take the lead, load what there is, and find the attempts that live.

        `adopt`: runs that are under way go on; otherwise they pause until somebody asks for them.
        """
        now = self._clock.now()
        lease = self._store.lead(holder, now)
        self._epoch, self._next = lease.epoch, lease.last + 1
        self.state = self._store.load(self.state.limits)
        point("loaded")
        self._absorb([Led(now, lease.epoch, holder, adopt)])
        for record in self.state.runs.values():
            if record.past is None:
                self._recall(record)
        self.heed()
        self._tell(self._commit())
        orphans = self._orphans()
        for name, executor in self._executors.items():
            executor.open(self.inbox.put)
            executor.adopt(orphans.pop(name, []))
        for name, lost in orphans.items():
            self._unknown(name, lost)
        self._intakes.open(self.inbox.put)

    def heed(self) -> None:
        """Take over the schedules as the planner knows them now."""
        if self._planner is None:
            return
        self.state.schedules = self._planner.schedules
        if self._planner.intact:
            self._record(unwatched(self.state, self._clock.now()))
        recall(self.state, self._store)
        for fire in list(self.state.fired.values()):
            there = fire.pipeline in self.state.schedules
            if request_id(fire.run) in self.state.requests:
                continue
            if self._planner.intact and not there:
                self._unplanned(fire, f"there is no pipeline {fire.pipeline} any more")
            elif there and not fire.queued:
                self._plan(fire)

    def _plan(self, fire: Fire) -> None:
        """Ask for the run of an occasion."""
        assert self._planner is not None
        try:
            self.request(request_id(fire.run), self._planner.plan(fire))
        except OpenbellError as error:
            self._unplanned(fire, error.message)

    def _unplanned(self, fire: Fire, reason: str) -> None:
        self._record([Unplanned(self._clock.now(), fire.pipeline, fire.trigger, fire.key, reason)])

    def _orphans(self) -> dict[str, list[Orphan]]:
        """The live attempts by the name of their executor."""
        found: dict[str, list[Orphan]] = {}
        for record in self.state.runs.values():
            for group in record.groups.values():
                for cell, live in group.live.items():
                    key = AttemptKey(record.id, group.step.name, cell, live.attempt)
                    try:
                        found.setdefault(group.step.executor, []).append(orphan(record, key, live))
                    except KeyError as error:
                        reason = f"the environment variable {error.args[0]} is not set in the leading engine"
                        self.inbox.put(Unreachable(self._clock.now(), key.task, key.attempt, reason))
        return found

    def _unknown(self, name: str, orphans: Sequence[Orphan]) -> None:
        """Attempts on an executor that this engine does not have: they may live, so they keep their slots."""
        reason = f"this engine does not have the executor {name}"
        for one in orphans:
            self.inbox.put(Unreachable(self._clock.now(), one.key.task, one.key.attempt, reason))

    # ── the turn ─────────────────────────────────────────────────────────────────────────────

    def turn(self) -> float:
        """Carry everything that has arrived through the core. Returns how many seconds to wait for news."""
        facts = [self._intakes.sift(fact, self.state) for fact in self.inbox.drain()]
        if self._space and (change := self._space.check(self._clock.now())):
            facts.append(change)
        self._absorb(facts)
        wake_at = self._act()
        if self.inbox.rung():
            for request_id, request in self._store.asked():
                if self._wanted(request_id):
                    self.request(request_id, request)
                else:
                    self._decline(request_id, request)
                wake_at = self._act()
        self._forget()
        self._intakes.attend(self.state, self._clock.now())
        longest = min(_LONGEST_SLEEP, self._space.patience) if self._space else _LONGEST_SLEEP
        if wake_at is None:
            return longest
        return max(0.0, min(longest, (wake_at - self._clock.now()).total_seconds()))

    async def run(self, until: Callable[[State], bool]) -> None:
        """Turn until `until(state)` holds."""
        self.inbox.attach()
        while True:
            seconds = self.turn()
            if until(self.state):
                return
            await self.inbox.wait(seconds)

    def request(self, request_id: str, request: Request) -> None:
        """Take up a request: find the run that it means, and record that it was made."""
        run = self._meant(request)
        if run not in self.state.runs and (record := self._store.run(run)):
            self.state.runs[run] = record
        self._absorb([Requested(self._clock.now(), request_id, request, run)])

    def _decline(self, request_id: str, request: Request) -> None:
        """Whoever asked is gone, and nobody waits for it."""
        now = self._clock.now()
        self._absorb([Requested(now, request_id, request, "")])
        self._record([Answer(now, request_id, accepted=False, message="its asker is gone")])

    def kill(self, run_id: str) -> None:
        """Insist on the end of whatever lives of this run: no more grace."""
        for name, group in self.state.runs[run_id].groups.items():
            for cell, live in group.live.items():
                key = AttemptKey(run_id, name, cell, live.attempt)
                reason = live.stop or StopReason.INTERRUPT
                self._executors[group.step.executor].stop(key, reason, timedelta(0))

    def _meant(self, request: Request) -> str:
        if not isinstance(request, Submit):
            return request.run
        name = request.pipeline.name
        if request.key:
            return self._done_already(request) or f"{name}/{request.key}"
        known = None if request.new else self._store.newest(name, request.digest)
        if known and not request.reopen and (info := self._store.info(known)) and info.state.final:
            known = None
        if known and request.pipeline.takes_files and (info := self._store.info(known)):
            known = None if info.state is RunState.SUCCEEDED else known  # there may be other files by now
        return known or f"{name}/{self._store.next_key(name)}"

    def _done_already(self, request: Submit) -> str | None:
        """A run of the same session and definition that somebody has asked for, and that went well so far."""
        session = request.pipeline.sessions.get("session")
        if session is None or not request.key.startswith(session):
            return None
        known = self._store.newest(request.pipeline.name, request.digest)
        info = self._store.info(known) if known else None
        alive = info is not None and (not info.state.final or info.state is RunState.SUCCEEDED)
        return known if alive else None

    def _absorb(self, facts: Sequence[Fact]) -> None:
        """Move the state on by facts. What is no news is dropped."""
        for fact in facts:
            if is_news(self.state, fact):
                evolve(self.state, fact)
                self._pending.append(judged(self.state, fact))

    def _record(self, actions: Iterable[Action]) -> None:
        """Move the state on by actions."""
        for action in list(actions):
            evolve(self.state, action)
            self._pending.append(action)

    def _act(self) -> datetime | None:
        """Decide, record, perform, until there is nothing more to do. Returns when to ask again.

        What has become durable is told when its actions are under way: nobody who acts waits for the telling.
        """
        while True:
            decision = decide(self.state, self._clock.now(), self.naps)
            self._record(decision.actions)
            durable = self._commit()
            for action in decision.actions:
                self._perform(action)
            self._tell(durable)
            if not decision.actions:
                return decision.wake_at

    def _commit(self) -> list[Event]:
        """Make what has happened durable. Returns what that is."""
        events = self._pending
        if not events:
            return events
        point("before-commit")
        for left in reversed(range(_COMMITS)):
            try:
                self._store.append(self._epoch, self._next, events, self.state)
                break
            except Fenced:
                raise
            except StoreError:
                if not left:
                    raise
        point("after-commit")
        self._next += len(events)
        self._pending = []
        for event in events:
            if isinstance(event, Exited | Refused | Lost):
                self._executor_of(event.task).settle(AttemptKey(*event.task, event.attempt))
        if self._upstream is not None:
            self._upstream.see(events, self.state)  # what starts next reads it
        return events

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for observer in self._observers:
                observer.see(events, self.state)

    def _recall(self, record: RunRecord) -> None:
        """Look up what earlier runs have left for this one."""
        found = past(self._store, record.run.pipeline, record.run.opened_at)
        falls_back = any(step.on_failure.last_success for step in record.run.pipeline)
        if falls_back or (found.took and found != record.past):
            self._absorb([Recalled(self._clock.now(), record.id, found)])

    def _perform(self, action: Event) -> None:
        match action:
            case OpenRun(run=Run(id=run_id)) | Amend(run=run_id):
                self._recall(self.state.runs[run_id])
            case Start():
                key = AttemptKey(*action.task, action.attempt)
                try:
                    told = brief(self.state.runs[key.run], key, self._inherited, self._upstream)
                except KeyError as error:
                    reason = f"the environment variable {error.args[0]} is not set in the leading engine"
                    self.inbox.put(Refused(self._clock.now(), action.task, action.attempt, reason))
                    return
                point("before-start")
                self._executor_of(action.task).start(told)
                point("after-start")
            case Stop():
                group = self.state.runs[action.task.run].groups[action.task.step]
                key = AttemptKey(*action.task, action.attempt)
                grace = group.step.grace
                if action.reason is StopReason.INTERRUPT:
                    grace = min(grace, _IMPATIENCE)
                self._executor_of(action.task).stop(key, action.reason, grace)
            case Fire(queued=False) if self._planner is not None:
                self._plan(action)
            case Clear():
                point("before-clear")
                self._intakes.clear(action, self._clock.now())
            case _:
                pass

    def _executor_of(self, task: TaskKey) -> Executor:
        return self._executors[self.state.runs[task.run].groups[task.step].step.executor]

    def _forget(self) -> None:
        """Runs that have ended need no place in memory."""
        for run_id in [run_id for run_id, record in self.state.runs.items() if record.outcome]:
            del self.state.runs[run_id]
            self.naps.forget(run_id)
