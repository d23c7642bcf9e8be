"""What has become of the things that steps and cells wait for: met, open, or hopeless."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from openbell.core.links import Link
from openbell.core.matrix import label
from openbell.core.model import Need, NeedMode
from openbell.core.state import Group, RunRecord
from openbell.core.states import TaskState


class Fate(IntEnum):
    """What has become of a need. The worst of several is that of all of them."""

    MET = 0
    OPEN = 1
    HOPELESS = 2


def fate(need: Need, upstream: Group) -> Fate:
    """Whether the need is met, can still be met, or cannot be met any more.

    What cells need of cells is no matter of the whole step: for it, such a need is met as soon as it is
    known which cells there are.
    """
    if need.mode is NeedMode.SAME:
        if not upstream.step.matrix.open:
            return Fate.MET
        return Fate.HOPELESS if upstream.closed else Fate.OPEN
    if not upstream.closed:
        return Fate.OPEN
    succeeded = upstream.count(TaskState.SUCCEEDED)
    match need.mode:
        case NeedMode.DONE:
            met = True
        case NeedMode.SOME:
            met = succeeded > 0
        case NeedMode.ALL:
            met = succeeded == upstream.size
    return Fate.MET if met else Fate.HOPELESS


def unmet(record: RunRecord, group: Group) -> Need | None:
    """The first need of a step that is not met."""
    for need in group.step.needs:
        if fate(need, record.groups[need.step]) is not Fate.MET:
            return need
    return None


def waits(record: RunRecord, need: Need) -> str:
    """What a need waits for, in words."""
    return f"needs {_wanted(need)} of {need.step}: {tally(record.groups[need.step])}"


def hopeless(record: RunRecord, group: Group) -> str:
    """Why this step can never start, or an empty text."""
    for need in group.step.needs:
        upstream = record.groups[need.step]
        if fate(need, upstream) is Fate.HOPELESS:
            return f"needs {_wanted(need)} of {need.step}, which ended with {tally(upstream)}"
    return ""


# ── cell by cell ─────────────────────────────────────────────────────────────────────────────────


def fate_of_cell(upstream: Group, cell: int) -> Fate:
    """What can be expected of the cell that another one waits for."""
    state = upstream.state(cell)
    if state is TaskState.SUCCEEDED:
        return Fate.MET
    return Fate.HOPELESS if state.final else Fate.OPEN


def prospects(record: RunRecord, group: Group, cell: int) -> Iterator[tuple[Fate, Link, int]]:
    """For each cell that this one waits for: what can be expected, its link, and which it is."""
    for link in group.links:
        before = link.before(cell)
        if before is not None:
            yield fate_of_cell(record.groups[link.upstream], before), link, before


def awaited(record: RunRecord, group: Group, cell: int) -> Iterator[tuple[str, str]]:
    """The cells that this one waits for still: the gate that keeps it, and which cell in which state."""
    for found, link, before in prospects(record, group, cell):
        if found is not Fate.MET:
            upstream = record.groups[link.upstream]
            gate = "sequential" if upstream is group else "needs"
            yield gate, f"waits for {_named(link, upstream, before)} ({upstream.state(before).name.lower()})"


def lost(record: RunRecord, group: Group, cell: int) -> str:
    """Why this cell can never start, though others of its step may; or an empty text."""
    for found, link, before in prospects(record, group, cell):
        if found is Fate.HOPELESS:
            upstream = record.groups[link.upstream]
            state = upstream.state(before)
            if upstream is group:
                return after_one(group, before, state)
            return f"needs the same cell of {link.upstream}, which {_TOLD[state]}"
    return ""


AFTER = "comes after "


def after_one(group: Group, before: int, state: TaskState) -> str:
    """Why a cell that comes after this one in its order cannot start."""
    return f"{AFTER}{label(group.step.matrix.coordinates(before))}, which {_TOLD[state]}"


_TOLD = {
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}


def _named(link: Link, upstream: Group, cell: int) -> str:
    told = label(upstream.step.matrix.coordinates(cell))
    return f"{link.upstream}: {told}" if told else link.upstream


def tally(group: Group) -> str:
    """`3 succeeded, 1 failed`: the states of a step's tasks, those that occur."""
    found = [(state, group.count(state)) for state in TaskState]
    return ", ".join(f"{count} {state.name.lower()}" for state, count in found if count)


def _wanted(need: Need) -> str:
    return _WANTED[need.mode]


_WANTED = {
    NeedMode.ALL: "all cells",
    NeedMode.SOME: "some cell",
    NeedMode.DONE: "the end",
    NeedMode.SAME: "the same cell",
}
