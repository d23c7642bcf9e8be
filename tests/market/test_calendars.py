"""Every calendar of the package over its whole range."""

from __future__ import annotations

import json
from datetime import UTC, date
from hashlib import sha256
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
    "sources",
    "valid_from",
    "valid_until",
    "before",
    "weeks",
    "hours",
    "closed",
    "adhoc",
    "special",
    "corrections",
    "digest",
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
    corrected = corrections(raw)
    for kind, listed in (("holiday", raw["closed"]), ("ad hoc", raw["adhoc"])):
        named = {str(c.date): c.reason for c in closures.values() if c.kind == kind}
        assert {day: text for day, text in named.items() if day not in corrected} == {
            day: text for day, text in listed.items() if day not in corrected
        }
    assert raw["special"].keys() - corrected <= {str(label) for label in labels}
    assert raw["digest"] == digest(raw)
    for session in sessions:
        check_hours(session)
    assert all(a.close <= b.open for a, b in pairwise(sessions))


def corrections(raw: dict[str, Any]) -> set[str]:
    """The dates about which the package knows better than its sources."""
    found: set[str] = set()
    for correction in raw["corrections"]:
        first, _, last = correction["date"].partition(":")
        found |= {str(day) for day in days(date.fromisoformat(first), date.fromisoformat(last or first))}
        assert correction["source"]
    return found


def digest(raw: dict[str, Any]) -> str:
    """As the file of a calendar says that its digest is made."""
    rest = {key: value for key, value in raw.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


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
