"""Runs that sleep: nothing of them lives, and only time or news about them can change that.

A memo, and nothing else: `decide` says the same with and without one (a law of the simulation). With a
hundred pipelines that wait for the close, it looks at the one in which something happens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from openbell.core.state import RunRecord

Nap = tuple[RunRecord, int, datetime, datetime]
"""The record of the run and its version, from when, and until when it sleeps."""


@dataclass(slots=True)
class Naps:
    """Which runs sleep until when. Belongs to one engine."""

    _known: dict[str, Nap] = field(default_factory=dict)

    def until(self, record: RunRecord, now: datetime) -> datetime | None:
        """Until when a run sleeps; None when it has to be looked at."""
        nap = self._known.get(record.id)
        if nap is None:
            return None
        known, version, since, until = nap
        return until if known is record and version == record.version and since <= now < until else None

    def note(self, record: RunRecord, now: datetime, until: datetime) -> None:
        """It has been looked at, and sleeps."""
        self._known[record.id] = (record, record.version, now, until)

    def forget(self, run: str) -> None:
        """It is over."""
        self._known.pop(run, None)
