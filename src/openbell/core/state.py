"""What the engine knows: runs, their steps' cells (one byte each), the attempts that live.

Everything here is written by `evolve` (and filled by the store at recovery), nowhere else.
The tasks of one step differ only in when they may run again, so they are kept as a group:
`decide` asks the gates once per group and never looks at a million cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openbell.core.alerts import Alert, Topic
from openbell.core.durations import Durations
from openbell.core.events import Fire
from openbell.core.freshness import Dataset
from openbell.core.graph import sources, topological
from openbell.core.group import DELAYED as DELAYED
from openbell.core.group import HELD as HELD
from openbell.core.group import Group as Group
from openbell.core.group import Live as Live
from openbell.core.inputs import Chore as Chore
from openbell.core.inputs import InputFile, Told
from openbell.core.links import links
from openbell.core.model import NeedMode, Past, Pipeline, Run, Step, TaskKey
from openbell.core.requests import Request
from openbell.core.states import RunState, TaskState
from openbell.market import Market


class RunRecord:
    """One run: its definition, its groups in topological order, its brake."""

    __slots__ = (
        "alerts",
        "durations",
        "forgiven",
        "groups",
        "last_end",
        "listed",
        "outcome",
        "overdue",
        "past",
        "paused",
        "run",
        "stalled",
        "version",
    )

    def __init__(self, run: Run, rests: Mapping[str, TaskState] | None = None) -> None:
        """`rests`: the state in which the cells of a step are, where that is not WAITING."""
        self.run = run
        self.groups = {
            name: Group(run.step(name), (rests or {}).get(name, TaskState.WAITING))
            for name in topological(run.pipeline.steps)
        }
        self.past: Past | None = None
        """What earlier runs have left; None: not looked up yet."""
        self._link()
        self.listed = sources(run.pipeline)
        """Steps whose results become axes of others."""
        self.paused = ""
        self.forgiven = 0
        """Failures that were there when somebody last asked for another try of something."""
        self.outcome: RunState | None = None
        self.durations = Durations()
        self.last_end = run.opened_at
        """When a task of it ended last; the run's start before that."""
        self.stalled = False
        self.overdue: datetime | None = None
        """The deadline that it has missed."""
        self.alerts: dict[tuple[str, Topic], int] = {}
        """What has been told of it, by step (empty: as a whole) and topic: the numbers of the alerts."""
        self.version = 0
        """Counts the events about this run that this engine has seen."""

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def state(self) -> RunState:
        return self.outcome or (RunState.PAUSED if self.paused else RunState.ACTIVE)

    @property
    def takes_files(self) -> bool:
        return any(group.intake is not None for group in self.groups.values())

    @property
    def live(self) -> int:
        """Attempts that hold a slot."""
        return sum(len(group.live) for group in self.groups.values())

    @property
    def size(self) -> int:
        return sum(group.size for group in self.groups.values())

    def count(self, state: TaskState) -> int:
        return sum(group.count(state) for group in self.groups.values())

    @property
    def failed(self) -> int:
        """Final failures, but for those that the run goes on without."""
        groups = self.groups.values()
        return sum(g.count(TaskState.FAILED) for g in groups if not g.step.on_failure.goes_on)

    def recall(self, past: Past | None) -> None:
        """Take in what earlier runs have left."""
        self.past = past
        for name, group in self.groups.items():
            group.earlier = past.successes.get(name, "") if past else ""
        self._line_up()

    def _line_up(self) -> None:
        for name, group in self.groups.items():
            group.line_up(self.past.took.get(name, {}) if self.past else {})

    @property
    def tripped(self) -> bool:
        """`max_failures` final failures have happened since somebody last asked for another try."""
        limit = self.run.pipeline.max_failures
        return limit is not None and self.failed - self.forgiven >= max(1, limit)

    @property
    def complete(self) -> bool:
        """Every task is final."""
        return all(group.closed for group in self.groups.values())

    def amend(self, run: Run) -> None:
        """Take over a definition of the same shape, or its conditions lifted."""
        self.run = run
        for name, group in self.groups.items():
            group.step = run.step(name)
        self._link()

    def _link(self) -> None:
        """Tell each group whose cells its own wait for, whose wait for them, and who stands in for it."""
        for group in self.groups.values():
            group.links = links(group.step, lambda name: self.groups[name].step.matrix)
            group.followers, group.consumers, group.stands_in_for = [], [], []
        for group in self.groups.values():
            group.stand_in = self.groups.get(group.step.on_failure.stand_in)
            if group.stand_in is not None:
                group.stand_in.stands_in_for.append(group)
            for link in group.links:
                self.groups[link.upstream].followers.append((link, group))
            for need in group.step.needs:
                if need.mode not in (NeedMode.SAME, NeedMode.STARTED):
                    self.groups[need.step].consumers.append(group)
        for group in self.groups.values():
            needed = [self.groups[need.step] for need in group.step.needs]
            group.behind = needed if not group.stands_in_for and _heeds_only_ends(group.step) else []
        self._line_up()

    def bind(self, run: Run, step: str) -> None:
        """Take over a definition in which the files and axes of this step are bound."""
        self.run = run
        self.groups[step].bind(run.step(step))
        self._link()


