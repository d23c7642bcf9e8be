"""The journal in the words of a pipeline's event log: `stage`, `event`, `msg`, `data`.

A line follows from one journal entry and the definition of its run, and from nothing else: it is the same
whoever writes it, and whenever. Entries that say nothing to a reader (`Start` before its `Started`, the
accepted answers) have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from openbell.core.events import (
    Acknowledge,
    Amend,
    Answer,
    Bounced,
    Cancel,
    CloseRun,
    Delivered,
    Event,
    Exit,
    Exited,
    FallBack,
    Fire,
    Force,
    Led,
    Lost,
    Mark,
    Miss,
    Notify,
    OpenRun,
    Overdue,
    Pause,
    Prune,
    Reached,
    Refused,
    Reopen,
    Reported,
    Requested,
    Resume,
    Skip,
    SpaceChanged,
    Stall,
    Started,
    Stop,
    Unplanned,
    Unreachable,
)
from openbell.core.inputs import Bind, Clear, Cleared, Fail, FilesSeen
from openbell.core.intake import bound_run, inputs, near
from openbell.core.model import Forced, Run, TaskKey
from openbell.core.render import task_label, task_path
from openbell.core.requests import (
    AckAlert,
    CancelTasks,
    HaltRun,
    MarkTasks,
    PauseRun,
    PruneRuns,
    Request,
    ResumeRun,
    RetryTasks,
    Submit,
)
from openbell.core.retry import failure
from openbell.core.states import RunState, TaskState
from openbell.core.words import plural

Kind = Literal["start", "success", "failure", "log", "metric"]
KINDS: tuple[Kind, ...] = ("start", "success", "failure", "log", "metric")
"""Every value of `event`."""

WHOLE = "pipeline"
"""The stage of what is about the run as a whole."""

ENGINE = "engine"
"""The stage of what is about no run."""


class Told(NamedTuple):
    """What an entry comes to. `stage`: a step, or `pipeline`; `task` and `attempt` where it is about one."""

    stage: str
    kind: Kind
    message: str
    data: Mapping[str, Any] = {}
    task: TaskKey | None = None
    attempt: int | None = None


class Teller:
    """Tells the entries of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._zone = ZoneInfo(run.pipeline.tz)
        self._uid = run.uid

    def line(self, seq: int, event: Event) -> dict[str, Any] | None:
        """The line of this entry; None for one that says nothing to a reader."""
        if isinstance(event, Bind):
            self.run = bound_run(self.run, event)
        told = _tell(event, self.run)
        return self.about(seq, event.at, told) if told is not None else None

    def about(self, seq: int, at: datetime, told: Told) -> dict[str, Any]:
        """What is told, with everything that identifies it."""
        pipeline = self.run.pipeline
        return {
            "run_id": self.run.id,
            "stage": told.stage,
            "event": told.kind,
            "timestamp": at.astimezone(self._zone).isoformat(),
            "msg": told.message,
            "data": dict(told.data),
            "seq": seq,
            "uid": self._uid,
            "market": pipeline.market,
            "session": pipeline.sessions.get("session"),
            "task": task_path(pipeline, told.task) if told.task is not None else None,
            "attempt": told.attempt,
        }


def run_of(event: Event) -> str | None:
    """The run that an event is about; None for one that is about no run that is there."""
    if isinstance(event, OpenRun):
        return event.run.id
    task: TaskKey | None = getattr(event, "task", None)
    run: str | None = task.run if task is not None else getattr(event, "run", None)
    return run or None


def project_line(seq: int, event: Event) -> dict[str, Any] | None:
    """The line of an entry that is about no run that is there: leaders, the disk, occasions."""
    told = _of_project(event)
    if told is None:
        return None
    line: dict[str, Any] = dict.fromkeys(("run_id", "uid", "market", "session", "task", "attempt"))
    return line | {
        "stage": told.stage,
        "event": told.kind,
        "timestamp": event.at.isoformat(),
        "msg": told.message,
        "data": dict(told.data),
        "seq": seq,
    }


