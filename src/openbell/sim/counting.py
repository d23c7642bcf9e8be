"""The laws of numbers: no task is tried more often than it may be, and none is given up before."""

from __future__ import annotations

from collections import Counter

from openbell.core.events import Event, Mark, Refused, Reopen, Start
from openbell.core.group import MARKED
from openbell.core.model import TaskKey
from openbell.core.state import Group, RunRecord, State
from openbell.core.states import TaskState
from openbell.sim.waiting import tolerated
from openbell.sim.world import Broken


def exhausted(record: RunRecord, spent: Counter[TaskKey], untried: set[TaskKey]) -> None:
    """A task fails for good only when its policy allows no other try."""
    for name, group in record.groups.items():
        policy = group.step.retry
        for cell, kind in group.kinds.items():
            tried = spent[TaskKey(record.id, name, cell)]
            if TaskKey(record.id, name, cell) in untried or group.step.hold:
                continue
            if tried < policy.attempts and kind in policy.on:
                raise Broken(
                    f"{record.id}/{name}/{cell} was given up after {tried} of {policy.attempts} tries"
                )


def count(spent: Counter[TaskKey], forgiven: Counter[str], event: Event, before: State) -> None:
    """Attempts per task and generation, counted from the events alone."""
    match event:
        case Start():
            spent[event.task] += 1
            record = before.runs[event.task.run]
            pipeline = record.run.pipeline
            step = pipeline.step(event.task.step)
            allowed = step.retry.attempts
            if spent[event.task] > allowed and not step.hold:
                raise Broken(f"{event.task}: {spent[event.task]} attempts, {allowed} allowed")
            if record.paused:
                raise Broken(f"{event.task} was started in a paused run")
            failed = failures(record) - forgiven[record.id]
            if pipeline.max_failures and failed >= pipeline.max_failures:
                raise Broken(f"{event.task} was started after {pipeline.max_failures} failures")
        case Refused(counted=False):
            spent[event.task] -= 1
        case Mark():
            group = before.runs[event.run].groups[event.step]
            failing = [c for c in range(group.size) if event.covers(c) and group.state(c) is TaskState.FAILED]
            counts = not tolerated(before.runs[event.run].run.pipeline, event.step)
            forgiven[event.run] = failures(before.runs[event.run]) - counts * len(failing)
        case Reopen():
            group = before.runs[event.run].groups[event.step]
            for cell in range(group.size):
                if group.state(cell) in event.states and _opens(event, group, cell):
                    spent[TaskKey(event.run, event.step, cell)] = 0
            counts = not tolerated(before.runs[event.run].run.pipeline, event.step)
            forgiven[event.run] = failures(before.runs[event.run]) - counts * sum(
                group.state(cell) is TaskState.FAILED and _opens(event, group, cell)
                for cell in range(group.size)
                if group.state(cell) in event.states
            )


def _opens(event: Reopen, group: Group, cell: int) -> bool:
    """Whether it is this cell, or all cells but those that somebody has marked."""
    return event.cell == cell or (event.cell is None and not group.flags[cell] & MARKED)


def failures(record: RunRecord) -> int:
    groups = record.groups.items()
    found = [g.count(TaskState.FAILED) for n, g in groups if not tolerated(record.run.pipeline, n)]
    return sum(found)
