"""Names out of the package `holidays`, where that is installed, and how days off are called."""

from __future__ import annotations

from datetime import date

from openbell.market import market
from openbell.market.names import calendars
from openbell.market.snapshot import load
from openbell.refresh.holiday_names import days_off, holiday_names
from tests.refresh.needed import upstream

FRIDAY, MONDAY, TUESDAY = date(2022, 2, 4), date(2022, 2, 7), date(2022, 2, 8)


def test_a_day_off_is_called_after_the_holiday_that_it_lengthens() -> None:
    known = {FRIDAY: "New Year (observed)", MONDAY: "Day off (substituted from 02/05/2022)"}
    assert days_off(known, {MONDAY: known[MONDAY]}) == {MONDAY: "New Year (day off)"}


def test_a_day_off_near_nothing_stays_what_it_is() -> None:
    known = {MONDAY: "Day off (a)", TUESDAY: "Day off (b)"}
    assert days_off(known, known) == known


@upstream
def test_the_exchange_is_stronger_than_the_country() -> None:
    names = holiday_names("XNYS", date(2018, 12, 1), date(2018, 12, 31))
    assert "Bush" in names[date(2018, 12, 5)]
    assert date(2018, 12, 5) not in holiday_names("XPAR", date(2018, 12, 1), date(2018, 12, 31))


@upstream
def test_estimates_that_came_true_are_told_as_facts() -> None:
    names = holiday_names("XIDX", date(2019, 1, 1), date(2027, 12, 31))
    assert not [name for name in names.values() if "estimated" in name]


def test_nearly_all_closures_have_names() -> None:
    """Shipped files: weekday closures without a name are rare exceptions, and none in the large markets."""
    unnamed = {name: sum(not why for why in load(name)["adhoc"].values()) for name in calendars()}
    assert sum(unnamed.values()) < 200
    large = ["XNYS", "XLON", "XTKS", "XHKG", "XSHG", "XSES", "XBOM", "XTAI", "XTSE", "XETR", "CMES", "XTAE"]
    assert not any(unnamed[name] for name in large)


def test_golden_week_in_words() -> None:
    closures = market("XSHG").closures(date(2024, 10, 1), date(2024, 10, 7))
    assert {closure.kind for closure in closures} == {"holiday", "weekend"}
    assert all(closure.reason for closure in closures if closure.kind == "holiday")
