"""What is said about a calendar: an overlay closes dates, changes their hours, or adds a session.

In here: reading overlays from mappings, CSV files and providers. What they do to a calendar: amended.py.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from openbell.errors import OverlayError
from openbell.market.schedule import DAY

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)([+-]1)?")
_BETWEEN = re.compile(r"(?<=\d)\s*[-/]\s*(?=\d+:)")
_A_LIST = "overlays are a list, also when there is one: [{date: ..., ...}]"
_KEYS = ("date", "closed", "extra", "open", "close", "breaks", "reason", "source", "known_at", "kind")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}

Breaks = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What holds on a date, or on each session of a range of dates, instead of what the calendar says.

    Times are local to the exchange: `HH:MM`, with `+1` or `-1` for the day after or before. `breaks`:
    `()` takes them away, None leaves them. `known_at`: when it was announced.
    """

    first: date
    last: date
    closed: bool = False
    extra: bool = False
    open: str = ""
    close: str = ""
    breaks: Breaks | None = None
    reason: str = ""
    source: str = ""
    known_at: datetime | None = None
    kind: str = ""
    """What a closure is called: `holiday` or `ad hoc`; empty: `overlay`."""

    @property
    def single(self) -> bool:
        """It is about one date, not about a range."""
        return self.first == self.last

    @property
    def effect(self) -> tuple[object, ...]:
        """All that sessions follow from."""
        return self.first, self.last, self.closed, self.extra, self.open, self.close, self.breaks

    def __str__(self) -> str:
        span = f"{self.first}" if self.single else f"{self.first}:{self.last}"
        if self.closed:
            return f"{span} closed"
        hours = f"{self.open or '...'} to {self.close or '...'}" if self.open or self.close else ""
        told = ", ".join(f"break {begin} to {end}" for begin, end in self.breaks or ())
        return " ".join(part for part in (span, "extra" if self.extra else "", hours, told) if part)

    def as_mapping(self) -> dict[str, Any]:
        """As it would be written: whoever makes one by hand is checked like everybody else."""
        said = {name: value for name in _KEYS[1:] if (value := getattr(self, name)) not in (False, "", None)}
        return {"date": f"{self.first}:{self.last}", **said}

    @property
    def whole_day(self) -> bool:
        """It says both hours, so that it can stand where there is no session."""
        return bool(self.open and self.close)


Overlays = Iterable[Overlay | Mapping[str, Any]] | str | Path | Callable[[str], Iterable[Any]]
"""A list, a CSV file, or a provider: it is given the calendar's name, and gives a list."""


def collect(given: Overlays, calendar: str) -> list[Overlay]:
    """The overlays in their order. Raises `OverlayError` that says which one is wrong and why."""
    if isinstance(given, str | Path):
        return read_csv(Path(given))
    whose = " of the provider" if callable(given) else ""
    found = given(calendar) if callable(given) else given
    if isinstance(found, Mapping) or not isinstance(found, Iterable):
        raise OverlayError(f"the overlays{whose} are a list, not {type(found).__name__}", hint=_A_LIST)
    return [parse(entry, f"overlay {n}{whose}") for n, entry in enumerate(found, 1)]


