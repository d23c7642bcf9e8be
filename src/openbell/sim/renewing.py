"""The law of renewal: what was made without what succeeds later is made again, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.core.events import CloseRun, Event, Exited, Force, Mark, Reopen, Requested, Start
from openbell.core.inputs import Consume
from openbell.core.model import Late, NeedMode, Pipeline, Step, TaskKey
from openbell.core.requests import RetryTasks
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.sim.waiting import predecessor, wanting
from openbell.sim.world import Broken

_MADE = (TaskState.SUCCEEDED, TaskState.FAILED)


class Renewal:
    """When each task began last, and when each succeeded after it had been opened again, by the journal."""

    def __init__(self) -> None:
        self._clock = 0
        self._began: dict[TaskKey, int] = {}
        self._better: dict[TaskKey, int] = {}
        self._again: dict[tuple[str, str], bool] = {}
        self._forced: set[str] = set()
        self._retried: set[tuple[str, str]] = set()

    def before(self, event: Event, state: State) -> None:
        """`state` is the one before the event."""
        self._clock += 1
        match event:
            case Start():
                self._began[event.task] = self._clock
            case Force():
                self._forced.add(event.run)
            case Requested(request=RetryTasks(run=run, step=str(step))):
                self._retried.add((run, step))
            case Reopen():
                self._opened(event, state.runs[event.run])
                self._again[event.run, event.step] = not event.alone
            case Mark(to=TaskState.SUCCEEDED):
                group = state.runs[event.run].groups[event.step]
                for cell in range(group.size):
                    if event.covers(cell) and group.state(cell) is not TaskState.SUCCEEDED:
                        self._better[TaskKey(event.run, event.step, cell)] = self._clock
            case CloseRun(run=run) if run not in self._forced:
                self._closed(state.runs[run])

    def after(self, event: Event, state: State) -> None:
        """`state` is the one after the event."""
        if isinstance(event, Exited) and self._again.get(event.task[:2]):
            group = state.runs[event.task.run].groups[event.task.step]
            if group.state(event.task.cell) is TaskState.SUCCEEDED:
                self._better[event.task] = self._clock

    def _opened(self, event: Reopen, record: RunRecord) -> None:
        """Nothing that has succeeded is opened again without a reason."""
        group = record.groups[event.step]
        for cell in range(group.size):
            task = TaskKey(event.run, event.step, cell)
            if event.cell not in (None, cell) or group.state(cell) is not TaskState.SUCCEEDED:
                continue
            if TaskState.SUCCEEDED not in event.states or (event.cell is None and group.flags[cell] & 1):
                continue
            asked = task[:2] in self._retried and group.flags[cell] & 1
            began = self._began.get(task, 0)
            later = (self._better.get(one, 0) for one in _inputs(record, task, stand_ins=True))
            if not asked and not any(at > began for at in later):
                raise Broken(f"{task} had succeeded, and is opened again for nothing")

    def _closed(self, record: RunRecord) -> None:
        """What could be made again was, by the end of the run."""
        for name, group in record.groups.items():
            if _may_be_over(group.step) or record.run.pipeline.max_failures:
                continue
            for cell in range(group.size):
                task = TaskKey(record.id, name, cell)
                began = self._began.get(task)
                made = group.state(cell) in _MADE and began is not None and not group.flags[cell] & 1
                if not made or any(wanting(record, task)):
                    continue
                for one in _inputs(record, task, stand_ins=False):
                    if began is not None and self._better.get(one, 0) > began:
                        raise Broken(f"{task} was made before {one} had succeeded, and is not made again")


def _may_be_over(step: Step) -> bool:
    """Whether it may not run again because of its time, or of its files."""
    put_away = step.files is not None and step.files.consume is not Consume.KEEP
    return put_away or step.late is not Late.RUN or step.hold or step.stop_at is not None


def _inputs(record: RunRecord, task: TaskKey, *, stand_ins: bool) -> Iterator[TaskKey]:
    """The tasks whose outcome this one is made of."""
    pipeline = record.run.pipeline
    step = pipeline.step(task.step)
    own = {} if step.matrix.open else step.matrix.coordinates(task.cell)
    for need in step.needs:
        if need.mode is NeedMode.STARTED:
            continue
        names = {need.step, *(_behind(pipeline, need.step) if stand_ins else ())}
        for name in names:
            matrix = pipeline.step(name).matrix
            for cell in range(len(matrix)):
                alike = need.mode is not NeedMode.SAME or name != need.step or step.matrix.open
                if alike or matrix.coordinates(cell).items() <= own.items():
                    yield TaskKey(record.id, name, cell)
    if (before := predecessor(step, own)) is not None:
        yield TaskKey(record.id, task.step, before)


def _behind(pipeline: Pipeline, name: str) -> Iterator[str]:
    while name := pipeline.step(name).on_failure.stand_in:
        yield name
