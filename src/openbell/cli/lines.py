"""A run as plain lines: one a change, for logs and pipes. And as JSON, one event a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from openbell.cli.words import moment, plural, seconds, task_label
from openbell.core.events import (
    Answer,
    CloseRun,
    Event,
    Exited,
    Lost,
    OpenRun,
    Pause,
    Refused,
    Reported,
    SpaceChanged,
    Stall,
    Started,
)
from openbell.core.model import TaskKey
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.engine.leader import Holder
from openbell.store.codec import encode_event, event_kind


@dataclass(frozen=True, slots=True)
class Wording:
    """What the lines say. The old entry points have their own."""

    created: str = "Created {n}/{total}: {task}"
    again: str = "Trying again (attempt {attempt}): {task}"
    succeeded: str = "Succeeded {n}/{total}: {task} ({took})"
    failed: str = "Failed: {task}: {error}"
    draining: str = "Draining: {live} running. Again to end them. Resume: the same command"


class Lines:
    """Prints one line per change on stderr."""

    def __init__(self, wording: Wording = Wording(), *, verbose: bool = False) -> None:
        self._wording = wording
        self._verbose = verbose
        self._run = ""
        self._created = 0
        self._last: dict[TaskState, int] = {}

    def opened(self, record: RunRecord, answer: Answer) -> None:
        self._run = record.id
        waiting = record.count(TaskState.WAITING)
        self._created = sum(1 for group in record.groups.values() for tries in group.tries if tries)
        kind = answer.message.partition(":")[0]
        tasks = plural(record.size, "task")
        self._say(f"{record.run.pipeline.shown}: run {record.id} {kind}: {tasks}, {waiting:,} waiting")

    def follows(self, leader: Holder) -> None:
        self._say(f"Handed over to {leader}; following. Ctrl-C leaves it to itself")

    def signalled(self, record: RunRecord, count: int) -> None:
        live = record.live
        texts = {
            1: self._wording.draining.format(live=live),
            2: f"Ending {plural(live, 'task')}. Again to kill",
            3: f"Killing {plural(live, 'task')}",
        }
        self._say(texts[min(count, 3)], "WARNING")

    def look(self, record: RunRecord) -> None:
        """What has changed since the last look."""
        counts = {state: record.count(state) for state in TaskState}
        if counts != self._last:
            self._last = counts
            told = ", ".join(f"{count} {state.name.lower()}" for state, count in counts.items() if count)
            self._say(f"{record.id}: {told}")

    def see(self, events: Sequence[Event], state: State) -> None:
        for event in events:
            task = getattr(event, "task", None)
            run = task.run if task else getattr(event, "run", None)
            if run == self._run or isinstance(event, SpaceChanged):
                self._tell(event, state)

    def _tell(self, event: Event, state: State) -> None:
        record = state.runs.get(self._run)
        match event:
            case Started() if record:
                self._created += event.attempt == 1
                said = self._wording.created if event.attempt == 1 else self._wording.again
                self._say(self._filled(said, record, event.task, handle=event.handle, attempt=event.attempt))
            case Exited() | Lost() | Refused() if record:
                self._ended(event, record)
            case Stall() if record:
                name = task_label(record.run.pipeline, event.task)
                self._say(f"No task has ended for {seconds(event.seconds)}; the oldest is {name}", "WARNING")
            case Pause(reason=reason):
                self._say(f"Paused: {reason}", "WARNING")
            case Reported() if record and self._verbose:
                said = event.message or json.dumps(dict(event.data))
                self._say(f"{task_label(record.run.pipeline, event.task)}: {said}", "DEBUG")
            case CloseRun(outcome=outcome):
                self._say(f"Run {event.run} has ended: {outcome.value}")
            case SpaceChanged(low=True):
                self._say("The disk is nearly full: nothing more starts", "ERROR")
            case SpaceChanged():
                self._say("There is room on the disk again")

    def _ended(self, event: Exited | Lost | Refused, record: RunRecord) -> None:
        group = record.groups[event.task.step]
        name = task_label(record.run.pipeline, event.task)
        reason = event.exit.error if isinstance(event, Exited) else event.reason
        match group.state(event.task.cell):
            case TaskState.SUCCEEDED if isinstance(event, Exited):
                took = seconds(event.exit.elapsed)
                done = record.count(TaskState.SUCCEEDED)
                self._say(self._filled(self._wording.succeeded, record, event.task, n=done, took=took))
                if left := event.exit.stragglers:
                    behind = plural(left, "process", "processes")
                    self._say(f"{name} left {behind} behind, which were ended", "WARNING")
            case TaskState.FAILED:
                self._say(self._wording.failed.format(task=name, error=reason), "ERROR")
            case TaskState.CANCELLED:
                self._say(f"Cancelled: {name}", "WARNING")
            case _:
                due = group.due.get(event.task.cell)
                when = f" at {moment(due)}" if due else ""
                self._say(f"Will be tried again{when}: {name}: {reason}", "WARNING")

    def _filled(self, template: str, record: RunRecord, task: TaskKey, **values: Any) -> str:
        known = {"n": self._created, "total": record.size, "task": task_label(record.run.pipeline, task)}
        return template.format(**(known | values))

    def _say(self, text: str, level: str = "INFO") -> None:
        click.echo(f"[{_now()}] {level}: {text}", err=True)


def _now() -> str:
    from openbell.clock import SystemClock

    return moment(SystemClock().now())


class JsonLines:
    """Prints every event of the run as one JSON object a line, on stdout."""

    def __init__(self) -> None:
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
            told["state"] = record.groups[task.step].state(task.cell).name.lower()
        return {**told, **json.loads(encode_event(event) or "{}")}

    def _print(self, data: dict[str, Any]) -> None:
        click.echo(json.dumps(data, ensure_ascii=False))
