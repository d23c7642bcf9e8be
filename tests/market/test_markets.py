"""Other markets against what is known of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from openbell.market import Session, market
from tests.market.almanac import days, easter, nth_weekday, weekdays


def session(name: str, day: date) -> Session:
    (found,) = market(name).sessions(day, day)
    return found


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("year", [2013, 2014, 2015, 2016, 2017, 2018, 2019, 2021, 2024, 2025])
def test_london_has_eight_bank_holidays_in_an_ordinary_year(year: int) -> None:
    first, last = date(year, 1, 1), date(year, 12, 31)
    assert len(market("XLON").dates(first, last)) == len(weekdays(first, last)) - 8


def test_london_closed_for_the_queen_when_paris_was_open() -> None:
    assert str(market("XLON").closure(date(2022, 9, 19))) == "Funeral of Queen Elizabeth II"
    assert market("XPAR").is_session(date(2022, 9, 19))


@pytest.mark.parametrize(
    "day",
    [date(2019, 12, 24), date(2022, 12, 23), date(2024, 12, 24), date(2022, 12, 30), date(2024, 12, 31)],
)
def test_london_has_half_days_before_christmas_and_new_year(day: date) -> None:
    assert session("XLON", day).close == at(day, 12, 30)
    assert session("XLON", day).note in ("Christmas Eve", "New Year's Eve")


def test_the_london_open_moves_with_european_summer_time() -> None:
    first, last = date(2000, 1, 1), date(2026, 12, 31)
    for found in market("XLON").sessions(first, last):
        year = found.date.year
        summer = nth_weekday(year, 3, -1, 6) <= found.date < nth_weekday(year, 10, -1, 6)
        assert found.open == at(found.date, 7 if summer else 8)


def test_tokyo_never_moves() -> None:
    opens = {
        (found.open.hour, found.open.minute)
        for found in market("XTKS").sessions(date(2000, 1, 1), date(2026, 12, 31))
    }
    assert opens == {(0, 0)}
    assert len(market("XTKS").dates(date(2025, 1, 1), date(2025, 12, 31))) == 243
    for closed in (date(2024, 12, 31), date(2025, 1, 2), date(2025, 1, 3)):
        assert not market("XTKS").is_session(closed)


def test_tokyo_breaks_for_lunch_and_has_closed_later_since_november_2024() -> None:
    day = date(2024, 11, 5)
    assert session("XTKS", day).breaks == ((at(day, 2, 30), at(day, 3, 30)),)
    assert session("XTKS", day).close == at(day, 6, 30)
    assert session("XTKS", date(2024, 11, 1)).close == at(date(2024, 11, 1), 6)


def test_hong_kong_breaks_for_lunch_and_not_on_half_days() -> None:
    day = date(2024, 7, 2)
    assert session("XHKG", day) == Session(day, at(day, 1, 30), at(day, 8), ((at(day, 4), at(day, 5)),))
    eve = date(2024, 12, 24)
    assert session("XHKG", eve).close == at(eve, 4)
    assert session("XHKG", eve).breaks == ()


def test_new_york_and_london_have_no_lunch() -> None:
    for name in ("XNYS", "XLON", "XPAR"):
        assert not any(found.breaks for found in market(name).sessions(date(2024, 1, 1), date(2024, 12, 31)))


def test_shanghai_is_closed_for_the_golden_week() -> None:
    closed = market("XSHG").closures(date(2024, 10, 1), date(2024, 10, 7))
    assert len(closed) == 7


def test_tel_aviv_traded_on_sundays_until_2026() -> None:
    assert market("XTAE").is_session(date(2024, 6, 9))
    assert not market("XTAE").is_session(date(2024, 6, 7))
    assert market("XTAE").is_session(date(2026, 1, 9))
    assert not market("XTAE").is_session(date(2026, 1, 11))


def test_us_futures_open_the_evening_before() -> None:
    monday = date(2024, 7, 1)
    assert session("CMES", monday).open == at(monday - timedelta(days=1), 22)
    assert session("CMES", monday).close == at(monday, 21)
    assert session("CMES", date(2024, 1, 8)).open == at(date(2024, 1, 7), 23)


def test_the_market_that_never_closes() -> None:
    year = market("24/7").sessions(date(2024, 1, 1), date(2024, 12, 31))
    assert len(year) == 366
    assert all(a.close == b.open for a, b in pairwise(year))
    assert market("24/7").closures(date(2024, 1, 1), date(2024, 12, 31)) == []


def test_a_weekend_is_a_closure_as_well() -> None:
    closures = market("XPAR").closures(date(2024, 5, 1), date(2024, 5, 5))
    assert [(c.date.day, c.kind) for c in closures] == [(1, "holiday"), (4, "weekend"), (5, "weekend")]
    assert str(closures[1]) == "weekend"


@pytest.mark.parametrize("name", ["XPAR", "XLON", "XETR", "XHKG", "XASX", "XSWX", "XSTO"])
def test_easter_monday_is_closed_in_half_of_the_world(name: str) -> None:
    mondays = [easter(year) + timedelta(days=1) for year in range(2000, 2027)]
    assert not any(market(name).is_session(day) for day in mondays)
    assert all(market("XNYS").is_session(day) for day in mondays)


def test_easter_itself() -> None:
    """The almanac of these tests against dates that everybody can look up: the extremes among them."""
    assert [easter(year) for year in (2000, 2008, 2011, 2024, 2025, 2038)] == [
        date(2000, 4, 23),
        date(2008, 3, 23),
        date(2011, 4, 24),
        date(2024, 3, 31),
        date(2025, 4, 20),
        date(2038, 4, 25),
    ]
    assert len(weekdays(date(2012, 1, 1), date(2012, 12, 31))) == 261
    assert len(days(date(2012, 1, 1), date(2012, 12, 31))) == 366
