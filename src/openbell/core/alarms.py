"""Which alerts are to be raised, escalated, and taken back: pure functions over the state.

Level-triggered: a step that has failed and of which nobody has been told is told of, whenever that is
found. What has been told stands in the record of its run until the step, or the run, is opened again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from openbell.core.alerts import (
    Acknowledge,
    Alert,
    Bounced,
    Delivered,
    Letter,
    Notice,
    Notify,
    Overdue,
    Severity,
    Topic,
)
from openbell.core.model import Run
from openbell.core.needs import tally
from openbell.core.state import Group, RunRecord, State
from openbell.core.states import RunState, TaskState

_LONGEST = 300  # characters of an error

# ── what is to be done ───────────────────────────────────────────────────────────────────────


def alarms(record: RunRecord, numbers: Iterator[int], now: datetime) -> Iterator[Notify | Overdue]:
    """What there is to be told of a run that is under way. `numbers`: those of the next alerts."""
    if (deadline := overdue_at(record)) is not None and deadline <= now:
        yield Overdue(now, record.id, deadline)
        policy = record.run.pipeline.deadline
        assert policy is not None
        yield from _raise(record, "", Topic.OVERDUE, policy.notice, _late(record.run, deadline), numbers, now)
    for name, group in record.groups.items():
        policies = group.step.alerts
        if policies.failure is not None and group.count(TaskState.FAILED):
            text = f"{name}: {tally(group)}" + _because(group)
            yield from _raise(record, name, Topic.FAILURE, policies.failure, text, numbers, now)
        if policies.success is not None and _succeeded(group):
            text = f"{name}: {tally(group)}"
            yield from _raise(record, name, Topic.SUCCESS, policies.success, text, numbers, now)


def ending(record: RunRecord, outcome: RunState, numbers: Iterator[int], now: datetime) -> Iterator[Notify]:
    """What there is to be told of a run that ends now."""
    policies = record.run.pipeline.alerts
    well = outcome is RunState.SUCCEEDED
    policy, topic = (policies.success, Topic.SUCCESS) if well else (policies.failure, Topic.FAILURE)
    if policy is not None:
        counts = [(state, record.count(state)) for state in TaskState]
        told = ", ".join(f"{count} {state.name.lower()}" for state, count in counts if count)
        failed = next((group for group in record.groups.values() if group.count(TaskState.FAILED)), None)
        text = f"{outcome.value}: {told}" + (_because(failed) if failed is not None else "")
        yield from _raise(record, "", topic, policy, text, numbers, now)


def escalations(state: State, now: datetime) -> Iterator[Notify]:
    """Alerts that nobody has seen to in time."""
    for alert in state.alerts.values():
        if alert.at <= now:
            yield Notify(
                at=now,
                alert=alert.number,
                run=alert.run,
                step=alert.step,
                topic=alert.topic,
                severity=Severity.HIGH,
                channels=alert.to,
                text=f"nobody has seen to this: {alert.text}",
                level=1,
            )


def overdue_at(record: RunRecord) -> datetime | None:
    """When a run will be overdue; None for one that has no deadline, or is overdue already."""
    policy = record.run.pipeline.deadline
    return policy.of(record.run.opened_at) if policy is not None and record.overdue is None else None


def _raise(
    record: RunRecord,
    step: str,
    topic: Topic,
    policy: Notice,
    text: str,
    numbers: Iterator[int],
    now: datetime,
) -> Iterator[Notify]:
    if (step, topic) in record.alerts:
        return
    later = policy.escalate
    yield Notify(
        at=now,
        alert=next(numbers),
        run=record.id,
        step=step,
        topic=topic,
        severity=policy.severity,
        channels=policy.notify,
        text=text,
        escalate_to=later.to if later is not None else (),
        escalate_at=now + later.after if later is not None else None,
    )


def _succeeded(group: Group) -> bool:
    return 0 < group.size == group.count(TaskState.SUCCEEDED)


def _because(group: Group) -> str:
    return f": {group.error[:_LONGEST]}" if group.error else ""


def _late(run: Run, deadline: datetime) -> str:
    local = deadline.astimezone(ZoneInfo(run.pipeline.tz))
    return f"has not ended by {local:%Y-%m-%d %H:%M:%S %Z}"


# ── what has been done ───────────────────────────────────────────────────────────────────────


def note(state: State, event: Notify | Overdue | Acknowledge | Delivered | Bounced) -> None:
    """Take note of what was told, and of who sees to it. The books of the outbox are the store's."""
    record = state.runs.get(event.run)
    match event:
        case Overdue():
            if record is not None:
                record.overdue = event.deadline
        case Notify(level=0):
            state.next_alert = max(state.next_alert, event.alert + 1)
            if record is not None:
                record.alerts[event.step, event.topic] = event.alert
            if event.escalate_at is not None:
                state.alerts[event.alert] = Alert(
                    event.alert,
                    event.run,
                    event.step,
                    event.topic,
                    event.text,
                    event.escalate_to,
                    event.escalate_at,
                )
        case Notify() | Acknowledge():
            state.alerts.pop(event.alert, None)


def reopened(state: State, record: RunRecord, step: str) -> None:
    """Tasks of a step wait again: its success is no more, nor its failure if none is left."""
    gone = [("", Topic.FAILURE), ("", Topic.SUCCESS), (step, Topic.SUCCESS)]
    if not record.groups[step].count(TaskState.FAILED):
        gone.append((step, Topic.FAILURE))
    _take_back(state, record, gone)


def closed(state: State, record: RunRecord) -> None:
    """A run that has ended is not late any more."""
    _take_back(state, record, [("", Topic.OVERDUE)])


def _take_back(state: State, record: RunRecord, gone: list[tuple[str, Topic]]) -> None:
    for key in gone:
        if (number := record.alerts.pop(key, None)) is not None:
            state.alerts.pop(number, None)


# ── letters ──────────────────────────────────────────────────────────────────────────────────


def message(letter: Letter, run: Run | None) -> dict[str, Any]:
    """What a channel is given: JSON data. Of a run that is not kept any more, less is known."""
    where = f"{letter.run}/{letter.step}" if letter.step else letter.run
    zone = ZoneInfo(run.pipeline.tz) if run is not None else UTC
    told: dict[str, Any] = {
        "id": letter.id,
        "alert": letter.alert,
        "topic": letter.topic.value,
        "severity": letter.severity.value,
        "escalation": letter.level > 0,
        "subject": f"{where}: {letter.topic.value}",
        "text": letter.text,
        "timestamp": letter.at.astimezone(zone).isoformat(),
        "run_id": letter.run,
        "step": letter.step or None,
        **dict.fromkeys(("uid", "pipeline", "title", "market", "session")),
    }
    if run is not None:
        pipeline = run.pipeline
        told |= {"uid": run.uid, "pipeline": pipeline.name, "title": pipeline.shown}
        told |= {"market": pipeline.market, "session": pipeline.sessions.get("session")}
    return told
