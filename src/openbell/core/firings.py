"""The events of triggers: what they are at, what they lead to, and what they miss."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from openbell.core.inputs import InputFile


@dataclass(frozen=True, slots=True)
class Watch:
    """A trigger is heeded from `position` on: an instant in ISO form, or the label of a session."""

    at: datetime
    pipeline: str
    trigger: str
    position: str


@dataclass(frozen=True, slots=True)
class Unwatch:
    """The trigger is gone from its pipeline."""

    at: datetime
    pipeline: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Fire:
    """The occasion has come: a run of this pipeline is due. It stands until a run answers for it.

    `queued`: its predecessor still runs. The same comes again without that when it is its turn.
    """

    at: datetime
    pipeline: str
    trigger: str
    position: str
    key: str
    nominal: datetime
    session: date | None = None
    mode: str = ""
    queued: bool = False
    files: tuple[InputFile, ...] = ()
    """Those whose arrival it is. They open no other run."""

    @property
    def run(self) -> str:
        """The id of the run that it leads to."""
        return f"{self.pipeline}/{self.key}"


@dataclass(frozen=True, slots=True)
class Miss:
    """Occasions that no run will answer for: `count` of them, from the key `first` to the key `last`."""

    at: datetime
    pipeline: str
    trigger: str
    position: str
    first: str
    last: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unplanned:
    """No run comes of an occasion that had come: its file or its calendar does not allow it, or it was
    queued in vain."""

    at: datetime
    pipeline: str
    trigger: str
    key: str
    reason: str
