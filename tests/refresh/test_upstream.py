"""The package's calendars against exchange_calendars itself, where that is installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import date, datetime
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import pytest

from openbell.market import calendars, market

SOME = ["XNYS", "XLON", "XTKS", "XHKG", "CMES", "24/7"]

upstream = pytest.mark.skipif(
    find_spec("exchange_calendars") is None,
    reason="exchange_calendars is not installed (extra `calendars`)",
)


def corrections(name: str) -> dict[date, str]:
    """The closures that openbell's own list has for this calendar."""
    table = tomllib.loads(files("openbell.refresh").joinpath("closures.toml").read_text(encoding="utf-8"))
    entries = [entry for entry in table["closure"] if name in entry["calendars"]]
    return {date.fromisoformat(day): entry["reason"] for entry in entries for day in entry["dates"]}


def schedule(name: str, first: date, last: date) -> dict[date, tuple[datetime, ...]]:
    """Upstream's own open, close and breaks, in UTC: not through the code that builds our files."""
    import exchange_calendars
    import pandas

    rows: Any = exchange_calendars.get_calendar(name, start=str(first), end=str(last)).schedule
    found = {}
    for label, row in zip(rows.index, rows.to_dict("records"), strict=True):
        times = [row[key] for key in ("open", "close", "break_start", "break_end")]
        found[label.date()] = tuple(time.to_pydatetime() for time in times if not pandas.isna(time))
    return found


@upstream
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SOME)
def test_ten_years_are_as_upstream_has_them(name: str) -> None:
    span = date(2016, 1, 1), date(2025, 12, 31)
    ours = {
        s.date: (s.open, s.close, *(at for pause in s.breaks for at in pause))
        for s in market(name).sessions(*span)
    }
    theirs = schedule(name, *span)
    differ = {day for day in ours.keys() | theirs.keys() if ours.get(day) != theirs.get(day)}
    assert differ <= corrections(name).keys()


@upstream
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["XNYS", "XHKG"])
def test_a_file_is_what_refresh_would_write(name: str) -> None:
    from openbell.market import Market
    from openbell.refresh.compact import compact
    from openbell.refresh.upstream import read

    fresh = Market(name, compact(read(name), "upstream"))
    shipped = market(name)
    span = date(2000, 1, 1), date(2025, 12, 31)
    known = corrections(name).keys()
    assert [s for s in shipped.sessions(*span) if s.date not in known] == fresh.sessions(*span)


@upstream
@pytest.mark.filterwarnings("ignore")
def test_every_calendar_of_upstream_has_a_file() -> None:
    from openbell.refresh.upstream import names

    assert {name.replace("/", "-") for name in names()} <= set(calendars())


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XHKG", "XCBF"])
def test_our_own_closures_are_known_to_the_calendar(name: str) -> None:
    for day, reason in corrections(name).items():
        closure = market(name).closure(day)
        assert closure is not None
        assert (closure.kind, closure.reason) == ("ad hoc", reason)


def test_the_compacting_needs_no_upstream() -> None:
    """Only `upstream` imports exchange_calendars: everything else is tested without it."""
    code = (
        "import sys, openbell.refresh.compact; print({'pandas', 'exchange_calendars'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
