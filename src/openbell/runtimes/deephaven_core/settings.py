"""What one worker is told, out of its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from openbell.replay.layout import Folders

NS = 1_000_000_000
UTC = ZoneInfo("UTC")

SLEEP_FACTOR = 100.0
"""At `max`, so many simulated seconds go by in a second of `time.sleep`."""

HEAP_GB = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One worker. Times in nanoseconds since 1970 UTC, durations in nanoseconds."""

    day: date | None = None
    zone: ZoneInfo = UTC
    replay: bool = False
    start: int = 0
    """Where the clock begins: the start of the replay, or the beginning of the date."""
    step: int = NS
    speed: float | None = 1.0
    """None: as fast as it goes."""
    sleep_factor: float = SLEEP_FACTOR
    sorted: bool = True
    timestamp_columns: Mapping[str, str] = field(default_factory=dict)
    available_after: Mapping[str, int] = field(default_factory=dict)
    folders: Folders = field(default_factory=Folders)
    part: str = "by-hand"
    """The name of the files that it writes: the same at every try, and in every run that is asked for."""
    serial: int = 1
    stopped: str = ""
    """A file that is made when the script ends its own query."""

    @property
    def horizon(self) -> int:
        """Where a replay is over whatever its script waits for: a day after its date has ended."""
        assert self.day is not None
        return _at(self.day + timedelta(days=2), time_of_day(), self.zone)

    @property
    def scale(self) -> float:
        """Simulated seconds in a second of `time.sleep`."""
        return self.speed if self.speed is not None else self.sleep_factor


def settings(environ: Mapping[str, str]) -> Settings:
    """The settings of the worker with this environment. Raises ValueError, naming the variable."""
    mode = _json(environ, "OPENBELL_MODE")
    day = _day(environ)
    zone = ZoneInfo(mode.get("tz") or "UTC")
    replay = mode.get("kind") == "replay"
    if replay and day is None:
        raise ValueError("a replay needs a date: SIMULATION_DATE is not set")
    begins = time_of_day.fromisoformat(mode.get("start") or "09:30:00") if replay else time_of_day()
    speed = mode.get("speed", 1.0)
    return Settings(
        day=day,
        zone=zone,
        replay=replay,
        start=_at(day, begins, zone) if day else 0,
        step=round(float(mode.get("interval") or 1.0) * NS),
        speed=None if speed == "max" else float(speed),
        sleep_factor=_factor(environ, mode),
        sorted=bool(mode.get("sorted", True)),
        timestamp_columns=dict(_by_table(mode.get("timestamp_columns"))),
        available_after={name: round(wait * NS) for name, wait in _by_table(mode.get("available_after"))},
        folders=Folders(_json(environ, "OPENBELL_DATA"), environ.get("OPENBELL_OUTPUT", "")),
        part=_part(environ),
        serial=_serial(environ),
        stopped=environ.get("OPENBELL_STOPPED", ""),
    )


def heap_gb(environ: Mapping[str, str]) -> float:
    """The heap of the virtual machine, in GB. Raises ValueError."""
    return _number(environ.get("OPENBELL_HEAP_GB") or HEAP_GB, "OPENBELL_HEAP_GB")


def _factor(environ: Mapping[str, str], mode: Mapping[str, Any]) -> float:
    told = environ.get("OPENBELL_SLEEP_FACTOR") or mode.get("sleep_factor") or SLEEP_FACTOR
    return _number(told, "OPENBELL_SLEEP_FACTOR")


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise ValueError(f"{name}={value!r} is no positive number")
    return number


def _day(environ: Mapping[str, str]) -> date | None:
    text = environ.get("SIMULATION_DATE") or environ.get("OPENBELL_SESSION")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(f"SIMULATION_DATE={text!r} is no date YYYY-MM-DD") from None


def _at(day: date, clock: time_of_day, zone: ZoneInfo) -> int:
    """Nanoseconds of a time of day on a date."""
    moment = datetime.combine(day, clock, zone)
    return int(moment.timestamp()) * NS + clock.microsecond * 1000


def _json(environ: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        found = json.loads(environ.get(name) or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no JSON object")
    return found


def _by_table(found: Any) -> list[tuple[str, Any]]:
    """By `namespace.table`: of an object, or of a list of (namespace, table, value)."""
    if isinstance(found, dict):
        return list(found.items())
    return [(f"{namespace}.{table}", value) for namespace, table, value in found or ()]


def _part(environ: Mapping[str, str]) -> str:
    """Pipeline, step and cell; and the key of a run that a trigger opened, for these stand side by side."""
    task = environ.get("OPENBELL_ATTEMPT", "").rpartition("#")[0]
    run, *cell = task.rsplit("/", 2)
    pipeline, _, key = run.rpartition("/")
    if not cell:
        return quote(environ.get("QUERY_NAME") or "by-hand", safe="")
    return quote("/".join([pipeline if key.isdigit() else run, *cell]), safe="")


def _serial(environ: Mapping[str, str]) -> int:
    """The serial of the query: what a controller gave it, or a number that follows from the attempt."""
    if text := environ.get("OPENBELL_QUERY_SERIAL"):
        return int(text)
    attempt = environ.get("OPENBELL_ATTEMPT")
    return int.from_bytes(blake2b(attempt.encode(), digest_size=6).digest()) if attempt else 1
