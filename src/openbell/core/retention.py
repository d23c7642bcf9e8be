"""What of the past may go, and when: the policy, and which runs it lets go.

Runs are let go oldest first, each as a whole. What somebody may still need stays whatever its age: runs that
have not ended, the newest of every pipeline, and those that something refers to (the last success of a step
or of a data set, inputs that are not put away, letters that are under way).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from openbell.core.requests import PruneRuns
    from openbell.core.state import State

Part = Literal["runs", "logs", "events"]
"""What goes of a run: all of it, the files of its attempts, its event file."""

KEEP = 10
"""Runs of each pipeline that stay whatever their age, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept; None: for ever. The newest `keep` runs of a pipeline stay whatever their age."""

    runs: timedelta | None = None
    keep: int | None = None
    logs: timedelta | None = None
    events: timedelta | None = None

    @property
    def unlimited(self) -> bool:
        """Nothing ever goes."""
        return (self.runs, self.logs, self.events) == (None, None, None)

    def age(self, part: Part) -> timedelta | None:
        """The age at which a part goes; None when it stays."""
        return {"runs": self.runs, "logs": self.logs, "events": self.events}[part]


class Aged(NamedTuple):
    """A run and its age. `closed_at` is None while it is under way."""

    id: str
    name: str
    opened_at: datetime
    closed_at: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Prune:
    """These runs, or these parts of them, are gone for good. What is written about them goes with it."""

    at: datetime
    runs: tuple[str, ...]
    parts: tuple[Part, ...]
    actor: str = ""
    reason: str = ""
    before: datetime | None = None
    """What is about no run (misses, who led) is gone as well where it is older."""


def expired(
    policy: Retention,
    part: Part,
    runs: Iterable[Aged],
    needed: Collection[str],
    now: datetime,
    least: Collection[tuple[str, int]] = (),
) -> list[Aged]:
    """What the policy lets go, oldest first. `runs`: all there are, newest first.

    `needed`: runs that something refers to. `least`: (pipeline, count) of which so many have to stay.
    """
    age = policy.age(part)
    if age is None:
        return []
    floor = dict(least)
    ranks: dict[str, int] = {}
    found = []
    for run in runs:
        rank = ranks[run.name] = ranks.get(run.name, 0) + 1
        keep = max(1, KEEP if policy.keep is None else policy.keep, floor.get(run.name, 0))
        old = run.closed_at is not None and now - run.closed_at >= age
        if old and rank > keep and run.id not in needed:
            found.append(run)
    return found[::-1]


def portions(runs: Iterable[Aged], tasks: int, most: int) -> Iterator[list[Aged]]:
    """The runs in portions of so many tasks and so many runs at most: each is one transaction."""
    portion: list[Aged] = []
    for run in runs:
        if portion and (len(portion) == most or sum(one.size for one in portion) + run.size > tasks):
            yield portion
            portion = []
        portion.append(run)
    if portion:
        yield portion


def pruning(state: State, request: PruneRuns, now: datetime) -> Prune | None:
    """What of a request can be done: what is under way, or is needed by what is, stays. None for nothing."""
    active = [record for record in state.runs.values() if record.outcome is None]
    stays = (
        {record.id for record in active} | set(state.fired) | {chore.run for chore in state.chores.values()}
    )
    stays |= {dataset.run for dataset in state.datasets.values()}
    stays |= {alert.run for alert in state.alerts.values()}
    for record in active:
        stays |= set(record.past.successes.values()) if record.past is not None else set()
        stays |= {group.fallback for group in record.groups.values()}
    runs = tuple(run for run in request.runs if run not in stays or "runs" not in request.parts)
    runs = tuple(run for run in runs if run not in {record.id for record in active})
    if not runs:
        return None
    return Prune(now, runs, request.parts, request.actor, request.reason, request.before)
