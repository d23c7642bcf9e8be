"""A run as plain lines, one a change: for logs and pipes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from openbell.cli.words import condition, moment, seconds
from openbell.clock import SystemClock
from openbell.core.events import (
    Answer,
    Cancel,
    CloseRun,
    Event,
    Exited,
    FallBack,
    Force,
    Lost,
    Mark,
    Notify,
    Pause,
    Reached,
    Refused,
    Reopen,
    Reported,
    Resume,
    Skip,
    SpaceChanged,
    Stall,
    Start,
    Started,
    Stop,
    Unreachable,
)
from openbell.core.explain import bottlenecks
from openbell.core.inputs import Bind, Cleared, Fail
from openbell.core.intake import inputs
from openbell.core.model import AttemptKey, Run, TaskKey
from openbell.core.render import again, task_label
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.core.words import plural
from openbell.engine.leader import Holder
from openbell.executors.process.vitals import Vitals

Look = Callable[[AttemptKey], Vitals]
"""How a view finds out how an attempt is doing."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What the lines say. The old entry points have their own."""

    created: str = "Created {n}/{total}: {task}"
    again: str = "Trying again (attempt {attempt}): {task}"
    succeeded: str = "Succeeded {n}/{total}: {task} ({took})"
    failed: str = "Failed: {task}: {error}"
    draining: str = "Draining: {live} running. Again to end them. Resume: {again}"