def _of_project(event: Event) -> Told | None:
    match event:
        case Led(holder=holder, epoch=epoch):
            return Told(ENGINE, "log", f"{holder} leads", {"epoch": epoch})
        case SpaceChanged(free=free, low=low):
            message = (
                "The disk is nearly full: nothing more starts" if low else "There is room on the disk again"
            )
            return Told(ENGINE, "log", message, {"free": free})
        case Fire(trigger=trigger):
            return Told(
                ENGINE, "log", f"The time of {event.run} has come: {trigger}", {"pipeline": event.pipeline}
            )
        case Miss(pipeline=pipeline, count=count, reason=reason):
            keys = event.first if event.first == event.last else f"{event.first} to {event.last}"
            data = {"pipeline": pipeline, "count": count, "reason": reason, "trigger": event.trigger}
            return Told(ENGINE, "failure", f"Missed: {pipeline}/{keys}: {reason}", data)
        case Delivered(run=run, letter=letter, channel=channel, tries=tries):
            return Told(ENGINE, "log", f"Told {channel} of {run}", {"letter": letter, "tries": tries})
        case Bounced(run=run, letter=letter, channel=channel, tries=tries, error=error):
            given_up = "; it is given up" if event.final else ""
            data = {"letter": letter, "tries": tries, "error": error, "given_up": event.final}
            return Told(ENGINE, "failure", f"Could not tell {channel} of {run}: {error}{given_up}", data)
        case Prune(runs=runs, parts=parts, actor=actor):
            told = f"Let go of {plural(len(runs), 'run')} ({', '.join(parts)}) for {actor}"
            told += f": {event.reason}" if event.reason else ""
            gone = {"runs": list(runs), "parts": list(parts), "actor": actor, "reason": event.reason}
            return Told(ENGINE, "log", told, gone)
        case Unplanned(pipeline=pipeline, key=key, reason=reason):
            data = {"pipeline": pipeline, "reason": reason}
            return Told(ENGINE, "failure", f"Cannot be opened: {pipeline}/{key}: {reason}", data)
        case _:
            return None


def _tell(event: Event, run: Run) -> Told | None:
    match event:
        case Started() | Exited() | Refused() | Lost() | Stop() | Unreachable() | Reached() | Reported():
            return _of_attempt(event, run)
        case Stall(seconds=seconds, task=task, attempt=attempt):
            message = f"No task has ended for {seconds:.0f} s; the oldest is {task_label(run.pipeline, task)}"
            return Told(WHOLE, "log", message, {"stalled_seconds": seconds}, task, attempt)
        case Skip() | Fail() | Cancel() | Reopen() | Mark():
            return _of_step(event, run)
        case Bind() | FilesSeen() | Clear() | Cleared():
            return _of_inputs(event, run)
        case FallBack(step=step, source=source):
            message = f"{step} has failed: its results of {source} stand for it"
            return Told(step, "log", message, {"source": source})
        case Notify() | Overdue() | Acknowledge():
            return _of_alert(event)
        case Requested(request=request):
            return _of_request(request, event.at, run)
        case Answer(accepted=False, message=message):
            return Told(WHOLE, "log", f"Refused: {message}", {"accepted": False})
        case _:
            return _of_run(event)


def _of_run(event: Event) -> Told | None:
    match event:
        case OpenRun(run=run):
            data = {"tasks": run.pipeline.size, "digest": run.digest, "origin": run.origin}
            data |= {"mode": mode} if (mode := run.pipeline.choice.mode) else {}
            return Told(WHOLE, "start", "Pipeline run started", data)
        case CloseRun(outcome=outcome):
            kind: Kind = "success" if outcome is RunState.SUCCEEDED else "failure"
            message = "Pipeline complete" if kind == "success" else f"Pipeline ended: {outcome.value}"
            return Told(WHOLE, kind, message, {"state": outcome.value})
        case Force(forced=None):
            return Told(WHOLE, "log", "Its conditions count again")
        case Force(forced=Forced(by=by, reason=reason) as forced):
            return Told(WHOLE, "log", f"Forced {forced}", {"actor": by, "reason": reason})
        case Pause(reason=reason):
            return Told(WHOLE, "log", f"Paused: {reason}", {"reason": reason})
        case Resume():
            return Told(WHOLE, "log", "Resumed")
        case Amend():
            return Told(WHOLE, "log", "Goes on under another definition of the same plan")
        case _:
            return None


