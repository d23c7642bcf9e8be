"""What earlier runs of a pipeline have left for a new one: results to fall back on, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from openbell.core.lanes import MOST, WHOLE, lane
from openbell.core.model import Past, Pipeline, Step
from openbell.store.protocol import Store

_COMPARED = 3  # ended runs; of a step with many tasks, the newest alone
_TASKS = 5_000  # of each step and run
_LOOKED_AT = 12  # runs, to find so many that have ended


Took = Mapping[str, Mapping[str, float]]
"""Step -> label of a lane (none for the step as a whole) -> mean seconds of a success."""


def past(store: Store, pipeline: Pipeline, before: datetime) -> Past:
    """What is left of the runs of this pipeline that were opened before."""
    falling = [step.name for step in pipeline if step.on_failure.last_success]
    found = {step: store.last_success(pipeline.name, step, before) for step in falling}
    successes = {step: run for step, run in found.items() if run is not None}
    return Past(successes, took(store, pipeline, before))


def took(store: Store, pipeline: Pipeline, before: datetime) -> Took:
    """How long the tasks of this pipeline took in its last runs."""
    infos = store.runs(pipeline.name, _LOOKED_AT)
    ended = [info.id for info in infos if info.state.final and info.opened_at < before][:_COMPARED]
    single: dict[str, list[float]] = {}
    many: dict[str, dict[str, float]] = {}
    for run in ended:
        by_step: dict[str, list[tuple[int, float]]] = {}
        for name, cell, seconds in store.elapsed(run, _TASKS):
            by_step.setdefault(name, []).append((cell, seconds))
        wide = [one for one in pipeline if one.matrix.axes and one.name in by_step and one.name not in many]
        known = store.definition(run) if wide else None
        for step in wide:
            there = next((one for one in known.pipeline if one.name == step.name), None) if known else None
            if there is not None and not there.matrix.open:
                many[step.name] = _lanes(there, by_step[step.name])
        for name in (one.name for one in pipeline if not one.matrix.axes):
            single.setdefault(name, []).extend(seconds for _, seconds in by_step.get(name, ()))
    means = {name: {WHOLE: _mean(found)} for name, found in single.items() if found}
    return means | many


def _lanes(step: Step, cells: Iterable[tuple[int, float]]) -> dict[str, float]:
    by_lane: dict[str, list[float]] = {}
    for cell, seconds in cells:
        if cell < len(step.matrix):
            by_lane.setdefault(lane(step.matrix, cell), []).append(seconds)
    every = [seconds for found in by_lane.values() for seconds in found]
    whole = {WHOLE: _mean(every)} if every else {}
    if len(by_lane) > MOST:
        return whole
    return {name: _mean(found) for name, found in by_lane.items()} | whole


def _mean(seconds: list[float]) -> float:
    return round(sum(seconds) / len(seconds), 3)
