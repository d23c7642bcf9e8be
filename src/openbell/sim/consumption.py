"""The law of inputs: a file is consumed once, by one run, and not before all tasks that took it succeeded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from openbell.core.events import Event, Reopen
from openbell.core.group import MARKED
from openbell.core.inputs import Clear, Consume, InputFile
from openbell.core.model import AttemptKey, Step
from openbell.core.state import Group, Limits, RunRecord, State
from openbell.core.states import TaskState
from openbell.sim.files import SimSensor
from openbell.sim.world import Broken, World
from openbell.store.protocol import Store


class Early:
    """An observer: nothing is put away before the attempts that took it have really succeeded."""

    def __init__(self, world: World) -> None:
        self._world = world

    def see(self, events: Sequence[Event], state: State) -> None:
        for event in events:
            if isinstance(event, Clear) and (record := state.runs.get(event.run)) is not None:
                self._check(event, record)

    def _check(self, event: Clear, record: RunRecord) -> None:
        group = record.groups[event.step]
        for cell in _takers(group, event.file):
            key = AttemptKey(event.run, event.step, cell, group.tries[cell])
            process = self._world.processes.get(key)
            if process is None or process.exit is None or process.lost or process.exit.code != 0:
                raise Broken(f"{event.file.path} is put away, and {key} has not succeeded")


def once(store: Store, sensor: SimSensor, limits: Limits, world: World) -> None:
    """What is consumed was used up by exactly one run; what was used up is consumed, and put away once."""
    used: dict[tuple[str, str], set[str]] = defaultdict(set)
    for info in store.runs():
        record = store.run(info.id)
        for step, file in _used_up(record, world) if record else ():
            used[step, file.key].add(info.id)
    for (step, key), runs in used.items():
        if len(runs) > 1:
            raise Broken(f"{step} has used {key} up in {', '.join(sorted(runs))}")
        if set(store.consumed("sim", step, [key]).values()) != runs:
            raise Broken(f"{step} of {', '.join(runs)} has used {key} up, and that is not recorded")
    again = set(_made_again(store))
    steps = {step for step, _ in used} | {step for run in store.runs() for step in _steps(store, run.id)}
    for step in steps:
        for file in store.consumed_files("sim", step):
            if (step, file.key) not in used and step not in again:
                raise Broken(f"{file.key} is consumed by {step}, and no run has used it up")
    if len(set(sensor.archive)) < len(sensor.archive):
        raise Broken("a content was put away twice")
    if store.load(limits).chores:
        raise Broken("consumed files were never put away")
    there = {entry.content for entry in sensor.files.values()}
    for info in store.runs():
        record = store.run(info.id)
        for step, file in _used_up(record, world) if record else ():
            files = record.run.pipeline.step(step).files if record else None
            if files is not None and files.consume is not Consume.KEEP and file.key in there:
                raise Broken(f"{file.key} was to be put away and is still there")


def _made_again(store: Store) -> Iterator[str]:
    """Steps of which something that had succeeded was opened again: what it has used up stays so."""
    for _, event in store.journal(limit=10**9, kinds=("Reopen",)):
        if isinstance(event, Reopen) and TaskState.SUCCEEDED in event.states:
            yield event.step


def _steps(store: Store, run: str) -> Iterator[str]:
    record = store.run(run)
    yield from record.groups if record else ()


def _used_up(record: RunRecord, world: World) -> Iterator[tuple[str, InputFile]]:
    """The files whose takers have all succeeded, none of them only by being ended after its marker."""
    for name, group in record.groups.items():
        for file in _bound(group.step):
            takers = _takers(group, file)
            keys = [AttemptKey(record.id, name, cell, group.tries[cell]) for cell in takers]
            ends = [process.exit for key in keys if (process := world.processes.get(key))]
            doubtful = any(end is None or (end.ended_after_marker and not end.verified) for end in ends)
            doubtful = doubtful or any(group.flags[cell] & MARKED for cell in takers)
            if {group.state(cell) for cell in takers} == {TaskState.SUCCEEDED} and not doubtful:
                yield name, file


def _bound(step: Step) -> tuple[InputFile, ...]:
    return (step.files.bound or ()) if step.files else ()


def _takers(group: Group, file: InputFile) -> list[int]:
    """The cells that take a file: all of them, or those with its path among their coordinates."""
    axis = group.step.files.axis if group.step.files else ""
    if not axis:
        return list(range(group.size))
    matrix = group.step.matrix
    return [cell for cell in range(group.size) if matrix.coordinates(cell).get(axis) == file.path]
