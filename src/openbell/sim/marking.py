"""The law of marks: only somebody's word makes one, of what does not run; only naming the task undoes it."""

from __future__ import annotations

from openbell.core.events import Event, Mark, Reopen, Requested, Start
from openbell.core.model import TaskKey
from openbell.core.requests import MarkTasks, RetryTasks
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.sim.world import Broken


class Hand:
    """What has been marked, by the journal alone."""

    def __init__(self) -> None:
        self._asked: list[MarkTasks] = []
        self._retried: set[tuple[str, str]] = set()
        self._marked: dict[TaskKey, TaskState] = {}

    def before(self, event: Event, state: State) -> None:
        """`state` is the one before the event."""
        match event:
            case Requested(request=MarkTasks() as request):
                self._asked.append(request)
            case Requested(request=RetryTasks(run=run, step=str(step))):
                self._retried.add((run, step))
            case Mark():
                self._mark(event, state)
            case Reopen(cell=int(cell)):
                task = TaskKey(event.run, event.step, cell)
                if self._marked.pop(task, None) is not None and task[:2] not in self._retried:
                    raise Broken(f"{task} was marked, and is opened again, which nobody has asked for")
            case Start() if event.task in self._marked:
                raise Broken(f"{event.task} is started, and is marked {self._marked[event.task].name}")

    def _mark(self, event: Mark, state: State) -> None:
        said = (event.run, event.step, event.to, event.reason, event.cell)
        if said not in [(one.run, one.step, one.outcome, one.reason, one.cell) for one in self._asked]:
            raise Broken(f"{event.run}/{event.step} is marked, and nobody has said so")
        group = state.runs[event.run].groups[event.step]
        for cell in range(group.size):
            task = TaskKey(event.run, event.step, cell)
            if not event.covers(cell) or (event.cell is None and task in self._marked):
                continue
            if group.state(cell).live:
                raise Broken(f"{task} is marked while it runs")
            if group.state(cell) is not TaskState.SUCCEEDED and group.state(cell) is not event.to:
                self._marked[task] = event.to

    def agrees(self, record: RunRecord) -> None:
        """What is marked is what it was said to be, and is known as marked."""
        for name, group in record.groups.items():
            for cell in range(group.size):
                said = self._marked.get(TaskKey(record.id, name, cell))
                if bool(group.flags[cell] & 1) != (said is not None):
                    raise Broken(
                        f"{record.id}/{name}/{cell} was marked {said}, and that is not what is known"
                    )
                if said is not None and group.state(cell) is not said:
                    raise Broken(f"{record.id}/{name}/{cell} was marked {said.name}, and is not that")
