"""Moves tasks from state to state, and holds or releases the cells that wait for them.

Which cell waits for another one follows from the states of both: it is kept as a byte of its own, so that
`decide` finds what may start without asking each cell. Only `evolve` and the store's loader write here.
"""

from __future__ import annotations

from datetime import datetime

from openbell.core.needs import Fate, prospects
from openbell.core.state import Group, RunRecord
from openbell.core.states import TaskState

_FIRST_FINAL, _LAST_FINAL = min(final := [int(state) for state in TaskState if state.final]), max(final)


def put(
    record: RunRecord, group: Group, cell: int, state: TaskState, not_before: datetime | None = None
) -> None:
    """Set one cell, and what follows from that for the cells that wait for it."""
    was = group.state(cell)
    group.put(cell, state, not_before)
    if state is TaskState.WAITING and group.links:
        settle(record, group, cell)
    if state.final or was.final:
        for link, follower in group.followers:
            for other in link.after(cell):
                settle(record, follower, other)
        if group.closed or was.final:
            settle_behind(record, group)


def put_all(record: RunRecord, group: Group, states: tuple[TaskState, ...], to: TaskState) -> None:
    """Move every cell of a step that is in one of `states`."""
    group.put_all(states, to)
    if group.links and to is TaskState.WAITING:
        settle_all(record, group)
    for _, follower in group.followers:
        settle_all(record, follower)
    settle_behind(record, group)


def settle_behind(record: RunRecord, group: Group) -> None:
    """A step that has a fallback, or is one, has come to its end, or to life again."""
    if group.step.on_failure.fallback:
        for _, follower in group.followers:
            settle_all(record, follower)
    for other in group.stands_in_for:
        settle_behind(record, other)


def settle(record: RunRecord, group: Group, cell: int) -> None:
    """Hold a waiting cell, or release it."""
    if group.state(cell) is not TaskState.WAITING:
        return
    found = max((one for one, _, _ in prospects(record, group, cell)), default=Fate.MET)
    if found is Fate.MET:
        group.release(cell)
        return
    group.hold(cell)
    if found is Fate.HOPELESS:
        group.doomed[cell] = None
    else:
        group.doomed.pop(cell, None)


def settle_all(record: RunRecord, group: Group) -> None:
    """Hold or release every waiting cell of a step, for what happens to all at once.

    Only cells whose other cell is final, or that wait for none, need a look of their own.
    """
    if not group.waiting:
        return
    if not group.links:
        group.release_all()
        return
    group.hold_all()
    for link in group.links:
        for cell in link.free():
            settle(record, group, cell)
        codes = record.groups[link.upstream].codes
        for before, code in enumerate(codes):
            if _FIRST_FINAL <= code <= _LAST_FINAL:
                for cell in link.after(before):
                    settle(record, group, cell)


def settle_run(record: RunRecord) -> None:
    """Hold and release in all steps, after a run has been opened or loaded."""
    for group in record.groups.values():
        settle_all(record, group)