def _heeds_only_ends(step: Step) -> bool:
    """Whether a step comes to nothing, neither a start nor an end, before a step that it needs has ended."""
    timed = step.openings or step.absent or step.stop_at is not None
    early = any(need.mode in (NeedMode.SAME, NeedMode.STARTED) for need in step.needs)
    return not (timed or early or step.files is not None)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one executor can hold. `keeps_time`: it enforces timeouts itself, by a monotonic clock;
    `keeps_start`: those of starts as well, since it alone knows what it waits for."""

    slots: int
    keeps_time: bool = True
    keeps_start: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What there is to share out: executors by name, and pools (`memory` in bytes, others by count)."""

    executors: Mapping[str, Capacity] = field(default_factory=dict)
    pools: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pipeline whose triggers are heeded. `market` is that of the pipeline, where it has one."""

    pipeline: Pipeline
    market: Market | None = None


@dataclass(slots=True)
class State:
    """All that `decide` looks at."""

    limits: Limits = field(default_factory=Limits)
    runs: dict[str, RunRecord] = field(default_factory=dict)
    requests: dict[str, tuple[Request, str]] = field(default_factory=dict)
    """Pending requests: id -> (request, the run it means)."""
    chores: dict[tuple[str, str, str], Chore] = field(default_factory=dict)
    """Consumed files that are not put away yet, by run, step and path."""
    datasets: dict[str, Dataset] = field(default_factory=dict)
    """The last success of each data set."""
    space_low: bool = False
    epoch: int = 0
    schedules: Mapping[str, Schedule] | None = None
    """The pipelines that open runs by themselves; None for an engine that only carries out requests."""
    positions: dict[tuple[str, str], str] = field(default_factory=dict)
    """How far each trigger (pipeline, trigger) has been dealt with: an instant, or the label of a session."""
    arrived: dict[tuple[str, str], tuple[InputFile, ...]] = field(default_factory=dict)
    """Settled files that have opened no run yet, by the trigger (pipeline, trigger) that waits for them."""
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    """The newest signal of the writer of those files, by trigger."""
    fired: dict[str, Fire] = field(default_factory=dict)
    """Occasions that have come, by the run that is to be opened for each."""
    ended: dict[str, dict[str, RunState]] = field(default_factory=dict)
    """How the latest runs ended, by pipeline and label: for triggers that wait for them."""

    alerts: dict[int, Alert] = field(default_factory=dict)
    """Alerts that escalate unless somebody sees to them, of ended runs as well."""
    next_alert: int = 1

    def rivals(self, name: str) -> list[str]:
        """Runs of a pipeline that are under way, or about to be opened."""
        under_way = [
            record.id
            for record in self.runs.values()
            if record.run.pipeline.name == name
            and record.outcome is None
            and (record.live or not record.paused)
        ]
        return under_way + [fire.run for fire in self.fired.values() if fire.pipeline == name]

    @property
    def takes_files(self) -> bool:
        """Whether some run has a step that takes in files."""
        return any(record.takes_files for record in self.runs.values())

    def live(self, task: TaskKey, attempt: int) -> Live | None:
        """The live attempt of that number, or None: then a report about it is stale."""
        record = self.runs.get(task.run)
        group = record.groups.get(task.step) if record else None
        live = group.live.get(task.cell) if group else None
        return live if live is not None and live.attempt == attempt else None
