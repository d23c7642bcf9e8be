"""The laws of waiting, by coordinates and states: who may start, who may be skipped, what stands for what."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.core.events import Event, FallBack
from openbell.core.matrix import Scalar
from openbell.core.model import NeedMode, Pipeline, Step, TaskKey
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.sim.world import Broken


def wanting(record: RunRecord, task: TaskKey) -> Iterator[str]:
    """What keeps this very task from running: needs, its own cells, the order, that it is not called for."""
    pipeline = record.run.pipeline
    step = pipeline.step(task.step)
    own = {} if step.matrix.open else step.matrix.coordinates(task.cell)
    for need in step.needs:
        if need.mode is NeedMode.SAME:
            if not step.matrix.open and not _cell_is_there(record, pipeline.step(need.step), own):
                yield f"the same cell of {need.step}"
        elif not _is_there(record, pipeline.step(need.step), need.mode):
            yield f"{need.mode} of {need.step}"
    before = predecessor(step, own)
    if before is not None and record.groups[step.name].state(before) is not TaskState.SUCCEEDED:
        yield f"the cell {before} before it"
    backed = [other for other in pipeline if other.on_failure.stand_in == step.name]
    if backed and not any(_has_failed(record, other) for other in backed):
        yield "a failure of what it stands in for"


def predecessor(step: Step, own: dict[str, Scalar]) -> int | None:
    """The cell before this one along the axis of its order."""
    if not step.sequential or step.matrix.open:
        return None
    values = next(axis.values for axis in step.matrix.axes if axis.name == step.sequential)
    position = values.index(own[step.sequential])
    return step.matrix.cell({**own, step.sequential: values[position - 1]}) if position else None


def no_fallback_but_a_success(event: Event, before: State) -> None:
    """A step falls back on a run in which every task of it succeeded, and only when it has failed itself."""
    if not isinstance(event, FallBack):
        return
    record, source = before.runs[event.run], before.runs[event.source]
    if source.run.opened_at >= record.run.opened_at:
        raise Broken(f"{event.run} falls back on {event.source}, which is no earlier run")
    if set(_states(source, event.step)) != {TaskState.SUCCEEDED} or source.groups[event.step].marked:
        raise Broken(f"{event.run}/{event.step} falls back on {event.source}, in which it has not succeeded")
    if not _has_failed(record, record.run.pipeline.step(event.step)):
        raise Broken(f"{event.run}/{event.step} falls back on {event.source} and has not failed")


_BEGUN = {TaskState.RUNNING, TaskState.STOPPING, TaskState.SUCCEEDED}


def tolerated(pipeline: Pipeline, name: str) -> bool:
    """Whether the failures of a step do not count against its run."""
    return pipeline.step(name).on_failure.goes_on


def _states(record: RunRecord, name: str) -> list[TaskState]:
    group = record.groups[name]
    return [group.state(cell) for cell in range(group.size)]


def _is_there(record: RunRecord, step: Step, mode: NeedMode) -> bool:
    """Whether a step has come as far as it is needed, by itself or by what stands for it."""
    states = _states(record, step.name)
    if mode is NeedMode.STARTED and all(state in _BEGUN for state in states):
        return True
    if not all(state.final for state in states):
        return False
    others = [state for state in states if state is not TaskState.SUCCEEDED]
    some = mode is NeedMode.SOME or step.partial
    if mode is NeedMode.DONE or not others or (some and len(others) < len(states)):
        return True
    only_failures = TaskState.FAILED in others and (some or set(others) == {TaskState.FAILED})
    return only_failures and _made_good(record, step)


def _cell_is_there(record: RunRecord, step: Step, own: dict[str, Scalar]) -> bool:
    matrix = step.matrix
    (cell,) = (c for c in range(len(matrix)) if matrix.coordinates(c).items() <= own.items())
    states = _states(record, step.name)
    if states[cell] is TaskState.SUCCEEDED:
        return True
    decided = all(state.final for state in states) or not step.on_failure.fallback
    return states[cell] is TaskState.FAILED and decided and _made_good(record, step)


def _has_failed(record: RunRecord, step: Step) -> bool:
    states = _states(record, step.name)
    content = step.partial and TaskState.SUCCEEDED in states
    return all(state.final for state in states) and TaskState.FAILED in states and not content


def _made_good(record: RunRecord, step: Step) -> bool:
    """Whether something stands for a failed step, or it is gone on without."""
    policy = step.on_failure
    if record.groups[step.name].fallback:
        return True
    if policy.last_success and record.past is not None and step.name in record.past.successes:
        return False  # it has to be decided on first
    if policy.stand_in:
        stand_in = record.run.pipeline.step(policy.stand_in)
        if _is_there(record, stand_in, NeedMode.ALL):
            return True
        if not all(state.final for state in _states(record, stand_in.name)):
            return False
    return policy.goes_on
