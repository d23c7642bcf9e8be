"""New York against what is known of it: lists of the exchange, the calendar on the wall, Easter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from openbell.market import Session, market
from tests.market.almanac import days, easter, nth_weekday, weekdays

NYSE = market("XNYS")

COUNTS = """
    252 248 252 252 252 252 251 251 253 252
    252 252 250 252 252 252 252 251 251 252
    253 252 251 250 252 250 251
"""
SESSIONS = dict(enumerate(map(int, COUNTS.split()), 2000))
"""Trading days per year, as every almanac has them."""

HOLIDAYS_2012 = {
    date(2012, 1, 2): "New Year's Day",
    date(2012, 1, 16): "Dr. Martin Luther King Jr. Day",
    date(2012, 2, 20): "Presidents' Day",
    date(2012, 4, 6): "Good Friday",
    date(2012, 5, 28): "Memorial Day",
    date(2012, 7, 4): "Independence Day",
    date(2012, 9, 3): "Labor Day",
    date(2012, 11, 22): "Thanksgiving",
    date(2012, 12, 25): "Christmas",
}


def session(day: date) -> Session:
    (found,) = NYSE.sessions(day, day)
    return found


def test_2012_is_261_weekdays_less_nine_holidays_and_a_hurricane() -> None:
    year = date(2012, 1, 1), date(2012, 12, 31)
    assert len(weekdays(*year)) == 261
    assert len(NYSE.sessions(*year)) == len(NYSE.dates(*year)) == 250
    closures = [closure for closure in NYSE.closures(*year) if closure.kind != "weekend"]
    assert {c.date: c.reason for c in closures if c.kind == "holiday"} == HOLIDAYS_2012
    assert [(c.date, str(c)) for c in closures if c.kind == "ad hoc"] == [
        (date(2012, 10, 29), "Hurricane Sandy"),
        (date(2012, 10, 30), "Hurricane Sandy"),
    ]


@pytest.mark.parametrize("year", SESSIONS)
def test_sessions_of_each_year(year: int) -> None:
    assert len(NYSE.dates(date(year, 1, 1), date(year, 12, 31))) == SESSIONS[year]


def test_the_week_of_september_11() -> None:
    week = NYSE.closures(date(2001, 9, 10), date(2001, 9, 17))
    assert [str(closure) for closure in week] == ["September 11 attacks"] * 4 + ["weekend"] * 2
    assert NYSE.dates(date(2001, 9, 10), date(2001, 9, 17)) == [date(2001, 9, 10), date(2001, 9, 17)]


@pytest.mark.parametrize("calendar", ["XNYS", "XLON"])
def test_good_friday_follows_the_moon(calendar: str) -> None:
    found = {
        c.date for year in range(2000, 2028) if (c := market(calendar).closure(easter(year) - timedelta(2)))
    }
    assert found == {easter(year) - timedelta(days=2) for year in range(2000, 2028)}
    closures = market(calendar).closures(date(2000, 1, 1), date(2026, 12, 31))
    named = [c.date for c in closures if c.reason == "Good Friday"]
    assert named == [easter(year) - timedelta(days=2) for year in range(2000, 2027)]


@pytest.mark.parametrize("year", range(2000, 2027))
def test_holidays_that_are_the_nth_weekday_of_a_month(year: int) -> None:
    assert str(NYSE.closure(nth_weekday(year, 11, 4, 3))) == "Thanksgiving"
    assert str(NYSE.closure(nth_weekday(year, 9, 1, 0))) == "Labor Day"
    assert str(NYSE.closure(nth_weekday(year, 5, -1, 0))) == "Memorial Day"
    assert session(nth_weekday(year, 11, 4, 3) + timedelta(days=1)).close.hour == 18  # Black Friday


def test_holidays_that_fall_on_a_weekend() -> None:
    assert NYSE.is_session(date(2021, 12, 31))  # New Year's Day on a Saturday is not made up for
    assert not NYSE.is_session(date(2021, 12, 24))  # Christmas is
    assert not NYSE.is_session(date(2022, 12, 26))
    assert NYSE.is_session(date(2021, 6, 18))
    assert str(NYSE.closure(date(2022, 6, 20))) == "Juneteenth National Independence Day"  # since 2022


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        (date(2012, 7, 3), 17),
        (date(2012, 11, 23), 18),
        (date(2012, 12, 24), 18),
        (date(2023, 7, 3), 17),
        (date(2023, 11, 24), 18),
        (date(2024, 7, 3), 17),
        (date(2024, 11, 29), 18),
        (date(2024, 12, 24), 18),
    ],
)
def test_half_days_end_at_one_in_new_york(day: date, hour: int) -> None:
    half = session(day)
    assert half.close == datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    assert half.note
    assert half.breaks == ()


def test_an_ordinary_day_has_no_note() -> None:
    assert session(date(2024, 7, 2)) == Session(
        date(2024, 7, 2), datetime(2024, 7, 2, 13, 30, tzinfo=UTC), datetime(2024, 7, 2, 20, tzinfo=UTC)
    )


def test_the_open_moves_with_daylight_saving_and_nothing_else() -> None:
    opens = {s.date: s.open for s in NYSE.sessions(date(2007, 1, 1), date(2026, 12, 31))}
    for day in days(date(2007, 1, 1), date(2026, 12, 31)):
        summer = nth_weekday(day.year, 3, 2, 6) <= day < nth_weekday(day.year, 11, 1, 6)
        if day in opens:
            at = (13 if summer else 14, 30)
            assert (opens[day].date(), opens[day].hour, opens[day].minute) == (day, *at)


def test_daylight_saving_began_in_april_before_2007() -> None:
    assert session(date(2006, 3, 31)).open.hour == 14
    assert session(date(2006, 4, 3)).open.hour == 13
    assert session(date(2006, 10, 27)).open.hour == 13
    assert session(date(2006, 10, 30)).open.hour == 14
