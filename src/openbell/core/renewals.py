"""What was made of an input that has got better since, and is made again.

A step that went on with some of what it needs, or with what stood for it, is out of date when what was
lacking succeeds after all: `evolve` flags its cells then, and `decide` opens them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from openbell.core.events import Reopen
from openbell.core.gates import expired, missed
from openbell.core.group import MARKED, OUTDATED
from openbell.core.inputs import Consume
from openbell.core.needs import Fate, called, prospects, unmet
from openbell.core.state import Group, RunRecord
from openbell.core.states import TaskState

MADE = (TaskState.SUCCEEDED, TaskState.FAILED)
"""States of cells that something was made of their input in."""


def outdate(group: Group, cells: Iterable[int]) -> None:
    """These cells have succeeded at last: flag what has begun without them."""
    for cell in cells:
        for link, follower in group.followers:
            for other in link.after(cell):
                _flag(follower, other, group)
    for origin in _origins(group):
        for consumer in origin.consumers:
            for cell in range(consumer.size) if _began(consumer) else ():
                _flag(consumer, cell, group)
        if origin is not group:
            _outdate_like(origin, group)


def _outdate_like(origin: Group, group: Group) -> None:
    """Flag the cells that need the same cell of a step, and had what stands in for it."""
    for link, follower in origin.followers:
        if follower is not origin:
            for cell in range(origin.size):
                for other in link.after(cell) if origin.state(cell) is TaskState.FAILED else ():
                    _flag(follower, other, group)


def _origins(group: Group) -> Iterator[Group]:
    """The step, and those for which it stands because they have failed."""
    yield group
    for other in group.stands_in_for:
        if other.count(TaskState.FAILED):
            yield from _origins(other)


def _began(group: Group) -> bool:
    done = group.count(TaskState.SUCCEEDED) + group.count(TaskState.FAILED)
    return done + len(group.live) > group.outdated


def _flag(group: Group, cell: int, without: Group) -> None:
    """Flag a cell that has begun; not one that somebody has marked, nor one whose input was put away."""
    state, files = group.state(cell), group.step.files
    begun = group.tries[cell] and (state.live or state in MADE)
    if begun and not group.flags[cell] and (files is None or files.consume is Consume.KEEP):
        group.flag(cell, OUTDATED)
        group.without = without.step.name


def renewals(record: RunRecord, group: Group, now: datetime) -> Iterator[Reopen]:
    """Open again what is out of date, as soon as all that it needs is there, unless its time is over."""
    if missed(group, now) or expired(group, now) or called(group) is not Fate.MET or unmet(record, group):
        return
    cells = [
        cell
        for cell in group.flagged(OUTDATED)
        if group.state(cell) in MADE
        and all(found is Fate.MET for found, _, _ in prospects(record, group, cell))
    ]
    reason = f"made before {group.without or 'what it needs'} had succeeded"
    made = sum(map(group.count, MADE))
    if len(cells) > 1 and len(cells) == made - _marked(group):
        yield Reopen(now, record.id, group.step.name, MADE, reason)
        return
    for cell in cells:
        yield Reopen(now, record.id, group.step.name, (group.state(cell),), reason, cell)


def _marked(group: Group) -> int:
    return sum(group.state(cell) in MADE for cell in group.flagged(MARKED))
