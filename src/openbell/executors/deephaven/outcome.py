"""What the end of a query comes to."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from openbell.core.events import Exit, Exited
from openbell.core.failure import last_line
from openbell.core.model import AttemptKey, Window
from openbell.core.states import StopReason
from openbell.core.windows import is_open
from openbell.executors.deephaven.link import Query

_FULL = re.compile(
    "ResourcesUnavailableException|Unable to find available server|Unable to determine dispatcher"
    "|No dispatcher resources available"
)
_TAKEN = re.compile("already exists|duplicate", re.IGNORECASE)
_SKEW = timedelta(seconds=5)  # between the controller's clock and ours
_LONGEST = 8_000


def no_capacity(text: str) -> bool:
    """Whether this says that there is no room now: then it is no failure."""
    return _FULL.search(text) is not None


def name_taken(text: str) -> bool:
    """Whether this says that there is a query of that name."""
    return _TAKEN.search(text) is not None


def closes(window: Window | None, now: datetime) -> bool:
    """Whether the time of this window is up, as far as two clocks agree."""
    if window is None:
        return False
    opened, until = is_open(window, now)
    return not opened or until - now < _SKEW


def ended(
    key: AttemptKey,
    query: Query,
    stop: StopReason | None,
    now: datetime,
    *,
    elapsed: float,
    strict: bool,
    log_bytes: int,
) -> Exited:
    """The end of an attempt as a fact. `strict`: a query that somebody else has stopped has failed."""
    well = query.status == "COMPLETED"
    error = ""
    if not well and stop is not None:
        error = f"stopped: {stop.value}"
    elif query.status == "STOPPED":
        well = not strict
        error = "" if well else f"somebody stopped query {query.serial}"
    elif not well:
        said = last_line(query.error) or last_line(query.stack) or query.details
        error = f"{query.status}: {said}" if said else f"the query ended as {query.status}"
    end = Exit(
        code=0 if well else 1 if stop is None else None,
        elapsed=query.seconds or elapsed,
        stopped=None if well else stop,
        error=error,
        traceback="" if well else query.stack[-_LONGEST:],
        log_bytes=log_bytes,
    )
    return Exited(now, key.task, key.attempt, end)
