"""What time it is: the simulated time within a replay, the machine's outside. The same code runs live.

A task of a `replay:` step is within a replay from its first line to its last: before its tape the clock
stands at the start, after it where the tape has ended. A task of a `batch:` step has its whole date at
once, and its clock stands at the beginning of that date.
"""

from __future__ import annotations

import json
import os
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

NS = 1_000_000_000


class _Simulated:
    """The one simulated clock of this process. Tapes move it. `now`: nanoseconds; None: outside a replay."""

    __slots__ = ("now", "today", "tz")

    def __init__(self) -> None:
        self.now: int | None = None
        self.today: date | None = None
        self.tz: ZoneInfo | None = None


simulated = _Simulated()


def now() -> int:
    """Nanoseconds since 1970 UTC: of the replay, or of the machine outside of one."""
    return simulated.now if simulated.now is not None else time.time_ns()


def today() -> date:
    """The date that is replayed, or the machine's local date outside of a replay."""
    return simulated.today or datetime.fromtimestamp(time.time()).astimezone().date()


def instant(ns: int | None = None) -> datetime:
    """Nanoseconds as an aware datetime, in the zone of the replay; without any, `now()`.

    A datetime holds microseconds: what is finer is cut off, never rounded up into the future.
    """
    ns = now() if ns is None else ns
    zone = simulated.tz or ZoneInfo("UTC")
    whole, rest = divmod(int(ns), NS)
    return datetime.fromtimestamp(whole, zone) + timedelta(microseconds=rest // 1000)


def at(day: date, clock: str | time_of_day, zone: ZoneInfo) -> int:
    """Nanoseconds of a time of day on a date. A time that a change of clocks skips or repeats: the first."""
    moment = time_of_day.fromisoformat(clock) if isinstance(clock, str) else clock
    return int(datetime.combine(day, moment, zone).timestamp()) * NS + moment.microsecond * 1000


def _enter() -> None:
    """Set the clock to what the task of this process was told."""
    mode, day = os.environ.get("OPENBELL_MODE"), os.environ.get("SIMULATION_DATE")
    if not mode or not day:
        return
    settings = json.loads(mode)
    if settings.get("kind") in ("replay", "batch"):
        simulated.today = date.fromisoformat(day)
        simulated.tz = ZoneInfo(settings.get("tz") or "UTC")
        simulated.now = at(simulated.today, settings.get("start") or "00:00:00", simulated.tz)


_enter()
