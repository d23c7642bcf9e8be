"""What steps take in: which files are free to be taken, when they are bound, and when they are consumed.

A file is known by its content. It is bound by one run at a time, and consumed when every cell that
takes it has succeeded; which of a run's cells those are, follows from its definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from openbell.core.events import Exited
from openbell.core.exits import Exit
from openbell.core.group import MARKED
from openbell.core.inputs import Bind, Cleared, Consume, Files, FilesSeen, InputFile, Lookout, Signal
from openbell.core.model import Pipeline, Run, Step
from openbell.core.render import render, values
from openbell.core.state import Chore, Group, RunRecord, State
from openbell.core.states import TaskState

_FARTHEST = 60_000
"""Characters of all paths that one task can be told of in its environment."""


# ── what there is to take ────────────────────────────────────────────────────────────────────


def free(state: State, record: RunRecord, group: Group) -> tuple[InputFile, ...]:
    """The settled files that nobody has consumed or bound, oldest first, signals included."""
    intake = group.intake
    if intake is None or intake.seen is None:
        return ()
    barred = _bound_elsewhere(state, record, group)
    return tuple(file for file in intake.seen.files if file.key not in barred)


def inputs(files: tuple[InputFile, ...] | None) -> tuple[InputFile, ...]:
    """Those of the files that are inputs, and not the signals of their writer."""
    return tuple(file for file in files or () if not file.role)


def batch(state: State, record: RunRecord, group: Group) -> tuple[InputFile, ...]:
    """The files that the step would take now; empty when there are none, or their writer is not done."""
    files = group.step.files
    found = free(state, record, group)
    signals = tuple(file for file in found if file.role)
    if files is None or not inputs(found) or (files.signal is not None and not signals):
        return ()
    if files.axis:
        return found
    taken: list[InputFile] = []
    length = 0
    for file in inputs(found):
        length += len(file.path) + 4
        if length > _FARTHEST and taken:
            return tuple(taken)  # the signal stays for the rest
        taken.append(file)
    return (*taken, *signals)


def holders(state: State, record: RunRecord, group: Group) -> dict[str, str]:
    """Keys of files that the sensor sees and another run has bound -> that run."""
    seen = group.intake.seen if group.intake else None
    if seen is None:
        return {}
    bound = _bound_elsewhere(state, record, group)
    return {file.key: bound[file.key] for file in seen.files if file.key in bound}


def _bound_elsewhere(state: State, record: RunRecord, group: Group) -> dict[str, str]:
    found: dict[str, str] = {}
    for other, its in _siblings(state, record, group):
        if its.step.files is not None and its.intake is not None:
            free_again = its.intake.spent
            found |= {f.key: other.id for f in its.step.files.bound or () if f.key not in free_again}
    return found


def _siblings(state: State, record: RunRecord, group: Group) -> Iterator[tuple[RunRecord, Group]]:
    """The same step in other runs of the pipeline that have not ended."""
    for other in state.runs.values():
        if other is record or other.run.pipeline.name != record.run.pipeline.name or other.outcome:
            continue
        if (its := other.groups.get(group.step.name)) is not None and its.intake is not None:
            yield other, its


def rival(state: State, record: RunRecord, group: Group) -> str:
    """Another run that has bound a file of this one, which was reopened since, and goes first; or ''."""
    mine = _open_keys(group)
    if not mine or group.step.files is None or group.step.files.bound_at is None:
        return ""
    for other, its in _siblings(state, record, group):
        if its.step.files is None or its.step.files.bound_at is None or not mine & _open_keys(its):
            continue
        earlier = (its.step.files.bound_at, other.id) < (group.step.files.bound_at, record.id)
        if its.live or (earlier and its.waiting):
            return other.id
    return ""


def _open_keys(group: Group) -> set[str]:
    files, intake = group.step.files, group.intake
    if files is None or intake is None:
        return set()
    return {file.key for file in inputs(files.bound) if file.key not in intake.spent}


def taken_by(run: Run, step: Step, cell: int) -> list[str] | None:
    """The files that a task takes, as it knows them; None for a step that takes none."""
    if step.files is None or step.files.bound is None:
        return None
    paths = [near(run, file.path) for file in inputs(step.files.bound)]
    if not step.files.axis:
        return paths
    return [str(step.matrix.coordinates(cell)[step.files.axis])]


def near(run: Run, path: str) -> str:
    """A path as the tasks of the run know it: relative to the folder in which they work."""
    return path.removeprefix(f"{run.pipeline.folder}/")


def left(record: RunRecord, group: Group) -> tuple[InputFile, ...] | None:
    """What is left of the files of a step whose cells take them all, when another run has consumed some.

    None: nothing has been taken away, or something lives that works on them.
    """
    files, intake = group.step.files, group.intake
    if files is None or files.axis or files.bound is None or intake is None or group.live:
        return None
    elsewhere = {key for key, run in intake.spent.items() if run != record.id}
    if not elsewhere or not group.waiting:
        return None
    return tuple(file for file in files.bound if file.key not in elsewhere)


def taken(record: RunRecord, group: Group) -> Iterator[tuple[int, str]]:
    """Waiting cells of a files axis whose file another run has consumed meanwhile, with that run."""
    files, intake = group.step.files, group.intake
    if files is None or intake is None or not group.waiting:
        return
    elsewhere = {key: run for key, run in intake.spent.items() if run != record.id}
    if not elsewhere or not files.axis:
        return
    used = (file for file in inputs(files.bound) if file.key in elsewhere)
    by_path = {near(record.run, file.path): elsewhere[file.key] for file in used}
    for cell in range(group.size):
        path = group.step.matrix.coordinates(cell).get(files.axis)
        if path in by_path and group.state(cell) is TaskState.WAITING:
            yield cell, by_path[str(path)]


# ── what sensors are asked ───────────────────────────────────────────────────────────────────


def lookout(record: RunRecord, step: Step, files: Files, count: int) -> Lookout:
    """What to look for, with the templates filled in."""
    known = values(record.id, record.run.pipeline, step, 0)
    signal = files.signal
    if signal is not None:
        signal = Signal(*(render(glob, known) for glob in (signal.complete, signal.start, signal.progress)))
    return Lookout(tuple(render(glob, known) for glob in files.globs), files.settle, signal, count)


# ── written by evolve ────────────────────────────────────────────────────────────────────────


def see(state: State, event: FilesSeen) -> None:
    """A sensor has looked. What it says about a step that does not wait any more changes nothing."""
    if (group := _waiting_for(state, event)) is not None and group.intake is not None:
        group.intake.seen = event
        group.intake.since = group.intake.since or event.at


def is_awaited(state: State, event: FilesSeen) -> bool:
    """Whether the step still waits for files, and this is not what is known already."""
    group = _waiting_for(state, event)
    known = group.intake.seen if group is not None and group.intake is not None else None
    return group is not None and (known is None or replace(known, at=event.at) != event)


def _waiting_for(state: State, event: FilesSeen) -> Group | None:
    record = state.runs.get(event.run)
    group = record.groups.get(event.step) if record and record.outcome is None else None
    return group if group is not None and group.intake is not None and group.unbound else None


def look_again(record: RunRecord) -> None:
    """What sensors have seen may be old by the time the run goes on."""
    for group in record.groups.values():
        if group.intake is not None:
            group.intake.seen = None
            group.intake.count += 1


def bound(step: Step, event: Bind) -> Step:
    """The step with what the event binds."""
    files = step.files
    if files is not None and event.files is not None:
        files = replace(files, bound=event.files, bound_at=event.at)
    return replace(step, files=files, matrix=step.matrix.bind(event.values))


def bound_run(run: Run, event: Bind) -> Run:
    """The run with what the event binds."""
    steps = tuple(bound(step, event) if step.name == event.step else step for step in run.pipeline)
    return replace(run, pipeline=replace(run.pipeline, steps=steps))


def bind(state: State, event: Bind) -> None:
    record = state.runs[event.run]
    group = record.groups[event.step]
    record.bind(bound_run(record.run, event), event.step)
    if group.intake is not None and event.files is not None:
        group.intake.seen = None
        group.intake.withheld = vouched(group)
        keys = {file.key for file in event.files}
        group.intake.spent = {key: run for key, run in group.intake.spent.items() if key in keys}


def rebound(record: RunRecord, pipeline: Pipeline) -> Pipeline:
    """A definition of the same digest with the files and axes that the run has bound."""
    return replace(pipeline, steps=tuple(_rebound(record, step) for step in pipeline))


def _rebound(record: RunRecord, step: Step) -> Step:
    old = record.groups[step.name].step
    if step.files is not None and old.files is not None:
        step = replace(step, files=replace(step.files, bound=old.files.bound, bound_at=old.files.bound_at))
    return replace(step, matrix=old.matrix) if any(axis.source for axis in step.matrix.axes) else step


def unbound(pipeline: Pipeline) -> Pipeline:
    """The definition as it was before anything of it was bound."""
    return replace(pipeline, steps=tuple(_unbound(step) for step in pipeline))


def _unbound(step: Step) -> Step:
    if step.files is not None:
        step = replace(step, files=replace(step.files, bound=None, bound_at=None))
    if any(axis.source for axis in step.matrix.axes):
        axes = tuple(replace(axis, values=()) if axis.source else axis for axis in step.matrix.axes)
        step = replace(step, matrix=replace(step.matrix, axes=axes, pick=None))
    return step


# ── consumption: it follows from a success, and is durable with it ───────────────────────────


def consumed_by(record: RunRecord, group: Group, cell: int) -> tuple[InputFile, ...]:
    """The files that are used up now that this cell has succeeded."""
    files, intake = group.step.files, group.intake
    if files is None or files.bound is None or intake is None or cell in intake.withheld:
        return ()
    every = group.count(TaskState.SUCCEEDED) == group.size and not intake.withheld
    if not files.axis:
        return files.bound if every else ()
    mine = group.step.matrix.coordinates(cell)[files.axis]
    if not every and len(group.step.matrix.axes) > 1 and not _all_succeeded(group, files.axis, mine):
        return ()
    return tuple(f for f in files.bound if (every if f.role else near(record.run, f.path) == mine))


def _all_succeeded(group: Group, axis: str, path: object) -> bool:
    matrix = group.step.matrix
    cells = [cell for cell in range(group.size) if matrix.coordinates(cell)[axis] == path]
    withheld = group.intake.withheld if group.intake else set()
    return all(group.state(cell) is TaskState.SUCCEEDED for cell in cells) and not withheld.intersection(
        cells
    )


def vouched(group: Group) -> set[int]:
    """The cells of which somebody has said that they have succeeded: they use nothing up."""
    return {cell for cell in group.flagged(MARKED) if group.state(cell) is TaskState.SUCCEEDED}


def withholds(end: Exit) -> bool:
    """Whether a success uses nothing up: what was ended by us may not have done all that it was to do."""
    return end.ended_after_marker and not end.verified


def consume(state: State, event: Exited) -> None:
    """Take note of what the success of this task has used up, in this run and in those beside it."""
    record = state.runs[event.task.run]
    group = record.groups[event.task.step]
    if group.intake is not None and withholds(event.exit):
        group.intake.withheld.add(event.task.cell)
    files = consumed_by(record, group, event.task.cell)
    if not files or group.intake is None or group.step.files is None:
        return
    keys = {file.key: record.id for file in files}
    group.intake.spent |= keys
    for other in state.runs.values():
        its = other.groups.get(event.task.step)
        if other is not record and other.run.pipeline.name == record.run.pipeline.name and its is not None:
            _spend(its, keys)
            other.version += 1
    for file in inputs(files):
        chore = chore_of(record, group.step, file)
        if chore is not None:
            state.chores[record.id, group.step.name, file.path] = chore


def _spend(group: Group, keys: dict[str, str]) -> None:
    intake, files = group.intake, group.step.files
    if intake is None or files is None:
        return
    if intake.seen is not None:
        left = tuple(file for file in intake.seen.files if file.key not in keys)
        used = len(intake.seen.files) - len(left)
        intake.seen = replace(intake.seen, files=left, consumed=intake.seen.consumed + used)
    intake.spent |= {file.key: keys[file.key] for file in files.bound or () if file.key in keys}


def chore_of(record: RunRecord, step: Step, file: InputFile) -> Chore | None:
    """What has to be done with a consumed file; None when it is kept."""
    files = step.files
    if files is None or files.consume is Consume.KEEP:
        return None
    folder = ""
    if files.consume is Consume.ARCHIVE:
        named = render(files.archive, values(record.id, record.run.pipeline, step, 0))
        folder = named if named.startswith("/") else f"{file.path.rpartition('/')[0]}/{named}"
    return Chore(record.id, step.name, file, files.consume, folder)


def clear(state: State, event: Cleared) -> None:
    place = (event.run, event.step, event.path)
    if event.error and place in state.chores:
        state.chores[place].error = event.error
    else:
        state.chores.pop(place, None)


def waits_for_chores(state: State, run: str) -> bool:
    """Whether a file of this run is still to be put away."""
    return any(chore.run == run and not chore.error for chore in state.chores.values())
