"""A definition in the making: checks that need more than the shape, each with its place in the file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from openbell.config.alerting import AlertSettings
from openbell.config.document import Document
from openbell.config.document import Path as Place
from openbell.config.expand import beside
from openbell.config.findings import Finding, Severity, nearest
from openbell.core.matrix import Axis
from openbell.core.render import AUTOMATIC
from openbell.errors import MarketError, OutOfBounds
from openbell.market import Closure, Market, resolve

if TYPE_CHECKING:
    from openbell.config.shapes import StepShape

_MISSING = "does not exist"
LONGEST_RANGE = 50 * 366  # days between the ends of a range of dates; more is a typo


@dataclass(slots=True)
class Draft:
    """Collects findings while a file becomes a pipeline."""

    document: Document
    starting: bool = False
    """Whether the pipeline is about to run: what has to be there by then has to be there now."""
    left_out: dict[date, Closure] = field(default_factory=dict)
    """Dates of the ranges that are no values, with the reason."""
    stand_ins: frozenset[Place] = frozenset()
    """Paths whose values are not those of the file: what is wrong there has been said."""
    markets: Mapping[str, Market] = field(default_factory=dict)
    """Those of the project, which come before those of the package."""
    calendars: dict[str, str] = field(default_factory=dict)
    """Digest of each market that was asked for."""
    timed: dict[str, StepShape] = field(default_factory=dict)
    """The steps that have a time in a session's day."""
    alerts: AlertSettings = field(default_factory=AlertSettings)
    """Where the alerts of the project go."""
    pools: Mapping[str, float] = field(default_factory=dict)
    """The pools of the project, by size."""
    due_at: str | None = None
    """The point of a session's day by which runs have to have ended."""
    unset: frozenset[Place] = frozenset()
    """Paths whose values depend on variables that are not set: nothing can be said about them yet."""

    @property
    def folder(self) -> Path:
        return self.document.path.resolve().parent

    def fault(
        self,
        code: str,
        message: str,
        path: Place,
        help_: str = "",
        *,
        key: bool = False,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Add a finding at this path of the document."""
        if any(path[: len(one)] == one for one in self.stand_ins):
            return
        if path in self.unset and not key:
            self.document.decided_now(path)
            return
        span = self.document.span(path, key=key)
        self.document.findings.append(Finding(code, message, span, help_, severity, path))

    def unused(self, place: Place) -> None:
        """Nothing will be done with the values there: it does not matter that their variables are not set."""
        found = self.document.findings
        idle = {f.path for f in found if f.code == "OB107" and f.path[: len(place)] == place}
        found[:] = [f for f in found if f.code != "OB107" or f.path not in idle]
        self.stand_ins -= idle

    def doubtful(self, *places: Place) -> bool:
        """Whether a stand-in is at or below one of these places: what it leads to is no news."""
        return any(one[: len(place)] == place for one in self.stand_ins for place in places)

    def meant(self, parent: Place, *names: str) -> bool:
        """Whether one of these keys is there with something wrong, or with a typo in its name."""
        written = [str(one[-1]) for one in self.stand_ins if one and one[:-1] == parent]
        return any(nearest(key, names) for key in written) or self.doubtful(*((*parent, n) for n in names))

    # ── files ────────────────────────────────────────────────────────────────────────────────

    def file(self, text: str, path: Place, what: str, severity: Severity = Severity.ERROR) -> Path | None:
        """A file that must be there and readable, relative to the folder of the document."""
        target = beside(self.folder, text)
        problem = _problem(target, "file", os.R_OK)
        if problem is None:
            return Path(os.path.normpath(target))
        if path not in self.unset:
            siblings = _siblings(target) if problem == _MISSING else {}
            near = nearest(target.stem, siblings)
            help_ = f"did you mean `{siblings[near]}`?" if near else f"looked for {target}"
            self.fault("OB112", f"{what} {text} {problem}", path, help_, severity=severity)
        return None

    def folder_at(self, text: str, path: Place, what: str) -> Path | None:
        """A folder that must be there and readable."""
        target = beside(self.folder, text)
        problem = _problem(target, "folder", os.R_OK | os.X_OK)
        if problem is None:
            return Path(os.path.normpath(target))
        if path not in self.unset:
            self.fault("OB112", f"{what} {text} {problem}", path, f"looked for {target}")
        return None

    # ── dates ────────────────────────────────────────────────────────────────────────────────

    def market(self, name: str, path: Place) -> Market | None:
        try:
            found = resolve(name, self.markets)
            self.calendars[name] = found.digest
            return found
        except MarketError as error:
            self.fault("OB113", error.message, path, error.hint)
            return None

    def zone(self, name: str, path: Place) -> ZoneInfo | None:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            near = nearest(name, available_timezones())
            help_ = f"did you mean {near!r}?" if near else "for example America/New_York"
            self.fault("OB105", f"there is no time zone {name!r}", path, help_)
            return None

    def ordered(self, start: date, end: date, places: tuple[Place, Place]) -> bool:
        """Whether the range is one: its start not after its end, and of a sane length."""
        if self.doubtful(*places):
            return False
        if start > end:
            self.fault("OB115", f"the start {start} lies after the end {end}", places[0])
            return False
        if (end - start).days > LONGEST_RANGE:
            self.fault("OB104", f"{start} to {end} is longer than fifty years", places[1])
            return False
        return True

    def sessions(self, calendar: Market, start: date, end: date, places: tuple[Place, Place]) -> list[str]:
        """The sessions of the range as ISO text; the other dates are remembered with their reasons."""
        try:
            found = calendar.dates(start, end)
        except OutOfBounds as error:
            inside = calendar.valid_from <= start <= calendar.valid_until
            outside = places[1] if inside else places[0]
            self.fault("OB123", error.message, outside, error.hint)
            return []
        self.left_out |= {closure.date: closure for closure in calendar.closures(start, end)}
        if not found:
            told = f"{calendar.name} has no session from {start} to {end}"
            reasons = ", ".join(f"{closure.date}: {closure}" for closure in calendar.closures(start, end)[:4])
            self.fault("OB114", told, places[0], reasons)
        return [day.isoformat() for day in found]

    def days(self, start: date, end: date) -> list[str]:
        """Every calendar day of the range as ISO text."""
        return [(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)]

    def weekdays(self, days: list[str], place: Place) -> list[str]:
        """The days that are no weekend; the others are remembered."""
        weekend = {day for text in days if (day := date.fromisoformat(text)).weekday() >= 5}
        self.left_out |= {day: Closure(day, "weekend") for day in weekend}
        if days and len(weekend) == len(days):
            self.fault("OB114", f"there is no weekday from {days[0]} to {days[-1]}", place)
        return [text for text in days if date.fromisoformat(text) not in weekend]

    # ── names ────────────────────────────────────────────────────────────────────────────────

    def environment(self, names: Iterable[str], path: Place) -> None:
        """Variables that a file may not set, or that no system takes."""
        for name in names:
            if name in AUTOMATIC or name.startswith("OPENBELL_"):
                self.fault("OB122", f"`{name}` is set by openbell itself", (*path, name), key=True)
            elif "=" in name:
                self.fault("OB118", f"`{name}` cannot be the name of a variable", (*path, name), key=True)


def partition_axis(name: str, count: int) -> Axis:
    """0 to count-1."""
    return Axis(name, tuple(range(count)), "partition")


def _problem(target: Path, what: str, access: int) -> str | None:
    """What is wrong with a path that should lead to a file or folder; None when nothing is."""
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return _MISSING
    except OSError as error:
        return f"cannot be read: {(error.strerror or 'no access').lower()}"
    if not (S_ISREG(mode) if what == "file" else S_ISDIR(mode)):
        return f"is not a {what}"
    return None if os.access(target, access) else "cannot be read: check its permissions"


def _siblings(target: Path) -> dict[str, str]:
    """The other names in its folder, by what they are called without an ending."""
    try:
        return {entry.stem: entry.name for entry in target.parent.iterdir() if entry.is_file()}
    except (OSError, ValueError):
        return {}
