"""A run as JSON: one event a line, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from openbell.cli.lines import Look
from openbell.core.events import Answer, Event, OpenRun, Stall
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.engine.leader import Holder
from openbell.store.codec import encode_event, event_kind


class JsonLines:
    """Prints every event of the run as one JSON object a line, on stdout."""

    def __init__(self, vitals: Look) -> None:
        self._vitals = vitals
        self._run = ""

    def opened(self, record: RunRecord, answer: Answer) -> None:
        self._run = record.id
        self._print({"event": "Opened", "run": record.id, "tasks": record.size, "message": answer.message})

    def follows(self, leader: Holder) -> None:
        self._print({"event": "Follows", "leader": str(leader)})

    def signalled(self, record: RunRecord, count: int) -> None:
        self._print({"event": "Signalled", "run": record.id, "count": count, "live": record.live})

    def look(self, record: RunRecord) -> None:
        counts = {state.name.lower(): record.count(state) for state in TaskState}
        self._print({"event": "Counts", "run": record.id, **counts})

    def close(self) -> None:
        """Lines need no end."""

    def see(self, events: Sequence[Event], state: State) -> None:
        for event in events:
            task = getattr(event, "task", None)
            run = task.run if task else getattr(event, "run", None)
            if run == self._run and not isinstance(event, OpenRun | Answer):
                self._print(self._about(event, task, state))

    def _about(self, event: Event, task: TaskKey | None, state: State) -> dict[str, Any]:
        told: dict[str, Any] = {"event": event_kind(event), "at": event.at.isoformat(), "run": self._run}
        record = state.runs.get(self._run)
        if task is not None and record is not None:
            told["step"], told["cell"] = task.step, task.cell
            told["coordinates"] = record.run.pipeline.step(task.step).matrix.coordinates(task.cell)
            told["attempt"] = getattr(event, "attempt", None)
            if isinstance(event, Stall):
                told |= asdict(self._vitals(AttemptKey(*event.task, event.attempt)))
            told["state"] = record.groups[task.step].state(task.cell).name.lower()
        return {**told, **json.loads(encode_event(event) or "{}")}

    def _print(self, data: dict[str, Any]) -> None:
        click.echo(json.dumps(data, ensure_ascii=False))
