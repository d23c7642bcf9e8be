"""How pipelines and their project are doing: pure folds of what the store and the machine tell.

What a person has cancelled is held against nobody, and what a pipeline has never done is no failure of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from openbell.core.durations import Durations
from openbell.core.freshness import span
from openbell.core.model import AttemptKey
from openbell.core.states import RunState, TaskState

if TYPE_CHECKING:
    from openbell.core.state import RunRecord

RECENT = 20
"""Ended runs that an error rate and an average are of."""

_UNWELL = (RunState.FAILED, RunState.PARTIAL)


class Status(StrEnum):
    """How somebody is doing, from well to badly."""

    HEALTHY = "healthy"
    NEW = "new"
    """It has never run."""
    DEGRADED = "degraded"
    """Something needs a look, and the last run was no failure."""
    FAILING = "failing"
    """The last run has failed; of the project: nothing starts."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A run as its history tells it."""

    id: str
    state: RunState
    opened_at: datetime
    closed_at: datetime | None = None
    session: str = ""
    paused: str = ""
    overdue: datetime | None = None

    @property
    def took(self) -> timedelta | None:
        """From its opening to its end; None before that."""
        return self.closed_at - self.opened_at if self.closed_at is not None else None


@dataclass(frozen=True, slots=True)
class Missed:
    """The last occasion that no run answers for."""

    key: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Coming:
    """What opens the next run: at an instant, or when something else has happened."""

    trigger: str
    told: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Provided:
    """A data set that a pipeline provides. `stale`: for whom it is too old, and why."""

    name: str
    at: datetime | None
    session: str = ""
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stuck:
    """An attempt that has run for longer than its like: the rule of the stall warning, task by task."""

    key: AttemptKey
    since: datetime
    usual: timedelta
    """What would have been patience enough."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a pipeline: its runs (newest first), those under way, its surroundings."""

    name: str
    runs: Sequence[Brief] = ()
    success: Brief | None = None
    """Its last success, however long ago."""
    under_way: Sequence[RunRecord] = ()
    history: Mapping[str, Durations] = field(default_factory=dict)
    """Of the tasks of its last runs, by step: what runs now is judged by them."""
    missed: Missed | None = None
    provides: Sequence[Provided] = ()
    coming: Sequence[Coming] = ()
    title: str = ""
    market: str = ""
    scheduled: bool = False
    """Whether it has triggers that somebody heeds."""


@dataclass(frozen=True, slots=True)
class PipelineHealth:
    """How a pipeline is doing. `of` holds what that follows from."""

    of: Observed
    status: Status
    reasons: tuple[str, ...]
    last: Brief | None
    """Its newest run, ended or not."""
    ended: int
    """Ended runs that count, of the last `RECENT`."""
    failed: int
    """Those of them in which something has failed for good."""
    in_a_row: int
    """Failures since the last success."""
    mean: timedelta | None
    p95: timedelta | None
    stuck: tuple[Stuck, ...]

    @property
    def error_rate(self) -> float | None:
        """The share of ended runs in which something has failed; None before the first has ended."""
        return self.failed / self.ended if self.ended else None


