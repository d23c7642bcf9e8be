"""Disagreements: who says what about a date, and what is left out because it is known or says nothing."""

from __future__ import annotations

from datetime import date

import pytest

from openbell.market.snapshot import schedule_of
from openbell.refresh.claims import Claim, shown
from openbell.refresh.compact import Hours
from openbell.refresh.verify import Disagreement, verify
from tests.refresh.needed import same_upstream, upstream

pytestmark = pytest.mark.filterwarnings("ignore")

FRIDAY, SATURDAY, MONDAY = date(2024, 7, 5), date(2024, 7, 6), date(2024, 7, 8)
DAY: Hours = ("09:30", "16:00")
WEEK = {"first": date(2024, 7, 1), "last": date(2024, 7, 31)}


def sessions(*, hours: bool = True, breaks: bool = True) -> Claim:
    return Claim("them", WEEK["first"], WEEK["last"], {FRIDAY: DAY}, hours=hours, breaks=breaks)


def test_a_claim_of_sessions_speaks_of_every_date_in_its_span() -> None:
    claim = sessions()
    assert [claim.says(day) for day in (FRIDAY, SATURDAY, date(2024, 8, 1))] == ["open", "closed", ""]
    assert claim.told(FRIDAY) == "09:30 to 16:00"


def test_a_claim_of_closures_speaks_of_its_weekdays_only() -> None:
    claim = Claim("them", WEEK["first"], WEEK["last"], {}, closures={FRIDAY: "Fête", SATURDAY: "Fête"})
    assert [claim.says(day) for day in (FRIDAY, SATURDAY, MONDAY)] == ["closed", "", ""]
    assert claim.told(FRIDAY) == "closed (Fête)"


def test_hours_count_where_they_are_known() -> None:
    assert sessions().other_hours(FRIDAY, ("09:30", "13:00"))
    assert not sessions().other_hours(FRIDAY, DAY)
    assert not sessions().other_hours(MONDAY, DAY)
    assert not sessions(hours=False).other_hours(FRIDAY, ("09:30", "13:00"))
    assert not sessions(breaks=False).other_hours(FRIDAY, (*DAY, "12:00", "13:00"))


def test_hours_in_words() -> None:
    assert shown(("09:00", "15:00", "11:30", "12:30")) == "09:00 to 15:00, break 11:30 to 12:30"


def test_a_disagreement_in_words() -> None:
    said = {"a": "closed", "b": "09:30 to 16:00"}
    told = str(Disagreement(FRIDAY, "closed", said, "09:30 to 16:00"))
    assert told == "2024-07-05 shipped 09:30 to 16:00; a: closed, b: 09:30 to 16:00"


@upstream
def test_the_large_markets_are_agreed_upon() -> None:
    for name in ("XNYS", "XLON", "XTKS", "US_EQ", "24/7"):
        assert verify(name, date(2015, 1, 1), date(2025, 12, 31)) == [], name


@upstream
def test_known_corrections_are_left_out_unless_asked_for() -> None:
    span = date(2023, 8, 28), date(2023, 9, 15)
    assert verify("XHKG", *span) == []
    first, second = verify("XHKG", *span, settled=True)
    assert (first.date, second.date) == (date(2023, 9, 1), date(2023, 9, 8))
    assert (first.what, first.shipped) == ("open", "closed (Typhoon Saola)")
    assert first.said["exchange_calendars"] == "09:30 to 16:00, break 12:00 to 13:00"


@upstream
def test_hours_of_a_range_leave_its_dates_open_to_doubt() -> None:
    settled = verify("XTKS", date(2005, 1, 1), date(2005, 3, 31), settled=True)
    assert {found.what for found in settled} == {"hours"}
    assert verify("XTKS", date(2005, 1, 1), date(2005, 3, 31)) == []


@same_upstream
def test_what_nobody_has_settled_is_told() -> None:
    found = verify("XNYS", date(2005, 5, 1), date(2005, 6, 30))
    assert [(one.date, one.what) for one in found] == [(date(2005, 6, 1), "hours")]


@upstream
def test_dates_outside_of_the_calendar_are_not_asked_about() -> None:
    beyond = schedule_of("XNYS").valid_until.replace(year=2090)
    assert verify("XNYS", beyond, beyond) == []
