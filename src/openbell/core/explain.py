"""Why a task has not started: the same gates that `decide` asks, all of them, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from openbell.core.gates import GATES, Blocker, Scope, slots
from openbell.core.model import TaskKey
from openbell.core.needs import awaited, hopeless, lost
from openbell.core.resources import Usage
from openbell.core.state import HELD, RunRecord, State
from openbell.core.states import TaskState


def explain(state: State, task: TaskKey, now: datetime) -> tuple[Blocker, ...]:
    """Every unmet condition of a waiting task; empty when it may start or is not waiting."""
    record = state.runs[task.run]
    group = record.groups[task.step]
    return _blockers(Scope(state, record, group, Usage.of(state), now, record.tripped), task)


def _blockers(scope: Scope, task: TaskKey) -> tuple[Blocker, ...]:
    record, group, now = scope.record, scope.group, scope.now
    if group.state(task.cell) is not TaskState.WAITING:
        return ()
    if reason := hopeless(record, group) or lost(record, group, task.cell):
        return (Blocker("needs", reason),)
    blockers = [blocker for gate in GATES if (blocker := gate(scope))]
    blockers += [Blocker(gate, text) for gate, text in awaited(record, group, task.cell)]
    due = group.due.get(task.cell)
    if due is not None and due > now:
        again = f"retry {group.tries[task.cell] + 1}" if group.tries[task.cell] else "start"
        blockers.append(Blocker("not_before", f"{again} is due then", due))
    if blocker := slots(scope):
        blockers.append(blocker)
    return tuple(blockers)


def bottlenecks(state: State, record: RunRecord, now: datetime) -> Iterator[tuple[str, Blocker]]:
    """For each step that is held up: its name, and what keeps its next task from starting."""
    usage, tripped = Usage.of(state), record.tripped
    for name, group in record.groups.items():
        if group.waiting:
            cell = next(group.ready(now), None)
            if cell is None:
                cell = min(group.due, key=group.due.__getitem__, default=max(0, group.codes.find(HELD)))
            scope = Scope(state, record, group, usage, now, tripped)
            blockers = _blockers(scope, TaskKey(record.id, name, cell))
            if blockers:
                yield name, blockers[0]
