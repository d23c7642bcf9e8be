"""The laws of alerts: everything that is wrong is told once, and nothing else is.

Written against the journal alone: what stands is worked out anew here, not asked of the core.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from openbell.core.alarms import overdue_at
from openbell.core.alerts import Acknowledge, Notify, Topic
from openbell.core.events import CloseRun, Event, Mark, Reopen
from openbell.core.evolve import evolve
from openbell.core.state import Limits, RunRecord, State
from openbell.core.states import RunState, TaskState
from openbell.core.summary import outcome
from openbell.sim.world import Broken
from openbell.store.protocol import Store

_Key = tuple[str, str, Topic]


class Told:
    """What has been told, by run, step and topic, and what waits for somebody to see to it."""

    def __init__(self) -> None:
        self.standing: dict[_Key, int] = {}
        self.waiting: dict[int, datetime] = {}
        self.letters: list[str] = []

    def before(self, event: Event, state: State) -> None:
        """`state` is the one before the event."""
        match event:
            case Notify(level=0):
                key = (event.run, event.step, event.topic)
                if key in self.standing:
                    raise Broken(f"alert {event.alert} tells what {self.standing[key]} has told: {key}")
                if not _holds(state.runs[event.run], event.step, event.topic):
                    raise Broken(f"alert {event.alert} tells what is not so: {key}")
                self.standing[key] = event.alert
                if event.escalate_at is not None:
                    self.waiting[event.alert] = event.escalate_at
            case Notify():
                due = self.waiting.pop(event.alert, None)
                if due is None or event.at < due:
                    raise Broken(f"alert {event.alert} escalates, and is seen to, or it is not its time")
            case Acknowledge():
                self.waiting.pop(event.alert, None)
        if isinstance(event, Notify):
            self.letters += [f"{event.alert}.{event.level}.{channel}" for channel in event.channels]

    def after(self, event: Event, state: State) -> None:
        """`state` is the one after the event."""
        if isinstance(event, CloseRun):
            self._resolve((event.run, "", Topic.OVERDUE))
            record = state.runs[event.run]
            if (due := overdue_at(record)) is not None and due < event.at:
                raise Broken(f"{event.run} has missed its deadline, and nobody has noticed")
        elif isinstance(event, Reopen | Mark):
            self._resolve((event.run, "", Topic.FAILURE), (event.run, "", Topic.SUCCESS))
            self._resolve((event.run, event.step, Topic.SUCCESS))
            if not state.runs[event.run].groups[event.step].count(TaskState.FAILED):
                self._resolve((event.run, event.step, Topic.FAILURE))

    def _resolve(self, *keys: _Key) -> None:
        for key in keys:
            if (number := self.standing.pop(key, None)) is not None:
                self.waiting.pop(number, None)


def told(store: Store, limits: Limits) -> None:
    """In the end everybody knows, once, and the letters are in the outbox."""
    folded, known = State(limits), Told()
    for _, event in store.journal(limit=10**9):
        known.before(event, folded)
        evolve(folded, event)
        known.after(event, folded)
    for record in folded.runs.values():
        _nothing_untold(record, known)
    kept = store.load(limits)
    if kept.alerts != folded.alerts or kept.next_alert != folded.next_alert:
        raise Broken("the journal does not fold to the alerts that wait")
    if sorted(known.letters) != sorted(info.letter.id for info in store.letters()):
        raise Broken("the outbox does not hold one letter for each channel of each alert")


def _nothing_untold(record: RunRecord, known: Told) -> None:
    expected: list[tuple[str, Topic]] = []
    for name, group in record.groups.items():
        policies = group.step.alerts
        for topic, policy in ((Topic.FAILURE, policies.failure), (Topic.SUCCESS, policies.success)):
            if policy is not None and _holds(record, name, topic):
                expected.append((name, topic))
    of_run = record.run.pipeline.alerts
    for topic, policy in ((Topic.FAILURE, of_run.failure), (Topic.SUCCESS, of_run.success)):
        if policy is not None and record.outcome is not None and _holds(record, "", topic):
            expected.append(("", topic))
    for step, topic in expected:
        if (record.id, step, topic) not in known.standing:
            raise Broken(f"nobody has been told of the {topic} of {record.id}/{step}")


def _holds(record: RunRecord, step: str, topic: Topic) -> bool:
    """Whether it is so."""
    if not step:
        if topic is Topic.OVERDUE:
            return record.overdue is not None and record.outcome is None
        ended = record.outcome or (outcome(record) if record.complete else None)
        return ended is not None and (ended is RunState.SUCCEEDED) == (topic is Topic.SUCCESS)
    states = record.groups[step].states()
    if topic is Topic.FAILURE:
        return TaskState.FAILED in states
    return bool(states) and set(states) == {TaskState.SUCCEEDED}


def in_time(state: State, seconds: float, now: datetime) -> None:
    """No deadline of a run, and no escalation, passes while the engine sleeps for so many seconds."""
    until = now + timedelta(seconds=seconds - 1)
    due = [at for record in state.runs.values() if (at := overdue_at(record)) and record.outcome is None]
    due += [alert.at for alert in state.alerts.values()]
    if any(at < until for at in due):
        raise Broken(f"something is due at {min(due)}, and the engine sleeps until {until}")
