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
        met = need.mode is NeedMode.STARTED and _all_started(upstream)
        return Fate.MET if met else Fate.OPEN
    succeeded = upstream.count(TaskState.SUCCEEDED)
    some = need.mode is NeedMode.SOME or upstream.step.partial
    if need.mode is NeedMode.DONE or succeeded == upstream.size or (some and succeeded):
        return Fate.MET
    failed = upstream.count(TaskState.FAILED)
    if failed and (some or succeeded + failed == upstream.size):
        return redeemed(upstream)
    return Fate.HOPELESS


def _all_started(group: Group) -> bool:
    return group.count(TaskState.SUCCEEDED) + group.count(TaskState.RUNNING) == group.size


def redeemed(group: Group) -> Fate:
    """What those can expect who wait for a task of this step that has failed.

    A fallback is for the step as a whole: it is decided on when the step has come to its end.
    """
    policy = group.step.on_failure
    found = Fate.HOPELESS
    if policy.fallback and not group.closed:
        return Fate.OPEN
    if group.fallback:
        found = Fate.MET
    elif _earlier(group):
        found = Fate.OPEN
    elif group.stand_in is not None:
        found = fate(Need(group.stand_in.step.name), group.stand_in)
    return Fate.MET if found is Fate.HOPELESS and policy.goes_on else found


def _earlier(group: Group) -> str:
    return group.earlier if group.step.on_failure.last_success else ""


def has_failed(group: Group) -> bool:
    """Whether a step has come to its end without what those who need it are waiting for."""
    content = group.step.partial and group.count(TaskState.SUCCEEDED)
    return group.closed and group.count(TaskState.FAILED) > 0 and not content


def called(group: Group) -> Fate:
    """Whether a stand-in is to run: when one of the steps that it stands in for has failed."""
    if not group.stands_in_for or any(map(has_failed, group.stands_in_for)):
        return Fate.MET
    return Fate.HOPELESS if all(other.closed for other in group.stands_in_for) else Fate.OPEN


def recourse(record: RunRecord, group: Group) -> str:
    """The run with whose results those who wait for a failed step can go on, or an empty text."""
    if group.fallback or not _earlier(group) or not has_failed(group):
        return ""
    needing = (
        other.waiting and need.mode is not NeedMode.DONE
        for other in record.groups.values()
        for need in other.step.needs
        if need.step == group.step.name
    )
    return group.earlier if any(needing) else ""


def source(record: RunRecord, need: Need) -> tuple[str, str]:
    """The run and the step whose results stand for a needed step: its own, unless it has failed."""
    group = record.groups[need.step]
    if not has_failed(group):
        return record.id, need.step
    if group.fallback:
        return group.fallback, need.step
    stand_in = group.stand_in
    if stand_in is not None and fate(Need(stand_in.step.name), stand_in) is Fate.MET:
        return source(record, Need(stand_in.step.name))
    return record.id, need.step


def unmet(record: RunRecord, group: Group) -> Need | None:
    """The first need of a step that is not met."""
    for need in group.step.needs:
        if fate(need, record.groups[need.step]) is not Fate.MET:
            return need
    return None


def just_waits(group: Group) -> bool:
    """Whether nothing can come of a step yet, because all that it needs goes on, and it heeds nothing else.

    What most steps do that wait: found out without asking all the gates, every turn.
    """
    if not group.behind or group.doomed:
        return False
    for other in group.behind:  # noqa: SIM110  # a generator takes three times as long
        if other.closed:
            return False
    return True


def waits(record: RunRecord, need: Need) -> str:
    """What a need waits for, in words."""
    upstream = record.groups[need.step]
    told = f"needs {_wanted(need)} of {need.step}: {tally(upstream)}"
    stand_in = upstream.stand_in
    return f"{told}; {stand_in.step.name} stands in for it" if stand_in and has_failed(upstream) else told


def stands_by(group: Group) -> str:
    """What a step that stands in for others waits for, in words."""
    told = "; ".join(f"{other.step.name}: {tally(other)}" for other in group.stands_in_for)
    return f"runs only if {_listed(group)} fails: {told}"


def hopeless(record: RunRecord, group: Group) -> str:
    """Why this step can never start, or an empty text."""
    if called(group) is Fate.HOPELESS:
        return f"not needed: {_listed(group)} has not failed"
    for need in group.step.needs:
        upstream = record.groups[need.step]
        if fate(need, upstream) is Fate.HOPELESS:
            return f"needs {_wanted(need)} of {need.step}, which ended with {tally(upstream)}"
    return ""


# ── cell by cell ─────────────────────────────────────────────────────────────────────────────────


def fate_of_cell(upstream: Group, cell: int) -> Fate:
    """What can be expected of a cell of this step by the same cell of another."""
    state = upstream.state(cell)
    if state is TaskState.FAILED:
        return redeemed(upstream)
    return _strictly(upstream, cell)


def _strictly(upstream: Group, cell: int) -> Fate:
    """What can be expected of a cell that nothing can replace."""
    state = upstream.state(cell)
    if state is TaskState.SUCCEEDED:
        return Fate.MET
    return Fate.HOPELESS if state.final else Fate.OPEN


def prospects(record: RunRecord, group: Group, cell: int) -> Iterator[tuple[Fate, Link, int]]:
    """For each cell that this one waits for: what can be expected, its link, and which it is."""
    for link in group.links:
        before = link.before(cell)
        if before is not None:
            upstream = record.groups[link.upstream]
            found = _strictly(upstream, before) if upstream is group else fate_of_cell(upstream, before)
            yield found, link, before


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
    found = [group.waiting, *group.counts[1 : len(_NAMES)]]  # asked for every step that waits, every turn
    return ", ".join([f"{count} {name}" for count, name in zip(found, _NAMES, strict=True) if count])


_NAMES = [state.name.lower() for state in TaskState]


def _listed(group: Group) -> str:
    return " or ".join(other.step.name for other in group.stands_in_for)


def _wanted(need: Need) -> str:
    return _WANTED[need.mode]


_WANTED = {
    NeedMode.ALL: "all cells",
    NeedMode.SOME: "some cell",
    NeedMode.DONE: "the end",
    NeedMode.SAME: "the same cell",
    NeedMode.STARTED: "the start of all cells",
}
