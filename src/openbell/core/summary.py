"""A run in numbers: what is shown while it goes, and what it comes to. Pure folds of its record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.core.group import MARKED
from openbell.core.model import AttemptKey, Need, Step
from openbell.core.needs import source
from openbell.core.state import Group, RunRecord
from openbell.core.states import FailureKind, RunState, TaskState
from openbell.core.windows import is_open
from openbell.errors import ExitCode

_NEVER_RAN = {FailureKind.START, FailureKind.LATE}


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts by state, the pace, and the oldest attempt that lives."""

    total: int
    counts: dict[TaskState, int]
    failures: dict[FailureKind, int]
    mean_seconds: float
    remaining: timedelta | None
    """Estimate of the time to the end; None before the first task has ended."""
    oldest: tuple[AttemptKey, datetime] | None

    @property
    def final(self) -> int:
        return sum(count for state, count in self.counts.items() if state.final)

    @property
    def live(self) -> int:
        return sum(count for state, count in self.counts.items() if state.live)


def summarize(record: RunRecord) -> Summary:
    """The run in numbers."""
    counts = {state: record.count(state) for state in TaskState}
    oldest = min(
        (
            (live.since, AttemptKey(record.id, name, cell, live.attempt))
            for name, group in record.groups.items()
            for cell, live in group.live.items()
        ),
        default=None,
    )
    pending = (group for group in record.groups.values() if not group.step.hold)
    unfinished = sum(group.waiting + len(group.live) for group in pending)
    remaining = None
    if record.durations.count:
        abreast = max(1, record.live)
        remaining = timedelta(seconds=record.durations.mean * unfinished / abreast)
    return Summary(
        total=record.size,
        counts=counts,
        failures=failures(record),
        mean_seconds=record.durations.mean,
        remaining=remaining,
        oldest=(oldest[1], oldest[0]) if oldest else None,
    )


def not_before(record: RunRecord, now: datetime) -> datetime | None:
    """When the first step may begin whose time has not come; None when no step waits for its time.

    Until then nobody knows how long the run will take: an estimate is of work, not of waiting.
    """
    waiting = (group.step for group in record.groups.values() if group.waiting and not group.step.hold)
    found = [at for step in waiting if (at := _opens(step, now)) is not None]
    return min(found, default=None)


def _opens(step: Step, now: datetime) -> datetime | None:
    """When a step may begin, if that lies ahead."""
    if step.openings and not any(one.start <= now for one in step.openings):
        return step.openings[0].start
    if step.window is not None:
        opened, until = is_open(step.window, now)
        return None if opened else until
    return None


def failures(record: RunRecord) -> dict[FailureKind, int]:
    """Final failures by kind."""
    found: dict[FailureKind, int] = {}
    for group in record.groups.values():
        for kind in group.kinds.values():
            found[kind] = found.get(kind, 0) + 1
    return found


def outcome(record: RunRecord) -> RunState:
    """What a run whose tasks are all final has come to."""
    if record.count(TaskState.FAILED):
        partial = record.count(TaskState.SUCCEEDED) or not record.failed
        return RunState.PARTIAL if partial else RunState.FAILED
    return RunState.CANCELLED if record.count(TaskState.CANCELLED) else RunState.SUCCEEDED


def concessions(record: RunRecord) -> list[str]:
    """What the run has made do with: steps that failed without holding up the others, what somebody has
    marked, what is out of date.
    """
    found = []
    for name, group in record.groups.items():
        told = _conceded(record, group)
        found += [told] if told else []
        for state in (TaskState.SUCCEEDED, TaskState.SKIPPED):
            if count := sum(group.state(cell) is state for cell in group.flagged(MARKED)):
                found.append(
                    f"{count:,} of {group.size:,} tasks of {name} marked {state.name.lower()} by hand"
                )
        if group.outdated and record.outcome is not None:
            found.append(f"{group.outdated:,} of {group.size:,} tasks of {name} are out of date")
    return found


def _conceded(record: RunRecord, group: Group) -> str:
    name, policy = group.step.name, group.step.on_failure
    failed, succeeded = group.count(TaskState.FAILED), group.count(TaskState.SUCCEEDED)
    run, step = source(record, Need(name))
    if not failed or not group.closed:
        return ""
    if group.step.partial and succeeded:
        return f"{failed:,} of {group.size:,} tasks of {name} have failed; the others are enough"
    if run != record.id:
        return f"{name} has failed; its results of {run} stand for it"
    if step != name:
        return f"{name} has failed; {step} stands in for it"
    return f"{name} has failed; the run goes on without it" if policy.goes_on else ""


def exit_code(record: RunRecord) -> ExitCode:
    """0 all well, 1 some could not be created, 2 some failed, 3 both; 130 when the rest was cancelled."""
    kinds = failures(record)
    creation = bool(kinds.keys() & _NEVER_RAN)
    execution = bool(kinds.keys() - _NEVER_RAN)
    if creation or execution:
        return ExitCode(creation * ExitCode.CREATION_FAILED + execution * ExitCode.EXECUTION_FAILED)
    unfinished = record.count(TaskState.CANCELLED) or record.outcome is None
    return ExitCode.INTERRUPTED if unfinished else ExitCode.OK


def stall_at(record: RunRecord) -> datetime | None:
    """When silence becomes worth a warning: nothing has ended for long, measured by this run's own tasks."""
    lively = [group for group in record.groups.values() if group.live and not group.step.hold]
    starts = [live.since for group in lively for live in group.live.values()]
    if not starts:
        return None
    return max(record.last_end, min(starts)) + record.durations.patience
