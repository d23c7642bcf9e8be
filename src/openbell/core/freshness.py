"""Data sets that steps provide and require: how old what is there may be, and who has to renew it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.core.words import plural


@dataclass(frozen=True, slots=True)
class Required:
    """A data set that has to be fresh: at most so old, or of one of the last sessions."""

    dataset: str
    age: timedelta | None = None
    sessions: int | None = None
    """So many sessions before the run's own at most; 0: of the very session."""
    providers: tuple[str, ...] = ()
    """Who provides it in this project, as `pipeline/step`."""

    def __str__(self) -> str:
        if self.sessions is not None:
            return plural(self.sessions, "session")
        return span(self.age or timedelta(0))


@dataclass(frozen=True, slots=True)
class Dataset:
    """The last success of whoever provides a data set."""

    name: str
    at: datetime
    run: str
    step: str
    session: str = ""
    """The session of that run, as ISO text; empty for none."""


def newer(known: Dataset | None, found: Dataset) -> bool:
    """Whether this success counts: one for a session long past, as in a backfill, makes nothing fresh."""
    return known is None or not found.session or found.session >= known.session


def oldest_session(required: Required) -> str:
    """The name under which a run knows the earliest session that will do: `session-1`."""
    return f"session-{required.sessions}" if required.sessions else "session"


def stale(required: Required, known: Dataset | None, earliest: str | None, now: datetime) -> str:
    """Why a data set is not fresh enough, or an empty text. `earliest`: the first session that will do."""
    by = f"; {' or '.join(required.providers)} provides it" if required.providers else ""
    if known is None:
        return f"{required.dataset} has never been provided{by}"
    of = f"{known.run}, session {known.session}" if known.session else known.run
    if required.sessions is not None:
        have = known.session or known.at.date().isoformat()
        if earliest is None or have >= earliest:
            return ""
        return f"{required.dataset} is of the session {have} ({of}), it has to be of {earliest} or later{by}"
    age = now - known.at
    if required.age is None or age <= required.age:
        return ""
    return f"{required.dataset} is {span(age)} old ({of}), at most {span(required.age)}{by}"


def span(length: timedelta) -> str:
    """`90 s`, `45 min`, `26 h`, `3 d 4 h`."""
    seconds = int(length.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    hours = seconds // 3600
    return f"{hours} h" if hours < 72 else f"{hours // 24} d {hours % 24} h"