class Lines:
    """Prints one line per change on stderr."""

    def __init__(self, vitals: Look, wording: Wording = Wording(), *, verbose: bool = False) -> None:
        self._vitals = vitals
        self._wording = wording
        self._verbose = verbose
        self._run = ""
        self._created = self._done = self._total = 0
        self._defined: Run | None = None
        self._out: set[TaskKey] = set()
        """Tasks that are out of reach."""
        self._last: dict[TaskState, int] = {}
        self._held: dict[str, str] = {}
        self._clock = SystemClock()
        self._batch: list[str] | None = None
        """Lines of the events that have become durable together: they are printed together."""

    def opened(self, record: RunRecord, answer: Answer) -> None:
        if not answer.accepted:
            return  # whoever asked is told why
        if self._run == record.id:
            self._say("Its engine has left: this one goes on with it")
            return
        self._run = record.id
        waiting = record.count(TaskState.WAITING)
        self._done = record.count(TaskState.SUCCEEDED)
        self._created = sum(1 for group in record.groups.values() for tries in group.tries if tries)
        kind = answer.message.partition(":")[0]
        tasks = plural(record.size, "task")
        self._say(f"{record.run.pipeline.shown}: run {record.id} {kind}: {tasks}, {waiting:,} waiting")

    def follows(self, leader: Holder) -> None:
        self._say(f"Handed over to {leader}; following. Ctrl-C leaves it to itself")

    def signalled(self, record: RunRecord, count: int) -> None:
        live = record.live
        texts = {
            1: self._wording.draining.format(live=live, again=again(record.run.pipeline)),
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

    def close(self) -> None:
        """Lines need no end."""

    def see(self, events: Sequence[Event], state: State) -> None:
        self._batch = []
        for event in events:
            task = getattr(event, "task", None)
            run = task.run if task else getattr(event, "run", None)
            if run == self._run or isinstance(event, SpaceChanged):
                self._tell(event, state)
        if self._verbose and (record := state.runs.get(self._run)):
            self._hold(record, state)
        lines, self._batch = self._batch, None
        if lines:
            click.echo("\n".join(lines), err=True)

    def _about_inputs(self, event: Bind | Fail | Cleared) -> None:
        match event:
            case Bind(files=files) if files is not None:
                self._say(f"{event.step} takes {plural(len(inputs(files)), 'file')}")
            case Fail(reason=reason):
                self._say(f"Failed without a try, all of {event.step}: {reason}", "ERROR")
            case Cleared(error=error) if error:
                self._say(f"Could not be put away: {event.path}: {error}", "WARNING")

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
                self._say(stalled(event, record, self._vitals), "WARNING")
            case Force(forced=forced):
                self._say(f"Forced {forced}" if forced else "Its conditions count again", "WARNING")
            case Pause(reason=reason):
                self._say(f"Paused: {reason}", "WARNING")
            case Skip(step=step, cell=None, reason=reason):
                self._say(f"Skipped, all of {step}: {reason}", "WARNING")
            case Skip(cell=int(cell)) if record:
                name = task_label(record.run.pipeline, TaskKey(event.run, event.step, cell))
                more = f" and {event.count - 1:,} more" if event.count > 1 else ""
                self._say(f"Skipped: {name}{more}: {event.reason}", "WARNING")
            case FallBack(step=step, source=source):
                self._say(f"{step} has failed: its results of {source} stand for it", "WARNING")
            case Reopen(step=step, reason=reason, states=states) if record and TaskState.SUCCEEDED in states:
                self._done = record.count(TaskState.SUCCEEDED)
                self._say(f"Opened again, of {step}: {reason}")
            case Cancel(step=step, cell=None, reason=reason):
                self._say(f"Cancelled, all of {step} that waits: {reason}", "WARNING")
            case Mark() if record:
                task = TaskKey(event.run, event.step, event.cell) if event.cell is not None else None
                name = task_label(record.run.pipeline, task) if task else f"all of {event.step} that was open"
                self._say(f"Marked {event.to.name.lower()} by {event.actor}: {name}: {event.reason}")
            case Notify():
                to = f" (to {', '.join(event.channels)})" if event.channels else ""
                self._say(f"Alert {event.alert}, {event.severity.value}: {event.text}{to}", "WARNING")
            case Bind() | Fail() | Cleared():
                self._about_inputs(event)
            case Unreachable() | Reached() if record:
                self._reach(event, record)
            case CloseRun(outcome=outcome):
                self._say(f"Run {event.run} has ended: {outcome.value}")
            case SpaceChanged(low=True):
                self._say("The disk is nearly full: nothing more starts", "ERROR")
            case SpaceChanged():
                self._say("There is room on the disk again")
            case _ if record and self._verbose:
                self._explain(event, record)

    def _reach(self, event: Unreachable | Reached, record: RunRecord) -> None:
        """The first that is out of reach is told, and the last that is back; `--verbose` tells all."""
        name, before = task_label(record.run.pipeline, event.task), len(self._out)
        if isinstance(event, Unreachable):
            self._out.add(event.task)
            text, told = f"Out of reach, and so it keeps its slot: {name}: {event.reason}", not before
        else:
            self._out.discard(event.task)
            text, told = f"Within reach again: {name}", bool(before) and not self._out
        if told or self._verbose:
            self._say(text, "WARNING" if told else "DEBUG")

    def _explain(self, event: Event, record: RunRecord) -> None:
        """What only `--verbose` tells: each decision, and what the workers say."""
        task: TaskKey | None = getattr(event, "task", None)
        name = task_label(record.run.pipeline, task) if task else ""
        match event:
            case Start(attempt=attempt):
                self._say(f"Starting {name}, attempt {attempt}", "DEBUG")
            case Stop(reason=reason):
                self._say(f"Stopping {name}: {reason.value}", "DEBUG")
            case Reopen(step=step, reason=reason):
                self._say(f"Reopened in {step}: {reason}", "DEBUG")
            case Resume():
                self._say("Resumed", "DEBUG")
            case Reported():
                self._say(f"{name}: {event.message or json.dumps(dict(event.data))}", "DEBUG")

    def _hold(self, record: RunRecord, state: State) -> None:
        """Say what keeps each step from starting more, when that has changed."""
        for name, blocker in bottlenecks(state, record, self._clock.now()):
            if blocker.gate != self._held.get(name):
                self._held[name] = blocker.gate
                self._say(f"{name} waits: {blocker.text}", "DEBUG")

    def _ended(self, event: Exited | Lost | Refused, record: RunRecord) -> None:
        self._out.discard(event.task)
        group = record.groups[event.task.step]
        name = task_label(record.run.pipeline, event.task)
        reason = event.exit.error if isinstance(event, Exited) else event.reason
        match group.state(event.task.cell):
            case TaskState.SUCCEEDED if isinstance(event, Exited):
                kept = event.exit.cached
                took = f"not run: cached, of {kept}" if kept else seconds(event.exit.elapsed)
                self._done += 1
                self._say(self._filled(self._wording.succeeded, record, event.task, n=self._done, took=took))
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
        if self._defined is not record.run:  # it has other tasks as soon as its files and axes are known
            self._defined, self._total = record.run, record.size
        known = {"n": self._created, "total": self._total, "task": task_label(record.run.pipeline, task)}
        return template.format(**(known | values))

    def _say(self, text: str, level: str = "INFO") -> None:
        line = f"[{moment(self._clock.now())}] {level}: {text}"
        if self._batch is None:
            click.echo(line, err=True)
        else:
            self._batch.append(line)


def stalled(stall: Stall, record: RunRecord, look: Look) -> str:
    """The warning: for how long nothing has ended, the oldest task and how it is doing."""
    name = task_label(record.run.pipeline, stall.task)
    how = condition(look(AttemptKey(*stall.task, stall.attempt)))
    return f"No task has ended for {seconds(stall.seconds)}; the oldest is {name} ({how})"
