"""Every calendar of the package over its whole range."""

from __future__ import annotations

import json
from datetime import UTC, date
from importlib.resources import files
from itertools import chain, pairwise
from typing import Any

import pytest

from openbell.market import Session, calendars, market
from tests.market.almanac import days

KEYS = {
    "name",
    "title",
    "tz",
    "source",
    "valid_from",
    "valid_until",
    "weeks",
    "hours",
    "closed",
    "adhoc",
    "special",
}


def data(name: str) -> dict[str, Any]:
    folder = files("openbell.market").joinpath("calendars")
    return dict(json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8")))


def test_there_are_enough_of_them() -> None:
    assert len(calendars()) >= 66
    assert {"XNYS", "XLON", "XTKS", "XHKG", "XPAR", "XETR", "CMES", "24-7"} <= set(calendars())


@pytest.mark.parametrize("name", calendars())
def test_a_calendar_is_consistent(name: str) -> None:
    calendar, raw = market(name), data(name)
    span = calendar.valid_from, calendar.valid_until
    sessions = calendar.sessions(*span)
    labels = [session.date for session in sessions]
    closures = {closure.date: closure for closure in calendar.closures(*span)}

    assert raw.keys() == KEYS
    assert calendar.dates(*span) == labels
    assert sorted([*labels, *closures]) == days(*span)  # each date is the one or the other, and once
    for kind, listed in (("holiday", raw["closed"]), ("ad hoc", raw["adhoc"])):
        assert {str(c.date): c.reason for c in closures.values() if c.kind == kind} == listed
    assert raw["special"].keys() <= {str(label) for label in labels}
    for session in sessions:
        check_hours(session)
    assert all(a.close <= b.open for a, b in pairwise(sessions))


def check_hours(session: Session) -> None:
    """Open, breaks and close in their order, in UTC, and near their date."""
    times = [session.open, *chain.from_iterable(session.breaks), session.close]
    assert times == sorted(set(times)), session
    assert {time.tzinfo for time in times} == {UTC}
    assert abs(session.date.toordinal() - times[0].toordinal()) <= 1, session
    assert abs(session.date.toordinal() - times[-1].toordinal()) <= 1, session


@pytest.mark.parametrize("name", calendars())
def test_rules_are_in_order(name: str) -> None:
    raw = data(name)
    for rules in (raw["weeks"], raw["hours"], raw["closed"], raw["adhoc"], raw["special"]):
        found = [date.fromisoformat(day) for day in rules]
        assert found == sorted(found)
    assert all(len(mask) == 7 and set(mask) <= {"0", "1"} and "1" in mask for mask in raw["weeks"].values())


def test_no_calendar_ends_before_the_year_does() -> None:
    short = {
        name: market(name).valid_until
        for name in calendars()
        if market(name).valid_until < date(2026, 12, 31)
    }
    assert not short
