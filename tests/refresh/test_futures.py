"""The futures: hours of their time, early closes, and what CME said of its holidays."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.market import market
from openbell.refresh.compact import Hours
from openbell.refresh.futures import Regime, usual_and_special
from openbell.refresh.verify import local_hours

USUAL: Hours = ("17:00-1", "16:00")
MONDAY = date(2020, 1, 6)
NIGHT = Regime(date(2000, 1, 1), "15:30-1", "15:15", (("16:30-1", "17:00-1"),))
HALT = Regime(date(2020, 1, 13), "17:00-1", "16:15", (("15:15", "15:30"),))


def week(first: date, **special: str) -> dict[date, Hours]:
    """Monday to Friday; the close of some days is another."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday")
    days = {first + timedelta(days=n): name for n, name in enumerate(names)}
    return {day: ("17:00-1", special[name]) if name in special else USUAL for day, name in days.items()}


def test_usual_hours_are_those_of_their_time() -> None:
    found = usual_and_special(week(MONDAY) | week(date(2020, 1, 13)), (NIGHT, HALT))
    assert found[date(2020, 1, 7)] == ("15:30-1", "15:15", "16:30-1", "17:00-1")
    assert found[date(2020, 1, 14)] == ("17:00-1", "16:15", "15:15", "15:30")


def test_after_a_day_without_a_session_the_evening_comes_first() -> None:
    assert usual_and_special(week(MONDAY), (NIGHT,))[MONDAY] == ("17:00-1", "15:15")


def test_after_an_early_close_the_afternoon_stays_closed() -> None:
    found = usual_and_special(week(MONDAY, tuesday="10:30"), (NIGHT,))
    assert found[date(2020, 1, 7)] == ("15:30-1", "10:30", "16:30-1", "17:00-1")
    assert found[date(2020, 1, 8)] == ("17:00-1", "15:15")


def test_an_early_close_drops_the_halt_after_it() -> None:
    found = usual_and_special(week(date(2020, 1, 13), friday="12:15"), (NIGHT, HALT))
    assert found[date(2020, 1, 17)] == ("17:00-1", "12:15")


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60)))
def test_sessions_never_overlap(offsets: set[int], early: set[int]) -> None:
    given_days = {
        MONDAY + timedelta(days=n): ("17:00-1", "12:00") if n in early else USUAL for n in sorted(offsets)
    }
    found = usual_and_special(given_days, (NIGHT, HALT))
    for day, hours in found.items():
        before = found.get(day - timedelta(days=1))
        assert before is None or before[1] <= hours[0].removesuffix("-1")
        if len(hours) > 2:
            assert hours[2] < hours[3]


CLOSES = {
    "2024-01-15": "12:00",  # Martin Luther King Jr. Day
    "2024-05-27": "12:00",
    "2024-06-19": "12:00",
    "2024-07-03": "12:15",
    "2024-07-04": "12:00",
    "2024-11-28": "12:00",
    "2024-11-29": "12:15",
    "2024-12-24": "12:15",
    "2013-07-04": "10:30",  # before 2014 equities stopped earlier
    "2023-04-07": "08:15",  # Good Friday, with the payrolls of March
    "2025-01-09": "08:30",  # mourning for President Carter
    "2018-12-05": "08:30",
    "2012-10-29": "08:15",  # Hurricane Sandy
    "2001-09-11": "09:15",
}
"""Closes of the equity index in Chicago, by CME's notices; typed in, not derived."""


@pytest.mark.parametrize(("day", "close"), CLOSES.items())
def test_early_closes_of_the_equity_index(day: str, close: str) -> None:
    assert local_hours(market("CMES").schedule, date.fromisoformat(day))[1] == close


@pytest.mark.parametrize("day", ["2024-03-29", "2024-12-25", "2024-01-01", "2025-04-18", "2001-09-13"])
def test_full_holidays_of_the_equity_index(day: str) -> None:
    assert not local_hours(market("CMES").schedule, date.fromisoformat(day))


USUALS = {
    ("CMES", "2010-05-04"): ("15:30-1", "15:15", "16:30-1", "17:00-1"),
    ("CMES", "2010-05-03"): ("17:00-1", "15:15"),
    ("CMES", "2012-11-19"): ("17:00-1", "16:15", "15:15", "15:30"),
    ("CMES", "2015-09-18"): ("17:00-1", "16:15", "15:15", "15:30"),
    ("CMES", "2015-09-21"): ("17:00-1", "16:00", "15:15", "15:30"),
    ("CMES", "2021-06-25"): ("17:00-1", "16:00", "15:15", "15:30"),
    ("CMES", "2021-06-28"): ("17:00-1", "16:00"),
    ("XNYM", "2015-09-18"): ("17:00-1", "16:15"),
    ("XNYM", "2024-05-06"): ("17:00-1", "16:00"),
    ("XNYM", "2019-12-24"): ("17:00-1", "12:45"),
}


@pytest.mark.parametrize(("where", "hours"), USUALS.items())
def test_usual_hours_of_several_years(where: tuple[str, str], hours: Hours) -> None:
    name, day = where
    assert local_hours(market(name).schedule, date.fromisoformat(day)) == hours


@pytest.mark.parametrize("name", ["CMES", "XNYM"])
def test_shipped_sessions_do_not_overlap_and_pause_for_maintenance(name: str) -> None:
    sessions = market(name).sessions(date(2021, 7, 1), date(2027, 12, 31))
    gaps = {after.open - before.close for before, after in pairwise(sessions)}
    assert min(gaps) == timedelta(hours=1)
