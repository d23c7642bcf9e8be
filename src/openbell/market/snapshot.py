"""The calendars of the package: files, read with their corrections, and put together on request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from openbell.errors import UnknownMarket
from openbell.market.amended import Amended
from openbell.market.calendar import Calendar
from openbell.market.composite import Composite
from openbell.market.names import FOLDER, canonical
from openbell.market.overlay import collect
from openbell.market.schedule import Schedule

_DEEPEST = 4
_COMPOSITE = re.compile(r"\s*(any|all)\s*\((.*)\)\s*", re.DOTALL)


def schedule_of(name: str, own: Mapping[str, Schedule] | None = None) -> Schedule:
    """The schedule of a name, alias or composite, corrections included. Raises `UnknownMarket`.

    `own`: schedules that come before those of the package, also as members of composites.
    """
    if not isinstance(name, str):
        raise UnknownMarket(f"{name!r} is no name of a market", hint="such as 'XNYS' or 'US_EQ'")
    if own and name in own:
        return own[name]
    if name.count("(") > _DEEPEST:
        raise UnknownMarket("a composite of so many composites is none", hint=f"at most {_DEEPEST}")
    if found := _COMPOSITE.fullmatch(name):
        return Composite(found[1], [schedule_of(part.strip(), own) for part in _parts(found[2])])
    return _of_the_package(canonical(name, own or ()))


@lru_cache(maxsize=256)
def _of_the_package(name: str) -> Schedule:
    return corrected(load(name))


def corrected(data: dict[str, Any]) -> Schedule:
    """The schedule of a file's data: upstream's calendar under the corrections that the file brings along."""
    calendar, corrections = Calendar(data), collect(data["corrections"], data["name"])
    return Amended(calendar, corrections, "ad hoc") if corrections else calendar


def load(name: str) -> dict[str, Any]:
    """The file of a calendar as it is. Raises `UnknownMarket`."""
    text = FOLDER.joinpath(f"{canonical(name)}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _parts(text: str) -> list[str]:
    """What stands between the commas of a composite, those inside of parentheses aside."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
