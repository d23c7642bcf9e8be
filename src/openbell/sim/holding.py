"""The laws of steps that hold their time: up again after a crash, down at the end, and succeeded by that."""

from __future__ import annotations

from datetime import timedelta

from openbell.core.events import Event, Exited, Lost, Refused
from openbell.core.model import Step
from openbell.core.state import State
from openbell.core.states import StopReason, TaskState
from openbell.sim.world import Broken, Process


def keeps_up(event: Event, after: State) -> None:
    """A crash is followed by another try, unless that would come after the end; and by none after it."""
    if not isinstance(event, Exited | Lost | Refused):
        return
    group = after.runs[event.task.run].groups[event.task.step]
    step, cell = group.step, event.task.cell
    if step.ends is None or cell in group.live:
        return
    longest = step.retry.max_delay * (1 + step.retry.jitter)
    given_up = group.state(cell) is TaskState.FAILED and group.kinds[cell] in step.retry.on
    if given_up and event.at + longest < step.ends:
        raise Broken(f"{event.task} was given up, and its time is not over")
    due = group.due.get(cell)
    if due is not None and due >= step.ends + timedelta(seconds=60) and not isinstance(event, Refused):
        raise Broken(f"{event.task} is to be tried again after its end")


def ended_as_planned(step: Step, last: Process | None) -> bool:
    """Whether its last attempt was stopped because its time was over."""
    ending = last.exit if last is not None and not last.lost else None
    return step.hold and ending is not None and ending.stopped is StopReason.END
