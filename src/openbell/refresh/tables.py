"""Our own two tables: names of closures that upstream lacks (names.toml), corrections (corrections.toml)."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_KEYS = ("closed", "kind", "extra", "open", "close", "breaks", "reason", "source")


def corrections(calendar: str) -> list[dict[str, Any]]:
    """The corrections of a calendar in their order, as overlays: one for each date or range of dates."""
    return [
        {"date": str(date)} | {key: entry[key] for key in _KEYS if key in entry}
        for entry in _table("corrections.toml")["correction"]
        if calendar in entry["calendars"]
        for date in entry["dates"]
    ]


def horizon(calendar: str, otherwise: dt.date) -> dt.date:
    """The last date of which a calendar knows enough; `otherwise` where upstream's word holds."""
    return min(
        otherwise, dt.date.fromisoformat(_table("corrections.toml")["horizon"].get(calendar, "9999-12-31"))
    )


def events(calendar: str) -> dict[dt.date, str]:
    """Names of closures of a calendar that nobody could foretell."""
    return _closures(calendar, holiday=False)


def holidays(calendar: str) -> dict[dt.date, str]:
    """Names of closures that could be foretold, and that neither upstream nor `holidays` names."""
    return _closures(calendar, holiday=True)


def plain(names: Mapping[dt.date, str]) -> dict[dt.date, str]:
    """Names without what belongs to upstream's rules: `Marine Day (2003 - 2019)` is Marine Day."""
    better = _table("names.toml")["rename"]
    return {day: better.get(name, name) for day, name in names.items()}


def _closures(calendar: str, holiday: bool) -> dict[dt.date, str]:
    return {
        dt.date.fromisoformat(day): entry["reason"]
        for entry in _table("names.toml")["closure"]
        if calendar in entry["calendars"] and entry.get("holiday", False) is holiday
        for day in entry["dates"]
    }


@cache
def _table(file: str) -> dict[str, Any]:
    return tomllib.loads(files("openbell.refresh").joinpath(file).read_text(encoding="utf-8"))
