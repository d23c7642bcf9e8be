"""Small pipelines and states for tests: everything is made by real events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openbell.core.decide import decide
from openbell.core.events import Event, Exit, Exited, OpenRun, Started
from openbell.core.evolve import evolve
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Command, Pipeline, Run, Step, TaskKey
from openbell.core.state import Capacity, Limits, RunRecord, State

NOW = datetime(2024, 7, 2, 14, 0, tzinfo=UTC)
RUN = "p/1"


def later(seconds: float) -> datetime:
    """So many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def step(name: str = "a", cells: int = 1, **keys: Any) -> Step:
    """A step that runs `true`, with so many cells."""
    matrix = Matrix((Axis("i", tuple(range(cells))),)) if cells != 1 else Matrix()
    return Step(name, Command(("true",)), **{"matrix": matrix, **keys})


def pipeline(*steps: Step, **keys: Any) -> Pipeline:
    return Pipeline("p", steps or (step(),), **keys)


class World:
    """A state that events are applied to; `act` applies what decide() orders until it orders nothing."""

    def __init__(
        self, *steps: Step, slots: int = 4, keeps_time: bool = True, keeps_start: bool = False, **keys: Any
    ) -> None:
        pools = keys.pop("pools", {})
        self.state = State(Limits({"process": Capacity(slots, keeps_time, keeps_start)}, pools))
        self.journal: list[Event] = []
        self.apply(OpenRun(NOW, Run(RUN, pipeline(*steps, **keys), "digest", NOW)))

    @property
    def record(self) -> RunRecord:
        return self.state.runs[RUN]

    def apply(self, *events: Event) -> None:
        for event in events:
            evolve(self.state, event)
            self.journal.append(event)

    def act(self, now: datetime = NOW) -> list[Event]:
        """Everything that decide() orders from here, applied. At most a hundred rounds."""
        done: list[Event] = []
        for _ in range(100):
            actions = decide(self.state, now).actions
            if not actions:
                return done
            self.apply(*actions)
            done += actions
        raise AssertionError("decide() never comes to rest")

    def live(self) -> list[tuple[TaskKey, int]]:
        """Tasks that hold a slot, with their attempt."""
        return [
            (TaskKey(record.id, name, cell), attempt.attempt)
            for record in self.state.runs.values()
            for name, group in record.groups.items()
            for cell, attempt in group.live.items()
        ]

    def end(
        self, code: int = 0, at: datetime = NOW, only: Sequence[TaskKey] | None = None, **keys: Any
    ) -> None:
        """Let everything that lives (or only these tasks) start and end with this code."""
        for task, attempt in self.live():
            if only is None or task in only:
                self.apply(Started(at, task, attempt, "1"), Exited(at, task, attempt, Exit(code, **keys)))

    def states(self, name: str = "a") -> str:
        """The states of a step's cells by their first letters, X for cancelled."""
        group = self.record.groups[name]
        letters = {"CANCELLED": "X", "STOPPING": "P", "STARTING": "s", "SKIPPED": "K"}
        found = (group.state(cell).name for cell in range(group.size))
        return "".join(letters.get(state, state[0]) for state in found)
