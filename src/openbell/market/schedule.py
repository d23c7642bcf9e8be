"""What every calendar answers: which dates are sessions, when these open and close, why others have none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from openbell.errors import OutOfBounds

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day, labelled by its exchange-local date. Instants are aware, in UTC."""

    date: date
    open: datetime
    close: datetime
    breaks: tuple[tuple[datetime, datetime], ...] = ()
    note: str = ""
    """Why its hours are unusual, where known."""
    source: str = ""
    """Where that is stated, for corrections and overlays."""

    @property
    def hours(self) -> tuple[datetime, ...]:
        """Every instant at which it begins or ceases to trade, in order."""
        return (self.open, *(at for pause in self.breaks for at in pause), self.close)

    @property
    def trading(self) -> list[tuple[datetime, datetime]]:
        """From open to close, less the breaks."""
        return list(zip(self.hours[::2], self.hours[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Closure:
    """Why a date has no session. `kind` is `weekend`, `holiday`, `ad hoc` or `overlay`."""

    date: date
    kind: str
    reason: str = ""
    source: str = ""
    """Where that is stated, for corrections and overlays."""

    def __str__(self) -> str:
        return self.reason or self.kind


class Schedule(Protocol):
    """The sessions of a calendar by date. Every date between the bounds is either a session or closed.

    `before`: label of the last session before `valid_from`, where known. `digest`: of all that
    sessions follow from. Dates outside the bounds raise `OutOfBounds`.
    """

    @property
    def name(self) -> str: ...
    @property
    def tz(self) -> ZoneInfo: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_until(self) -> date: ...
    @property
    def before(self) -> date | None: ...
    @property
    def sources(self) -> str: ...
    @property
    def digest(self) -> str: ...

    def session(self, day: date) -> Session | None:
        """The session of this date; None when there is none."""
        ...

    def closure(self, day: date) -> Closure | None:
        """Why this date has no session; None when it has one."""
        ...

    def usual(self, day: date) -> Session:
        """What an ordinary session of this date would be. Bounds do not matter."""
        ...


def check(schedule: Schedule, day: date) -> None:
    """Raises `OutOfBounds` for a date that the calendar does not cover, and `TypeError` for what is none."""
    if isinstance(day, datetime) or not isinstance(day, date):
        raise TypeError(f"a date is asked for, not {day!r}: `session(at)` gives the one of an instant")
    if not schedule.valid_from <= day <= schedule.valid_until:
        raise OutOfBounds(
            f"{schedule.name} knows its sessions from {schedule.valid_from} to {schedule.valid_until}, "
            f"not on {day}",
            hint="choose dates inside these bounds, or update openbell for a later calendar",
        )


def session_before(schedule: Schedule, day: date) -> Session | None:
    """The last session before this date; None when the calendar knows none."""
    day = min(day, schedule.valid_until + DAY)
    while (day := day - DAY) >= schedule.valid_from:
        if (found := schedule.session(day)) is not None:
            return found
    return None


def session_after(schedule: Schedule, day: date) -> Session | None:
    """The first session after this date; None when the calendar knows none."""
    day = max(day, schedule.valid_from - DAY)
    while (day := day + DAY) <= schedule.valid_until:
        if (found := schedule.session(day)) is not None:
            return found
    return None
