"""Runs that have happened, made by real events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from openbell.core.events import CloseRun, Exit, Exited, OpenRun, Refused, Start, Started
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import AttemptKey, Command, Pipeline, Retry, Run, Step, TaskKey
from openbell.core.state import RunRecord, State
from openbell.core.summary import outcome
from openbell.report.build import build
from openbell.store.records import AttemptInfo, RunInfo

NOW = datetime(2024, 7, 2, 14, 0, tzinfo=UTC)
RUN = "demo/1"

DATES = Axis("date", ("2024-07-01", "2024-07-02", "2024-07-03"), "date")
PARTS = Axis("part", (0, 1), "partition")
LOOKBACK = Axis("lookback", (20, 5))


def sweep(*axes: Axis, name: str = "backtest", **keys: Any) -> Step:
    return Step(name, Command(("true",)), matrix=Matrix(axes, keys.pop("pick", None)), **keys)


@dataclass
class Past:
    """A run of these steps; tell it what its tasks came to, then look at it."""

    steps: tuple[Step, ...]
    title: str = ""
    state: State = field(default_factory=State)
    attempts: dict[TaskKey, AttemptInfo] = field(default_factory=dict)
    clock: datetime = NOW

    def __post_init__(self) -> None:
        pipeline = Pipeline("demo", self.steps, title=self.title, source="demo.yaml")
        evolve(self.state, OpenRun(NOW, Run(RUN, pipeline, "a-digest", NOW, "somebody@here")))

    @property
    def record(self) -> RunRecord:
        return self.state.runs[RUN]

    @property
    def info(self) -> RunInfo:
        record, run = self.record, self.record.run
        closed = self.clock if record.outcome else None
        shown = run.pipeline.shown
        return RunInfo(RUN, "demo", shown, run.digest, record.state, "", NOW, closed, record.size, run.origin)

    def at(self, coordinates: Mapping[str, Any], step: str = "backtest") -> TaskKey:
        return TaskKey(RUN, step, self.record.groups[step].step.matrix.cell(coordinates))

    def begin(self, task: TaskKey) -> int:
        """Start the next attempt of the task."""
        self.clock += timedelta(seconds=1)
        attempt = self.record.groups[task.step].tries[task.cell] + 1
        evolve(self.state, Start(self.clock, task, attempt))
        evolve(self.state, Started(self.clock, task, attempt, "1"))
        self._remember(task, attempt)
        return attempt

    def end(self, task: TaskKey, result: Mapping[str, Any] | None = None, **how: Any) -> None:
        """One attempt of the task from its start to its end; `how`: fields of `Exit`."""
        attempt = self.begin(task)
        end = Exit(**{"code": 0, "elapsed": 0.25, "peak_rss": 17_000_000, "cpu": 0.2, **how})
        evolve(self.state, Exited(self.clock, task, attempt, end, result or {}))
        self._remember(task, attempt, exit=end, error=end.error, result=result or {})

    def refuse(self, task: TaskKey, reason: str) -> None:
        attempt = self.begin(task)
        evolve(self.state, Refused(self.clock, task, attempt, reason))
        self._remember(task, attempt, error=reason)

    def close(self) -> None:
        evolve(self.state, CloseRun(self.clock, RUN, outcome(self.record)))

    def page(self, source: str = "name: demo") -> str:
        return build(self.info, self.record, list(self.attempts.values()), source)

    def _remember(self, task: TaskKey, attempt: int, **known: Any) -> None:
        values: dict[str, Any] = {"error": "", "exit": None, **known}
        self.attempts[task] = AttemptInfo(
            key=AttemptKey(*task, attempt),
            decided_at=self.clock,
            started_at=self.clock,
            ended_at=self.clock if known else None,
            handle="1",
            stop=None,
            kind=None,
            **values,
        )


def two_tries(*axes: Axis) -> Past:
    return Past((sweep(*axes, retry=Retry(attempts=2)),))
