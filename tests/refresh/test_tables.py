"""Our own tables: every name and correction has a source, fits its calendar, and changes something."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from typing import Any

import pytest

from openbell.market.names import calendars
from openbell.market.snapshot import load, schedule_of
from openbell.refresh import tables
from openbell.refresh.snapshot import redundant

CORRECTED = sorted(name for name in calendars() if tables.corrections(name))


def table(file: str) -> Any:
    return tomllib.loads(files("openbell.refresh").joinpath(file).read_text(encoding="utf-8"))


def test_everything_has_a_reason_and_a_source() -> None:
    for entry in (*table("names.toml")["closure"], *table("corrections.toml")["correction"]):
        assert entry["reason"], entry
        assert entry["source"], entry
        assert entry["dates"], entry
        assert set(entry["calendars"]) <= set(calendars()), entry


def test_names_are_given_once() -> None:
    seen: set[tuple[str, str]] = set()
    for entry in table("names.toml")["closure"]:
        for key in ((name, day) for name in entry["calendars"] for day in entry["dates"]):
            assert key not in seen
            seen.add(key)


@pytest.mark.parametrize("name", sorted({n for e in table("names.toml")["closure"] for n in e["calendars"]}))
def test_named_closures_are_closures(name: str) -> None:
    """Upstream has no session on them: names close nothing."""
    data = load(name)
    for kind, names in (("adhoc", tables.events(name)), ("closed", tables.holidays(name))):
        for day, reason in names.items():
            assert data[kind].get(day.isoformat()) == reason, day


@pytest.mark.parametrize("name", CORRECTED)
def test_corrections_are_shipped_and_change_something(name: str) -> None:
    data = load(name)
    assert data["corrections"] == tables.corrections(name)
    assert not list(redundant(data))


def test_a_correction_that_upstream_has_come_to_agree_with_is_told() -> None:
    saturday = {"date": "2024-07-06", "closed": True, "reason": "a Saturday", "source": "the week"}
    (note,) = redundant(load("XNYS") | {"corrections": [saturday]})
    assert "2024-07-06 closed" in note


def test_the_typhoons_of_2023() -> None:
    hong_kong = schedule_of("XHKG")
    told = [hong_kong.closure(date(2023, 9, day)) for day in (1, 8)]
    assert [(closure.kind, closure.reason) for closure in told if closure] == [
        ("ad hoc", "Typhoon Saola"),
        ("ad hoc", "Black rainstorm"),
    ]
    assert all(closure.source.startswith("HKEX") for closure in told if closure)


def test_plain_names() -> None:
    day = date(2010, 7, 19)
    assert tables.plain({day: "Marine Day (2003 - 2019)"}) == {day: "Marine Day"}
    assert tables.plain({day: "Marine Day"}) == {day: "Marine Day"}


def test_calendars_end_where_their_lunar_holidays_do() -> None:
    assert tables.horizon("XIDX", date(2027, 12, 31)) == date(2026, 12, 31)
    assert tables.horizon("XIDX", date(2025, 12, 31)) == date(2025, 12, 31)
    assert tables.horizon("XNYS", date(2027, 12, 31)) == date(2027, 12, 31)
    assert schedule_of("XKAR").valid_until <= date(2026, 12, 31)
