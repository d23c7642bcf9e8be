"""The real core, calendars and definitions on a simulated clock: what would run when, months ahead.

Nothing here decides. Occasions, gates, slots and misses are those of `decide`; only how long tasks take is
assumed, from the history of their steps where there is one, and that files are there when a step asks for
them, one for each pattern.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import blake2b

from openbell.core.alerts import Overdue
from openbell.core.decide import decide, lookouts
from openbell.core.events import (
    Action,
    Cancel,
    CloseRun,
    Exit,
    Exited,
    Fire,
    Miss,
    OpenRun,
    Requested,
    Skip,
    Start,
    Started,
    Stop,
    Unplanned,
)
from openbell.core.evolve import evolve
from openbell.core.following import awaited
from openbell.core.gates import Scope, closed_gate
from openbell.core.inputs import Clear, Cleared, FilesSeen, InputFile
from openbell.core.model import Pipeline, Step, TaskKey
from openbell.core.naps import Naps
from openbell.core.occasions import last_over, request_id
from openbell.core.requests import Submit
from openbell.core.resources import Usage
from openbell.core.state import Limits, RunRecord, Schedule, State
from openbell.core.states import RunState
from openbell.core.windows import is_open
from openbell.errors import OpenbellError

Lengths = Callable[[str, Step], timedelta]
"""How long a task of a step of a pipeline takes, on average."""

_LONGEST_LOOP = 1_000_000  # turns; more is a defect
_BEFORE = timedelta(days=20)
_SPREAD = 0.25  # of the average, by which tasks differ from each other


@dataclass(slots=True)
class Played:
    """One step of a run as it would be: when all but a slot was there for it, when it began and ended."""

    ready: datetime
    began: datetime | None = None
    ended: datetime | None = None
    note: str = ""
    """Why it was skipped, cancelled or stopped."""
    needing: bool = True
    """Whether it waits for other steps."""
    crowded: bool = False
    """Whether it still waits for a slot, and for nothing else, when the stretch ends."""


@dataclass(slots=True)
class Occurrence:
    """One run as it would be."""

    run: str
    pipeline: Pipeline
    fire: Fire
    opened: datetime
    closed: datetime | None = None
    outcome: RunState | None = None
    steps: dict[str, Played] = field(default_factory=dict)
    queued: datetime | None = None
    """Since when it has waited for the end of its predecessor."""
    overdue: datetime | None = None
    """The deadline that it misses."""

    @property
    def session(self) -> date | None:
        return self.fire.session


@dataclass(frozen=True, slots=True)
class Unopened:
    """An occasion that no run would answer for."""

    at: datetime
    pipeline: str
    key: str
    count: int
    reason: str
    overlapped: Occurrence | None = None
    """The run that was still under way, where that is the reason."""


@dataclass(slots=True)
class Rehearsal:
    """A stretch of simulated time. `outages`: stretches in which no engine is there."""

    schedules: Mapping[str, Schedule]
    plan: Callable[[Fire], Pipeline]
    limits: Limits
    lengths: Lengths
    start: datetime
    end: datetime
    seed: int = 0
    outages: tuple[tuple[datetime, datetime], ...] = ()
    occurrences: list[Occurrence] = field(default_factory=list)
    unopened: list[Unopened] = field(default_factory=list)
    _by_run: dict[str, Occurrence] = field(default_factory=dict)
    _queued: dict[str, datetime] = field(default_factory=dict)
    _ends: list[tuple[datetime, int, TaskKey, int]] = field(default_factory=list)
    _count: int = 0

    def play(self) -> None:
        """Let the time pass."""
        state = State(self.limits, schedules=self.schedules, ended=self._past())
        naps = Naps()
        now = self.start - timedelta(seconds=1)  # what is due at the start belongs to it
        for _ in range(_LONGEST_LOOP):
            decision = decide(state, now, naps)
            for action in decision.actions:
                evolve(state, action)
                self._perform(state, action, now)
            if decision.actions or self._arrive(state, now):
                continue
            following = [at for at in (decision.wake_at, self._ends[0][0] if self._ends else None) if at]
            if not following or (now := max(now, min(following))) >= self.end:
                self._look_back(state)
                return
            now = self._after_outage(now)
            self._finish(state, now)
        raise AssertionError("the rehearsal does not come to an end")

    def _arrive(self, state: State, now: datetime) -> bool:
        """Files have come for every step that looks for some and has been told of none; returns whether."""
        news = False
        for (run, step), wanted in lookouts(state, now).items():
            intake = state.runs[run].groups[step].intake
            if intake is None or intake.seen is not None:
                continue
            found = [InputFile(glob, 1, 0, f"{run}/{step}/{glob}") for glob in wanted.globs]
            if wanted.signal is not None:
                told = wanted.signal.complete
                found.append(InputFile(told, 1, 0, f"{run}/{step}/{told}", "signal"))
            evolve(state, FilesSeen(now, run, step, tuple(found)))
            news = True
        return news

    def _past(self) -> dict[str, dict[str, RunState]]:
        """Before the stretch all went well: who comes after a session of then need not wait for it."""
        found: dict[str, dict[str, RunState]] = {}
        for name in awaited(self.schedules):
            schedule = self.schedules.get(name)
            if schedule is not None and (market := schedule.market) is not None:
                first = max(market.valid_from, self.start.date() - _BEFORE)
                labels = market.dates(first, last_over(market, self.start))
                found[name] = {label.isoformat(): RunState.SUCCEEDED for label in labels}
        return found

    def _after_outage(self, now: datetime) -> datetime:
        """Where nobody is there, nothing is decided until somebody is: attempts end meanwhile."""
        for begin, end in self.outages:
            if begin <= now < end:
                return end
        return now

    def _finish(self, state: State, now: datetime) -> None:
        """What ends by now has ended, at its own time."""
        while self._ends and self._ends[0][0] <= now:
            at, _, task, attempt = heapq.heappop(self._ends)
            if (live := state.live(task, attempt)) is None:
                continue
            elapsed = (at - live.since).total_seconds()
            evolve(state, Exited(at, task, attempt, Exit(0, elapsed=elapsed, stopped=live.stop)))
            played = self._by_run[task.run].steps[task.step]
            played.ended = at
            if state.runs[task.run].groups[task.step].closed:
                self._ready(state.runs[task.run], at)

    def _perform(self, state: State, action: Action, now: datetime) -> None:
        match action:
            case Fire(queued=False):
                self._open(state, action, now)
            case Fire():
                self._queued[action.run] = now
            case Overdue():
                self._by_run[action.run].overdue = action.deadline
            case OpenRun(run=run):
                self._ready(state.runs[run.id], now)
            case Start(task=task, attempt=attempt):
                played = self._by_run[task.run].steps[task.step]
                if played.began is None:
                    played.began, played.ready = now, max(played.ready, self._fresh(state, task))
                evolve(state, Started(now, task, attempt))
                self._push(now + self._length(state, task, attempt), task, attempt)
            case Stop(task=task, attempt=attempt):
                self._by_run[task.run].steps[task.step].note = f"stopped: {action.reason.value}"
                self._push(now, task, attempt)
            case Skip() | Cancel():
                played = self._by_run[action.run].steps[action.step]
                played.note = action.reason
                self._ready(state.runs[action.run], now)
            case Clear(run=run, step=step, file=file):
                evolve(state, Cleared(now, run, step, file.path, file.key))
            case Miss():
                self.unopened.append(self._missed(action, now))
            case Unplanned():
                self.unopened.append(Unopened(now, action.pipeline, action.key, 1, action.reason))
            case CloseRun():
                occurrence = self._by_run[action.run]
                occurrence.closed, occurrence.outcome = now, action.outcome
                del state.runs[action.run]

    def _open(self, state: State, fire: Fire, now: datetime) -> None:
        try:
            pipeline = self.plan(fire)
        except OpenbellError as error:
            state.fired.pop(fire.run)
            self.unopened.append(Unopened(now, fire.pipeline, fire.key, 1, error.message))
            return
        occurrence = Occurrence(fire.run, pipeline, fire, now, queued=self._queued.pop(fire.run, None))
        occurrence.steps = {step.name: Played(now) for step in pipeline}
        self._by_run[fire.run] = occurrence
        self.occurrences.append(occurrence)
        submit = Submit(pipeline, "", key=fire.key)
        evolve(state, Requested(now, request_id(fire.run), submit, fire.run))

    def _fresh(self, state: State, task: TaskKey) -> datetime:
        """When the data that a task requires were there; the start of the stretch where it requires none."""
        required = state.runs[task.run].groups[task.step].step.requires
        known = [state.datasets[one.dataset].at for one in required if one.dataset in state.datasets]
        return max(known, default=self.start)

    def _missed(self, miss: Miss, now: datetime) -> Unopened:
        before = None
        if miss.reason.startswith("overlap: "):
            ran = (one for one in reversed(self.occurrences) if one.fire.pipeline == miss.pipeline)
            before = next((one for one in ran if one.closed is None), None)
        return Unopened(now, miss.pipeline, miss.first, miss.count, miss.reason, before)

    def _ready(self, record: RunRecord, now: datetime) -> None:
        """Take note of the steps that wait for a slot from now on, or from their time on."""
        steps = self._by_run[record.id].steps
        for name, group in record.groups.items():
            played = steps[name]
            if played.needing and all(record.groups[need.step].closed for need in group.step.needs):
                played.needing = False
                played.ready = self._after_outage(_opening(group.step, now))

    def _look_back(self, state: State) -> None:
        """Find the steps that wait for nothing but a slot when the stretch ends."""
        for run, record in state.runs.items():
            for name, played in self._by_run[run].steps.items():
                group = record.groups.get(name)
                if group is None or not group.waiting or played.began is not None or played.needing:
                    continue
                scope = Scope(state, record, group, Usage(), self.end, record.tripped)
                played.crowded = closed_gate(scope) is None

    def _push(self, at: datetime, task: TaskKey, attempt: int) -> None:
        self._count += 1
        heapq.heappush(self._ends, (at, self._count, task, attempt))

    def _length(self, state: State, task: TaskKey, attempt: int) -> timedelta:
        """How long this attempt takes: the average, more or less, the same for every rehearsal of a seed."""
        pipeline = state.runs[task.run].run.pipeline
        average = self.lengths(pipeline.name, pipeline.step(task.step))
        digest = blake2b(f"{self.seed} {task} {attempt}".encode(), digest_size=4).digest()
        return average * (1 + _SPREAD * (2 * int.from_bytes(digest, "big") / 2**32 - 1))


def _opening(step: Step, at: datetime) -> datetime:
    """The first instant from `at` on at which the day of its session and its window let a step start."""
    coming = next((one for one in step.openings if one.end is None or at < one.end), None)
    at = max(at, coming.start) if coming is not None else at
    if step.window is not None:
        opened, until = is_open(step.window, at)
        at = at if opened else until
    return at
