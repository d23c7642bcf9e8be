"""Runs of one pipeline, one after the other: who has to wait for whom, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from openbell.core.events import Fire, Unplanned
from openbell.core.model import Overlap
from openbell.core.state import RunRecord, Schedule, State


def predecessor(state: State, schedule: Schedule) -> str:
    """The run that the next one of this pipeline has to heed; empty where there is none."""
    if schedule.pipeline.overlap is Overlap.ALLOW:
        return ""
    return next(iter(state.rivals(schedule.pipeline.name)), "")


def turn(state: State, schedule: Schedule, now: datetime) -> Iterator[Fire]:
    """The queued occasion whose turn it is."""
    name = schedule.pipeline.name
    queue = {fire.run: fire for fire in state.fired.values() if fire.pipeline == name and fire.queued}
    if queue and all(run in queue for run in state.rivals(name)):
        yield replace(min(queue.values(), key=lambda one: (one.nominal, one.key)), at=now, queued=False)


def displaced(state: State, name: str, now: datetime) -> Iterator[Unplanned]:
    """Occasions that were queued in vain: a newer one has come."""
    for fire in state.fired.values():
        if fire.pipeline == name and fire.queued:
            yield Unplanned(now, name, fire.trigger, fire.key, "replaced by the next one")


def replaced(state: State) -> Iterator[RunRecord]:
    """Runs that have to make room for the next one of their pipeline."""
    waiting = {fire.pipeline for fire in state.fired.values() if fire.queued}
    for name in waiting:
        schedule = (state.schedules or {}).get(name)
        if schedule is not None and schedule.pipeline.overlap is Overlap.REPLACE:
            for record in state.runs.values():
                if record.outcome is None and record.run.pipeline.name == name:
                    yield record
