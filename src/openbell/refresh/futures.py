"""The futures of CME Globex, out of pandas_market_calendars: which dates, and which close early.

exchange_calendars has one calendar for all of CME, open for 24 hours. The usual hours, which changed
over the years, are in futures.toml with their sources: pandas_market_calendars knows only some of them.
"""

from __future__ import annotations

import datetime as dt
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from openbell.refresh.compact import Hours, Upstream
from openbell.refresh.holiday_names import exchange
from openbell.refresh.packages import package, versions
from openbell.refresh.upstream import FIRST, horizon, named, wall_hours

_PACKAGE = "pandas_market_calendars"
_EARLIER = dt.date(1999, 12, 1)
_DAY = dt.timedelta(days=1)
_TITLES = {"CMES": "CME Globex equity index", "XNYM": "CME Globex energy and metals"}
_THEIRS = {"CMES": "CME Globex Equity", "XNYM": "CMEGlobex_EnergyAndMetals"}
_ZONE = "America/Chicago"
_USUAL = ("17:00-1", "16:00")
"""The hours of pandas_market_calendars from which a session that differs is special."""
_BESIDE = {"July 4th": "Eve of Independence Day", "ThanksgivingFriday": "Day after Thanksgiving"}
"""What the rules mean on days on which the stock exchange has no holiday."""
_AFTER_REST = "17:00-1"
"""When Globex opens after a weekend, a holiday or an early close, whatever the usual hours are."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Usual hours from a date on. Breaks are pairs of wall times."""

    first: dt.date
    open: str
    close: str
    breaks: tuple[tuple[str, str], ...]


def names() -> list[str]:
    """The calendars that are built here."""
    return sorted(_TITLES)


def read(name: str) -> Upstream:
    """One of `names()`, from 2000-01-01 to the horizon of all calendars."""
    theirs = _calendar(name)
    given = _given(theirs)
    known = usual_and_special(given, _regimes(name))
    return Upstream(
        name=name,
        title=_TITLES[name],
        tz=_ZONE,
        sessions={day: hours for day, hours in known.items() if day >= FIRST},
        first=FIRST,
        last=horizon(),
        holidays=_reasons(name, theirs),
        before=max(day for day in known if day < FIRST),
        sources=versions(_PACKAGE, "holidays"),
    )


def usual_and_special(given: Mapping[dt.date, Hours], regimes: tuple[Regime, ...]) -> dict[dt.date, Hours]:
    """The sessions of pandas_market_calendars with the usual hours of their time, and its early closes."""
    return {day: _hours(day, hours, given, regimes) for day, hours in given.items()}


def _hours(
    day: dt.date, given: Hours, all_given: Mapping[dt.date, Hours], regimes: tuple[Regime, ...]
) -> Hours:
    regime = next((found for found in reversed(regimes) if found.first <= day), regimes[0])
    opens, closes = regime.open, regime.close if given[1] == _USUAL[1] else given[1]
    if all_given.get(day - _DAY) != _USUAL:
        opens = max(opens, _AFTER_REST)
    inside = [pause for pause in regime.breaks if _order(opens) < _order(pause[0]) < _order(closes)]
    return (opens, closes, *(time for pause in inside for time in pause))


def _order(wall: str) -> tuple[int, str]:
    return int(wall[5:] or 0), wall[:5]


def _calendar(name: str) -> Any:
    return package(_PACKAGE).get_calendar(_THEIRS[name])


def _given(theirs: Any) -> dict[dt.date, Hours]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rules that pandas cannot vectorise
        rows = theirs.schedule(str(_EARLIER), str(horizon()))
    times = zip(rows["market_open"], rows["market_close"], strict=True)
    return {
        label.date(): wall_hours(pair, label.date(), _ZONE)
        for label, pair in zip(rows.index, times, strict=True)
    }


def _reasons(name: str, theirs: Any) -> dict[dt.date, str]:
    """Names as the stock exchange has them: a rule here has one name for a holiday and the day beside it."""
    both = (theirs, _calendar("CMES"))  # some early closes of XNYM are dates without a rule
    rules = [theirs.regular_holidays, *(rule for one in both for _, rule in one.special_closes)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = named(rules, FIRST, horizon())
    stocks = exchange(name, range(FIRST.year, horizon().year + 1))
    return {day: stocks.get(day) or _BESIDE.get(rule, rule) for day, rule in known.items()}


@cache
def _regimes(name: str) -> tuple[Regime, ...]:
    table = tomllib.loads(files("openbell.refresh").joinpath("futures.toml").read_text(encoding="utf-8"))
    return tuple(
        Regime(
            dt.date.fromisoformat(entry["from"]),
            entry["open"],
            entry["close"],
            tuple((start, end) for start, end in entry.get("breaks", [])),
        )
        for entry in table[name]
    )