def _of_inputs(event: Bind | FilesSeen | Clear | Cleared, run: Run) -> Told | None:
    match event:
        case Bind(files=files, values=values):
            told = [f"{len(found)} {axis}" for axis, found in values.items()]
            told += [f"{len(inputs(files))} files"] if files is not None and not values else []
            paths = [near(run, file.path) for file in inputs(files)]
            return Told(event.step, "log", f"Takes {', '.join(told)}", {"files": paths})
        case FilesSeen(told=None):
            return None
        case FilesSeen(told=signal) if signal is not None:
            text = f"{signal.phase}: {signal.text}" if signal.text else signal.phase
            data = {"phase": signal.phase, "unsettled": event.unsettled}
            return Told(event.step, "metric", f"Its writer told {text}", data)
        case Cleared(error=error, note=note):
            path = near(run, event.path)
            message = f"Could not be put away: {path}: {error}" if error else f"Put away: {path}: {note}"
            return Told(event.step, "log", message, {"file": path, "note": note, "error": error})
        case _:
            return None


def _of_alert(event: Notify | Overdue | Acknowledge) -> Told:
    match event:
        case Notify(alert=alert, level=level, channels=channels):
            data = {"alert": alert, "topic": event.topic.value, "severity": event.severity.value}
            word = "Escalated" if level else "Alert"
            to = f" (to {', '.join(channels)})" if channels else ""
            message = f"{word} {alert}, {event.severity.value}: {event.text}{to}"
            return Told(event.step or WHOLE, "log", message, {**data, "channels": list(channels)})
        case Overdue(deadline=deadline):
            return Told(WHOLE, "log", "Overdue: it has not ended in time", {"deadline": deadline.isoformat()})
        case Acknowledge(alert=alert, actor=actor, reason=reason):
            message = f"Alert {alert} is seen to by {actor or 'a user'}" + (f": {reason}" if reason else "")
            return Told(WHOLE, "log", message, {"alert": alert, "actor": actor, "reason": reason})


def _of_step(event: Skip | Fail | Cancel | Reopen | Mark, run: Run) -> Told:
    cell = None if isinstance(event, Fail) else event.cell
    task = TaskKey(event.run, event.step, cell) if cell is not None else None
    what = task_label(run.pipeline, task) if task is not None else event.step
    data: dict[str, Any] = {"reason": event.reason}
    match event:
        case Skip(count=count):
            word, state = "Skipped", "skipped"
            if count > 1:
                what, data = f"{what} and {count - 1:,} more", {**data, "tasks": count}
        case Fail():
            word, state = "Failed without a try", "failed"
        case Cancel():
            word, state = "Cancelled before it began", "cancelled"
        case Reopen():
            word, state = "Opened again", "waiting"
        case Mark(actor=actor, to=to):
            state = to.name.lower()
            word, data = f"Marked {state} by {actor}", {**data, "actor": actor}
    kind: Kind = "failure" if isinstance(event, Fail) else "log"
    return Told(event.step, kind, f"{word}: {what}: {event.reason}", {**data, "state": state}, task)