def pipeline_health(of: Observed, now: datetime) -> PipelineHealth:
    """How a pipeline is doing at an instant."""
    ended = [run for run in of.runs if run.state.final and run.state is not RunState.CANCELLED][:RECENT]
    lengths = sorted(run.took for run in ended if run.took is not None)
    in_a_row = next((n for n, run in enumerate(ended) if run.state not in _UNWELL), len(ended))
    stuck = tuple(one for record in of.under_way for one in overlong(record, of.history, now))
    reasons = tuple(_reasons(of, ended, stuck, now))
    last = of.runs[0] if of.runs else None
    return PipelineHealth(
        of=of,
        status=_status(of, ended, reasons),
        reasons=reasons,
        last=last,
        ended=len(ended),
        failed=sum(run.state in _UNWELL for run in ended),
        in_a_row=in_a_row,
        mean=sum(lengths, timedelta()) / len(lengths) if lengths else None,
        p95=lengths[-(-len(lengths) * 95 // 100) - 1] if lengths else None,
        stuck=stuck,
    )


def _status(of: Observed, ended: Sequence[Brief], reasons: Sequence[str]) -> Status:
    if ended and ended[0].state is RunState.FAILED:
        return Status.FAILING
    if reasons:
        return Status.DEGRADED
    return Status.HEALTHY if of.runs else Status.NEW


def _reasons(of: Observed, ended: Sequence[Brief], stuck: Sequence[Stuck], now: datetime) -> list[str]:
    """What is not as it should be, the worst first."""
    found = []
    if ended and ended[0].state in _UNWELL:
        found.append(_ending(ended[0], of.success, now))
    late = [run for run in of.runs if run.overdue is not None and not run.state.final]
    found += [f"{run.id} is overdue since {run.overdue:%Y-%m-%d %H:%M:%S} UTC" for run in late]
    found += [f"{run.id} is paused: {run.paused}" for run in of.runs if run.paused]
    for record in of.under_way:
        if failed := record.count(TaskState.FAILED):
            found.append(f"{record.id}: {failed:,} task{'s have' if failed > 1 else ' has'} failed so far")
    found += [f"{one.key} has run for {span(now - one.since)}: {span(one.usual)} is long" for one in stuck]
    found += [reason for data in of.provides for reason in data.stale]
    missed = of.missed
    if missed is not None and (not of.runs or missed.at > of.runs[0].opened_at):
        found.append(f"missed {missed.key}: {missed.reason}")
    return found


def _ending(run: Brief, success: Brief | None, now: datetime) -> str:
    told = "has failed" if run.state is RunState.FAILED else "has ended in part: some tasks have failed"
    if success is None:
        return f"{run.id} {told}; it has never succeeded"
    since = success.closed_at or success.opened_at
    return f"{run.id} {told}; the last success was {success.id}, {span(now - since)} ago"


def overlong(record: RunRecord, history: Mapping[str, Durations], now: datetime) -> list[Stuck]:
    """The attempts of a run that take longer than what is long in it, and in that step of earlier ones."""
    found = []
    for name, group in record.groups.items():
        known = [one for one in (record.durations, history.get(name)) if one is not None and one.count]
        usual = max((one.patience for one in known), default=record.durations.patience)
        for cell, live in group.live.items() if not group.step.hold else ():
            if now - live.since > usual:
                found.append(Stuck(AttemptKey(record.id, name, cell, live.attempt), live.since, usual))
    return found


@dataclass(frozen=True, slots=True)
class Machine:
    """What the project lives on. Sizes in bytes; None where they cannot be told."""

    trouble: str = ""
    """Why the store does not answer; empty when it does."""
    size: int | None = None
    """Of the store."""
    schema: str = ""
    free: int | None = None
    """Free space of the disk of the state folder."""
    floor: int = 0
    """The free space below which nothing starts."""
    memory: int | None = None
    """What is available of `memory_total`."""
    memory_total: int | None = None


@dataclass(frozen=True, slots=True)
class ProjectHealth:
    """How a project is doing: the worst of its machine and of the pipelines that somebody counts on."""

    status: Status
    reasons: tuple[str, ...]
    """What is not as it should be with the machine and the files."""
    pipelines: tuple[PipelineHealth, ...]
    machine: Machine


def project_health(
    pipelines: Sequence[PipelineHealth], machine: Machine, broken: Sequence[str] = ()
) -> ProjectHealth:
    """How a project is doing. `broken`: names of its files that cannot be used.

    A pipeline that nothing opens by itself, and of which nothing is under way, is of the past: how its last
    run ended says nothing about the project.
    """
    found = [(Status.DEGRADED, f"{name} cannot be used: openbell validate {name}") for name in broken]
    if machine.trouble:
        found.append((Status.FAILING, f"the store does not answer: {machine.trouble}"))
    if machine.free is not None and machine.free < machine.floor * _ROOM:
        low = machine.free < machine.floor
        told = "nothing starts" if low else f"below {sized(machine.floor)} nothing starts"
        status = Status.FAILING if low else Status.DEGRADED
        found.append((status, f"the disk of the state folder has {sized(machine.free)} left: {told}"))
    if machine.memory is not None and machine.memory_total and machine.memory < machine.memory_total * _SPARE:
        told = f"{sized(machine.memory)} of {sized(machine.memory_total)} of memory are available"
        found.append((Status.DEGRADED, told))
    counted = [one.status for one in pipelines if one.of.scheduled or one.of.under_way]
    statuses = {status for status, _ in found} | {one for one in counted if one is not Status.NEW}
    worst = max(statuses, key=list(Status).index, default=Status.HEALTHY)
    return ProjectHealth(worst, tuple(told for _, told in found), tuple(pipelines), machine)


_ROOM = 4  # times the floor: below that, the disk is worth a look
_SPARE = 0.05  # of the memory


def sized(size: float) -> str:
    """`205 kB`, `128 MB`, `1.5 GB`."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
