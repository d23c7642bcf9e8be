"""When the open axes and the files of a step are bound, and what becomes of one for which nothing comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from openbell.core.events import Action, Skip
from openbell.core.inputs import Absent, Bind, Fail, Files, FilesSeen, InputFile
from openbell.core.intake import batch, holders, inputs, left, near, taken
from openbell.core.links import unlike
from openbell.core.matrix import Axis, Scalar
from openbell.core.model import NeedMode, Step
from openbell.core.state import Group, RunRecord, State

FILES = "files"
"""The source of an axis whose values are files."""


def binding(state: State, record: RunRecord, group: Group, now: datetime) -> Iterator[Action]:
    """What is bound, of a step that is otherwise ready; or why it comes to nothing."""
    step = group.step
    files = batch(state, record, group) if step.files is not None and step.files.bound is None else None
    values: dict[str, tuple[Scalar, ...]] = {}
    for axis in step.matrix.axes:
        if axis.open and axis.source == FILES:
            values[axis.name] = tuple(near(record.run, file.path) for file in inputs(files))
        elif axis.open:
            upstream = record.groups.get(axis.source.rpartition(".")[0])
            if upstream is None:
                told = f"its axis {axis.name} is made of {axis.source}, which is no part of this run"
                yield Fail(now, record.id, step.name, told)
                return
            if not upstream.closed:
                return  # its conditions were lifted, but not that it is made of what comes before it
            found = _from_results(record, axis)
            if isinstance(found, str):
                yield Fail(now, record.id, step.name, found)
                return
            values[axis.name] = found
            if not found:
                end = Fail if step.empty is Absent.FAIL else Skip
                yield end(now, record.id, step.name, f"{axis.source} has no values for the axis {axis.name}")
                return
    if reason := _unlike(record, step, values):
        yield Fail(now, record.id, step.name, reason)
        return
    yield Bind(now, record.id, step.name, values, _picked(record, group, values, files))


def _unlike(record: RunRecord, step: Step, values: dict[str, tuple[Scalar, ...]]) -> str:
    """Why cells that need the same cell of another step have none there, or an empty text."""
    matrix = step.matrix.bind(values)
    for other in record.groups.values():
        for need in other.step.needs if other.step.name != step.name else step.needs:
            if need.mode is not NeedMode.SAME or step.name not in (need.step, other.step.name):
                continue
            own = matrix if other.step.name == step.name else other.step.matrix
            upstream = matrix if need.step == step.name else record.groups[need.step].step.matrix
            if not own.open and not upstream.open and (problem := unlike(own, upstream)):
                return f"{other.step.name} needs the same cell of {need.step}, but {problem}"
    return ""


def _picked(
    record: RunRecord,
    group: Group,
    values: dict[str, tuple[Scalar, ...]],
    files: tuple[InputFile, ...] | None,
) -> tuple[InputFile, ...] | None:
    """Those of the files that cells take: with `--sample`, not all of them."""
    axis = group.step.files.axis if group.step.files else ""
    matrix = group.step.matrix.bind(values)
    if files is None or not axis or matrix.pick is None:
        return files
    taken = {matrix.coordinates(cell)[axis] for cell in range(len(matrix))}
    return tuple(file for file in inputs(files) if near(record.run, file.path) in taken)


def _from_results(record: RunRecord, axis: Axis) -> tuple[Scalar, ...] | str:
    """The values that the cells of a step have reported under a key, each once; or what is wrong."""
    step, _, key = axis.source.rpartition(".")
    found: dict[Scalar, None] = {}
    for cell, result in sorted(record.groups[step].results.items()):
        listed = result.get(key)
        if not isinstance(listed, list | tuple):
            there = "nothing" if listed is None else f"no list but {str(listed)[:60]!r}"
            return f"the result of {step} has {there} under {key!r} (cell {cell})"
        for value in listed:
            if not isinstance(value, str | int | float):
                return f"{axis.source} holds {str(value)[:60]!r}, which is neither text nor a number"
            found[value] = None
    return tuple(found)


def given_up(state: State, record: RunRecord, group: Group, now: datetime) -> Skip | Fail | None:
    """The end of a step whose files do not come, and that does not wait for ever."""
    files, intake = group.step.files, group.intake
    if files is None or intake is None or intake.seen is None or record.paused:
        return None
    if record.run.forced and not files.axis:
        return None  # it starts with what is there
    if files.absent is Absent.WAIT or not group.unbound or batch(state, record, group):
        return None
    seen = intake.seen
    stuck = _stuck_at(files, seen)
    coming = seen.unsettled > 0 or _writes(seen) or bool(holders(state, record, group))
    late = files.timeout is not None and intake.since is not None and intake.since + files.timeout <= now
    if (stuck is None or stuck > now) and not late and (coming or files.timeout is not None):
        return None
    end = Fail if files.absent is Absent.FAIL else Skip
    return end(now, record.id, group.step.name, missing(state, record, group, now))


def taken_away(record: RunRecord, group: Group, now: datetime) -> Iterator[Action]:
    """What becomes of a step that was reopened, when another run has consumed its files meanwhile."""
    if (rest := left(record, group)) is None:
        for cell, run in taken(record, group):
            yield Skip(now, record.id, group.step.name, f"its file has been consumed by {run}", cell)
    elif inputs(rest):
        yield Bind(now, record.id, group.step.name, {}, rest)
    else:
        yield Skip(now, record.id, group.step.name, "another run has consumed its files")


def turns(group: Group) -> Iterator[datetime]:
    """Instants at which the answer of `given_up` may change by itself."""
    files, intake = group.step.files, group.intake
    if files is None or intake is None or intake.seen is None or files.absent is Absent.WAIT:
        return
    if files.timeout is not None and intake.since is not None:
        yield intake.since + files.timeout
    if (stuck := _stuck_at(files, intake.seen)) is not None:
        yield stuck


def missing(state: State, record: RunRecord, group: Group, now: datetime, end: str = "") -> str:
    """What is not there yet, and what is there instead."""
    files, intake = group.step.files, group.intake
    if files is None or intake is None:
        return ""
    wanted = " or ".join(near(record.run, glob) for glob in files.globs)
    seen = intake.seen
    if seen is None:
        return f"nobody has looked for {wanted} yet"
    told = [f"no file that is ready matches {wanted}"]
    if seen.unsettled:
        told.append(f"{seen.unsettled} still being written")
    if seen.consumed:
        told.append(f"{seen.consumed} consumed before")
    if held := holders(state, record, group):
        told.append(f"{len(held)} bound by {', '.join(sorted(set(held.values())))}")
    if files.signal is not None:
        told.append(_signalled(files, seen, now))
    return "; ".join(told) + end


def _signalled(files: Files, seen: FilesSeen, now: datetime) -> str:
    if seen.told is None:
        return "its writer has given no signal"
    said = f"its writer told {seen.told.phase}"
    said += f" ({seen.told.text})" if seen.told.text else ""
    stuck = _stuck_at(files, seen)
    if stuck is not None and stuck <= now:
        return f"{said} and nothing since {seen.told.at:%H:%M:%S} UTC: it is stuck"
    return said


def _writes(seen: FilesSeen) -> bool:
    return seen.told is not None and seen.told.writes


def _stuck_at(files: Files, seen: FilesSeen) -> datetime | None:
    """When a writer that has not completed counts as stuck."""
    if files.stalled is None or seen.told is None or not _writes(seen):
        return None
    return seen.told.at + files.stalled


def deadline(files: Files, since: datetime | None) -> datetime | None:
    """When a step stops waiting for its files."""
    waits = files.absent is Absent.WAIT or files.timeout is None or since is None
    return None if waits or since is None or files.timeout is None else since + files.timeout
