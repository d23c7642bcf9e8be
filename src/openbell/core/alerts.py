"""Whom to tell, and when: the words of alerts, what a definition says about them, and their events.

An alert is raised once: by the first failure of a step, by the end of a run, by a deadline that has passed.
It stands until what raised it is opened again. Its letters go through the outbox: they are written in the
transaction that raises it, and delivered as often as it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Severity(StrEnum):
    """How much it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Topic(StrEnum):
    """What an alert is about."""

    FAILURE = "failure"
    """A step has failed, or a run has not ended well."""
    SUCCESS = "success"
    """A step or a run has succeeded."""
    OVERDUE = "overdue"
    """A run has not ended by its deadline."""


# ── what a definition says ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Escalation:
    """Channels that are told when nobody has seen to an alert for so long."""

    to: tuple[str, ...]
    after: timedelta


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is told of something."""

    notify: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    escalate: Escalation | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told of the failure and of the success of a step or a pipeline. None: nobody."""

    failure: Notice | None = None
    success: Notice | None = None


NOBODY = Alerts()
"""Nobody is told of anything."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when a run has to have ended: an instant, or so long after its opening."""

    notice: Notice
    at: datetime | None = None
    after: timedelta | None = None

    def of(self, opened_at: datetime) -> datetime | None:
        """The deadline of a run; None where its definition is not bound to a session yet."""
        return opened_at + self.after if self.after is not None else self.at


# ── what stands ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that nobody has seen to yet, and that escalates."""

    number: int
    run: str
    step: str
    topic: Topic
    text: str
    to: tuple[str, ...]
    at: datetime


# ── actions ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell these channels. An alert is raised by its first one (`level` 0); level 1 is its escalation."""

    at: datetime
    alert: int
    run: str
    step: str
    """The step that it is about; empty: the run as a whole."""
    topic: Topic
    severity: Severity
    channels: tuple[str, ...]
    text: str
    level: int = 0
    escalate_to: tuple[str, ...] = ()
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """The deadline of a run has passed, and it has not ended. Once a run."""

    at: datetime
    run: str
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody sees to an alert: it does not escalate any more."""

    at: datetime
    run: str
    alert: int
    actor: str
    reason: str = ""


# ── facts ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Delivered:
    """A channel has taken a letter."""

    at: datetime
    run: str
    letter: str
    channel: str
    tries: int


@dataclass(frozen=True, slots=True)
class Bounced:
    """A channel has not taken a letter. `final`: it is not tried again."""

    at: datetime
    run: str
    letter: str
    channel: str
    tries: int
    error: str
    final: bool = False


# ── the outbox ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be told to one channel; `tries` have been made."""

    id: str
    alert: int
    level: int
    channel: str
    run: str
    step: str
    topic: Topic
    severity: Severity
    text: str
    at: datetime
    tries: int = 0


def letters(event: Notify) -> list[Letter]:
    """The letters of an alert, one a channel. Their ids follow from it: written twice, they are the same."""
    return [
        Letter(
            id=f"{event.alert}.{event.level}.{channel}",
            alert=event.alert,
            level=event.level,
            channel=channel,
            run=event.run,
            step=event.step,
            topic=event.topic,
            severity=event.severity,
            text=event.text,
            at=event.at,
        )
        for channel in dict.fromkeys(event.channels)
    ]