def read_csv(path: Path) -> list[Overlay]:
    """The overlays of a CSV file. Its header names some of the keys of an overlay.

    Breaks are written `11:30-12:30`, several with `;` between them; `none` takes them away.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader]
            header = [key.strip() for key in reader.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OverlayError(
            f"cannot read the overlays in {path}: {error}", hint="a CSV file in UTF-8"
        ) from None
    if "date" not in header:
        told = f"{path} has no column `date`: its header is {', '.join(header) or 'empty'}"
        raise OverlayError(told, hint=f"columns are {', '.join(_KEYS)}")
    found = []
    for number, row in rows:
        where = f"{path}, line {number}"
        if None in row or None in row.values():
            raise OverlayError(
                f"{where}: not as many columns as in the header", hint="quote texts with commas"
            )
        entry: dict[str, Any] = {key.strip(): text.strip() for key, text in row.items() if text.strip()}
        for key in ("closed", "extra"):
            if key in entry:
                entry[key] = _flag(entry[key], where, key)
        if "breaks" in entry:
            pauses = [] if entry["breaks"] == "none" else entry["breaks"].split(";")
            entry["breaks"] = [_BETWEEN.split(pause, maxsplit=1) for pause in pauses]
        found.append(parse(entry, where))
    return found


def parse(entry: Any, where: str) -> Overlay:
    """An overlay from a mapping. `where` begins the message of an `OverlayError`."""
    if isinstance(entry, Overlay):
        entry = entry.as_mapping()
    if not isinstance(entry, Mapping):
        raise OverlayError(
            f"{where} is {type(entry).__name__}, not a mapping",
            hint="for example {date: 2024-07-05, closed: true}",
        )
    for key in entry:
        if key not in _KEYS:
            near = get_close_matches(str(key), _KEYS, 1)
            raise OverlayError(
                f"{where}: there is no key {key!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"keys are {', '.join(_KEYS)}",
            )
    first, last = _dates(entry.get("date"), where)
    overlay = Overlay(
        first,
        last,
        closed=_flag(entry.get("closed", False), where, "closed"),
        extra=_flag(entry.get("extra", False), where, "extra"),
        open=_wall(entry.get("open"), where),
        close=_wall(entry.get("close"), where),
        breaks=_breaks(entry.get("breaks"), where),
        reason=str(entry.get("reason") or ""),
        source=str(entry.get("source") or ""),
        known_at=_known_at(entry.get("known_at"), where),
        kind=_kind(entry.get("kind"), where),
    )
    _agree_with_itself(overlay, where)
    return overlay


def _agree_with_itself(overlay: Overlay, where: str) -> None:
    hours = overlay.open or overlay.close or overlay.breaks is not None
    if overlay.closed and (overlay.extra or hours):
        raise OverlayError(
            f"{where} contradicts itself: {overlay.first} is closed and has hours",
            hint="leave out `closed`, or the hours",
        )
    if not (overlay.closed or overlay.extra or hours):
        raise OverlayError(
            f"{where} says nothing about {overlay.first}",
            hint="say `closed: true`, `open` and `close`, `breaks`, or `extra: true`",
        )
    if overlay.extra and not overlay.single:
        raise OverlayError(f"{where}: extra sessions are added one by one", hint="one overlay for each date")


def _flag(value: Any, where: str, key: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in _WORDS:
        return _WORDS[value.casefold()]
    raise OverlayError(
        f"{where}: `{key}` is true or false, not {value!r}", hint="the reason has a key of its own"
    )


def _dates(value: Any, where: str) -> tuple[date, date]:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value, value
    first, colon, last = str(value).partition(":")
    try:
        span = date.fromisoformat(first.strip()), date.fromisoformat((last if colon else first).strip())
    except ValueError:
        raise OverlayError(
            f"{where} has no date: {value!r}", hint="`date: 2024-07-05`, or a range `2024-07-05:2024-07-09`"
        ) from None
    if span[0] > span[1]:
        raise OverlayError(f"{where}: {span[0]} lies after {span[1]}", hint="the earlier date comes first")
    return span


def _wall(value: Any, where: str) -> str:
    if value is None or value == "":
        return ""
    whole = isinstance(value, time) and not (value.second or value.microsecond or value.tzinfo)
    text = f"{value:%H:%M}" if whole else str(value).strip()
    if not (found := _TIME.fullmatch(text)):
        raise OverlayError(f"{where}: {value!r} is no time", hint="local times such as '09:30', in quotes")
    return f"{int(found[1]):02}:{found[2]}{found[3] or ''}"


def _breaks(value: Any, where: str) -> Breaks | None:
    if value is None:
        return None
    try:
        pairs = [tuple(pause) for pause in value] if not isinstance(value, str) else None
    except TypeError:
        pairs = None
    if pairs is None or any(len(pause) != 2 for pause in pairs):
        raise OverlayError(f"{where}: breaks are pairs of times", hint="[['11:30', '12:30']]; none is []")
    return tuple((_wall(begin, where), _wall(end, where)) for begin, end in pairs)


def _kind(value: Any, where: str) -> str:
    if value not in (None, "", "holiday", "ad hoc"):
        raise OverlayError(f"{where}: {value!r} is no kind of closure", hint="`holiday` or `ad hoc`")
    return str(value or "")


def _known_at(value: Any, where: str) -> datetime | None:
    if value is None or value == "":
        return None
    text = str(value)
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise OverlayError(
                f"{where}: {value!r} is no instant", hint="`known_at: 2023-09-01T07:40+08:00`, or a date"
            ) from None
    known: datetime = value
    if known.tzinfo is None and len(text) == len("2024-07-05"):
        return known.replace(tzinfo=UTC) + DAY  # of a date we only know that it was known at its end
    return known if known.tzinfo else known.replace(tzinfo=UTC)
