"""Alerts and the outbox as rows: what events make of them, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from openbell.core.alerts import (
    Acknowledge,
    Alert,
    Bounced,
    Delivered,
    Letter,
    Notify,
    Severity,
    Topic,
    letters,
)
from openbell.core.state import State
from openbell.store.records import AlertInfo, LetterInfo

Row = dict[str, Any]


@dataclass(slots=True)
class Post:
    """Rows to write: new alerts, what has become of others, those that still stand, letters, deliveries."""

    raised: list[Row] = field(default_factory=list)
    marked: dict[int, Row] = field(default_factory=dict)
    standing: dict[str, tuple[datetime, tuple[int, ...]]] = field(default_factory=dict)
    """Run -> (when, numbers): its other alerts are resolved then."""
    letters: list[Row] = field(default_factory=list)
    posted: dict[str, Row] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.raised or self.marked or self.standing or self.letters or self.posted)

    def take(self, event: Notify | Acknowledge | Delivered | Bounced) -> None:
        """Keep the books of one event."""
        match event:
            case Notify():
                if event.level == 0:
                    self.raised.append(_alert_row(event))
                else:
                    self.marked.setdefault(event.alert, {})["escalated_at"] = event.at
                self.letters += [_letter_row(letter) for letter in letters(event)]
            case Acknowledge():
                said = {"acknowledged_by": event.actor, "note": event.reason, "acknowledged_at": event.at}
                self.marked.setdefault(event.alert, {}).update(said)
            case Delivered():
                row = {"tries": event.tries, "tried_at": event.at, "error": None}
                self.posted[event.letter] = {**row, "delivered_at": event.at, "given_up_at": None}
            case Bounced():
                row = {"tries": event.tries, "tried_at": event.at, "error": event.error}
                given_up = event.at if event.final else None
                self.posted[event.letter] = {**row, "delivered_at": None, "given_up_at": given_up}

    def settle(self, run: str, state: State, at: datetime) -> None:
        """The alerts of a run that do not stand any more are resolved."""
        record = state.runs.get(run)
        if record is not None:
            self.standing[run] = (at, tuple(record.alerts.values()))


def _alert_row(event: Notify) -> Row:
    return {
        "number": event.alert,
        "run": event.run,
        "step": event.step,
        "topic": event.topic.value,
        "severity": event.severity.value,
        "text": event.text,
        "at": event.at,
        "escalate_to": json.dumps(event.escalate_to),
        "escalate_at": event.escalate_at,
        **dict.fromkeys(("escalated_at", "acknowledged_at", "acknowledged_by", "note", "resolved_at")),
    }


def _letter_row(letter: Letter) -> Row:
    row = {**asdict(letter), "topic": letter.topic.value, "severity": letter.severity.value}
    return row | dict.fromkeys(("error", "tried_at", "delivered_at", "given_up_at"))


def escalating(row: Any) -> Alert:
    """An alert that nobody has seen to yet."""
    to = tuple(json.loads(row.escalate_to))
    return Alert(row.number, row.run, row.step, Topic(row.topic), row.text, to, row.escalate_at)


def standing(rows: Iterable[Any]) -> dict[tuple[str, Topic], int]:
    """The alerts of a run that stand, by step and topic."""
    return {(row["step"], Topic(row["topic"])): row["number"] for row in rows}


def alert_info(row: Any) -> AlertInfo:
    return AlertInfo(
        number=row.number,
        run=row.run,
        step=row.step,
        topic=Topic(row.topic),
        severity=Severity(row.severity),
        text=row.text,
        at=row.at,
        escalate_to=tuple(json.loads(row.escalate_to)),
        escalate_at=row.escalate_at,
        escalated_at=row.escalated_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by or "",
        note=row.note or "",
        resolved_at=row.resolved_at,
    )


def letter_info(row: Any) -> LetterInfo:
    letter = Letter(
        id=row.id,
        alert=row.alert,
        level=row.level,
        channel=row.channel,
        run=row.run,
        step=row.step,
        topic=Topic(row.topic),
        severity=Severity(row.severity),
        text=row.text,
        at=row.at,
        tries=row.tries,
    )
    return LetterInfo(letter, row.error or "", row.tried_at, row.delivered_at, row.given_up_at)