def _of_request(request: Request, at: datetime, run: Run) -> Told | None:
    """Who asked what. The request that opens the run has no line: the run's own says who asked."""
    match request:
        case Submit(origin=origin):
            message, actor = f"Asked to go on by {origin}", origin
            if at <= run.opened_at:
                return None
        case RetryTasks():
            message, actor = f"Retry ({request.only.value}) asked by {_who(request)}", request.actor
        case MarkTasks(outcome=outcome):
            what = f"Mark as {outcome.name.lower()}"
            message, actor = f"{what} asked by {_who(request)}: {request.reason}", request.actor
        case CancelTasks():
            message, actor = f"Cancellation asked by {_who(request)}", request.actor
        case PauseRun():
            message, actor = f"Pause asked by {_who(request)}: {request.reason}", request.actor
        case ResumeRun():
            message, actor = f"Resumption asked by {_who(request)}", request.actor
        case AckAlert(alert=alert):
            message, actor = f"Acknowledgement of alert {alert} by {_who(request)}", request.actor
        case PruneRuns():
            return None
        case HaltRun():
            message, actor = f"Halt asked by {_who(request)}: {request.reason}", request.actor
    return Told(WHOLE, "log", message, {"request": type(request).__name__, "actor": actor})


def _who(request: RetryTasks | MarkTasks | CancelTasks | PauseRun | ResumeRun | HaltRun | AckAlert) -> str:
    return request.actor or "a user"


_AttemptEvent = Started | Exited | Refused | Lost | Stop | Unreachable | Reached | Reported


def _of_attempt(event: _AttemptEvent, run: Run) -> Told:
    task, attempt = event.task, event.attempt
    name = task_label(run.pipeline, task)
    kind: Kind = "log"
    data: Mapping[str, Any] = {}
    match event:
        case Started(handle=handle):
            again = f", attempt {attempt}" if attempt > 1 else ""
            kind, message, data = "start", f"Started: {name}{again}", {"handle": handle}
        case Exited() | Refused() | Lost():
            kind, message, data = _ended(event, name)
        case Stop(reason=reason):
            message, data = f"Stopping {name}: {reason.value}", {"reason": reason.value}
        case Unreachable(reason=reason):
            message, data = f"Out of reach: {name}: {reason}", {"reason": reason}
        case Reached():
            message = f"Within reach again: {name}"
        case Reported(topic=topic, data=data):
            kind = "log" if topic == "log" else "metric"
            message = event.message or f"{topic} of {name}"
    return Told(task.step, kind, message, data, task, attempt)


def _ended(event: Exited | Refused | Lost, name: str) -> tuple[Kind, str, Mapping[str, Any]]:
    wrong = failure(event)
    data = _outcome(event)
    if wrong is None:
        return "success", f"Succeeded: {name}", data
    error = event.exit.error if isinstance(event, Exited) else event.reason
    data |= {"kind": wrong.value, "error": error}
    match event.became:
        case TaskState.WAITING:
            return "log", f"Will be tried again: {name}: {error}", data
        case TaskState.CANCELLED:
            return "failure", f"Cancelled: {name}", data
        case _:
            return "failure", f"Failed: {name}: {error}", data


def _outcome(event: Exited | Refused | Lost) -> dict[str, Any]:
    """What is known of how an attempt ended; what says nothing is left out."""
    data: dict[str, Any] = {"state": event.became.name.lower()} if event.became is not None else {}
    if isinstance(event, Exited):
        data |= _measures(event.exit)
        if event.result:
            data["result"] = dict(event.result)
    return data


_MEASURES = {
    "code": "exit_code",
    "signal": "signal",
    "elapsed": "elapsed_seconds",
    "cpu": "cpu_seconds",
    "peak_rss": "peak_rss",
    "cached": "cached",
    "log_bytes": "output_bytes",
    "log_dropped": "output_dropped",
}


def _measures(end: Exit) -> dict[str, Any]:
    found = {to: getattr(end, name) for name, to in _MEASURES.items()}
    told = {to: round(v, 6) if isinstance(v, float) else v for to, v in found.items() if v not in (None, "")}
    return told | ({"stopped": end.stopped.value} if end.stopped else {})
