"""How a worker sees the history of its date: as if live, or all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Replay:
    """History as if live: what the worker's replay clock and tape are set to."""

    kind: Literal["replay"] = field(default="replay", kw_only=True)
    speed: float | Literal["max"] = 1.0
    start: str = "09:30:00"
    interval: timedelta = timedelta(seconds=1)
    """Simulated time from one batch to the next."""
    sorted: bool = True
    strict: bool = False
    """Whether a late replay keeps every cycle instead of putting overdue ones together."""
    buffer_rows: int | None = None
    timestamp_columns: tuple[tuple[str, str, str], ...] = ()
    """(namespace, table, column) for tables whose timestamp column needs naming."""
    available_after: tuple[tuple[str, str, timedelta], ...] = ()
    """(namespace, table, time) for tables whose rows are known only so long after their timestamps."""
    sleep_factor: float = 100.0
    """On `deephaven-core` at `max`: simulated seconds in a second of `time.sleep`."""
    tz: str = "UTC"
    """The zone of `start`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The whole history of the date at once."""

    kind: Literal["batch"] = field(default="batch", kw_only=True)
    tz: str = "UTC"
    """The zone in which the date begins."""
