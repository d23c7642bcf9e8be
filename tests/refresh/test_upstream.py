"""The package's calendars against exchange_calendars itself, where that is installed."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from typing import Any

import pytest

from openbell.market import calendars, market
from openbell.market.overlay import collect
from openbell.market.snapshot import load
from tests.refresh.needed import upstream

SOME = ["XNYS", "XLON", "XTKS", "XHKG", "XKRX", "24/7"]


def corrected(name: str) -> set[date]:
    """The dates for which we have a correction, between 2016 and 2025."""
    found = {date(2016, 1, 1)}
    for overlay in collect(load(name)["corrections"], name):
        found |= {date.fromordinal(n) for n in range(overlay.first.toordinal(), overlay.last.toordinal() + 1)}
    return found


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
    assert differ <= corrected(name)


@upstream
@pytest.mark.filterwarnings("ignore")
def test_what_is_read_reaches_from_2000_to_the_end_of_a_year() -> None:
    from openbell.refresh.upstream import horizon, read

    new_york, kazakhstan, shanghai = read("XNYS"), read("AIXK"), read("XSHG")
    assert (new_york.first, new_york.before) == (date(2000, 1, 1), date(1999, 12, 31))
    assert (kazakhstan.first, kazakhstan.before) == (min(kazakhstan.sessions), None)
    assert (new_york.last, horizon().month, horizon().day) == (horizon(), 12, 31)
    assert shanghai.last == min(horizon(), date(2026, 12, 31)) or shanghai.last > date(2026, 12, 31)


@upstream
@pytest.mark.filterwarnings("ignore")
def test_every_calendar_of_upstream_has_a_file() -> None:
    from openbell.refresh.snapshot import names

    assert set(names()) <= set(calendars())


def test_importing_the_room_needs_no_upstream() -> None:
    """The extra is imported when it is used: the command line can say what is missing."""
    code = (
        "import sys\n"
        "import openbell.refresh.snapshot, openbell.refresh.verify, openbell.refresh.diff\n"
        "print({'pandas', 'exchange_calendars', 'pandas_market_calendars', 'holidays'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
