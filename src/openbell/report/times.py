"""Times of steps by the clock of the market that they live in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from openbell.core.model import Opening, Pipeline, Step


def opening_times(pipeline: Pipeline, step: Step) -> str:
    """`16:15 EST to Mon 2024-03-11 09:00 EDT`: when it may start. The date only where it is another day."""
    return ", ".join(_stretch(pipeline, opening) for opening in step.openings)


def local_time(pipeline: Pipeline, at: datetime) -> str:
    """`09:25 EDT` on the day of the pipeline's session, `Fri 2024-07-05 09:25 EDT` on another day."""
    return _told(pipeline, at, zone=True)


def _stretch(pipeline: Pipeline, opening: Opening) -> str:
    if opening.end is None:
        return f"from {_told(pipeline, opening.start, zone=True)}"
    zone = ZoneInfo(pipeline.tz)
    start, end = opening.start.astimezone(zone), opening.end.astimezone(zone)
    same = f"{start:%Z}" == f"{end:%Z}"
    return f"{_told(pipeline, start, zone=not same)} to {_told(pipeline, end, zone=True)}"


def _told(pipeline: Pipeline, at: datetime, *, zone: bool) -> str:
    return " ".join(_parts(pipeline, at.astimezone(ZoneInfo(pipeline.tz)), zone=zone))


def _parts(pipeline: Pipeline, at: datetime, *, zone: bool) -> Iterator[str]:
    if f"{at:%Y-%m-%d}" != pipeline.sessions.get("session"):
        yield f"{at:%a %Y-%m-%d}"
    yield f"{at:%H:%M}" if not at.second else f"{at:%H:%M:%S}"
    if zone:
        yield f"{at:%Z}"
