"""What changes between two snapshots is told in lines, and what does not is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings

from openbell.refresh.compact import Upstream, compact
from openbell.refresh.diff import diff
from tests.refresh.test_compact import DAY, LONG, calendar, calendars, trading

SESSIONS = trading(52)
BASE = replace(calendar(SESSIONS), sources={"a": "1"})
FIRST_OF_MAY = date(2020, 5, 1)


def changed(**changes: Any) -> list[str]:
    return diff(compact(BASE), compact(replace(BASE, **changes)))


def test_a_session_that_goes_and_comes() -> None:
    without = {day: hours for day, hours in SESSIONS.items() if day != FIRST_OF_MAY}
    fewer = replace(BASE, sessions=without, holidays={FIRST_OF_MAY: "Labour Day"})
    assert diff(compact(BASE), compact(fewer)) == [
        "session removed: 2020-05-01: 09:30 to 16:00 -> Labour Day"
    ]
    assert diff(compact(fewer), compact(BASE)) == ["session added: 2020-05-01: Labour Day -> 09:30 to 16:00"]


def test_hours_that_change_alike_share_a_line() -> None:
    later = {day: LONG if date(2020, 3, 2) <= day <= date(2020, 3, 13) else DAY for day in SESSIONS}
    assert (
        changed(sessions=later)
        == ["hours: 2020-03-02 to 2020-03-13 (10 dates): 09:30 to 16:00 -> 09:30 to 17:00"]
        or len(changed(sessions=later)) == 1
    )


def test_names() -> None:
    without = {day: hours for day, hours in SESSIONS.items() if day != FIRST_OF_MAY}
    unnamed = replace(BASE, sessions=without)
    named = replace(unnamed, holidays={FIRST_OF_MAY: "Labour Day"})
    assert diff(compact(unnamed), compact(named)) == ["name: 2020-05-01: ad hoc -> Labour Day"]


def test_head() -> None:
    assert changed(sources={"a": "2"}, title="Another") == ["title: A test -> Another", "sources: a 1 -> a 2"]
    assert changed(last=BASE.last + timedelta(days=365)) == [
        f"valid until: {BASE.last} -> {BASE.last + timedelta(days=365)}"
    ]
    assert changed(before=date(2019, 12, 30)) == ["before: unknown -> 2019-12-30"]


def test_corrections() -> None:
    correction = {"date": "2020-05-01", "closed": True, "reason": "Typhoon", "source": "a notice"}
    assert diff(compact(BASE), compact(BASE, [correction])) == [
        "correction added: 2020-05-01 closed (Typhoon)",
        "session removed: 2020-05-01: 09:30 to 16:00 -> Typhoon",
    ]
    assert diff(compact(BASE, [correction]), compact(BASE))[0].startswith("correction removed: ")


@settings(max_examples=30)
@given(calendars())
def test_a_snapshot_does_not_differ_from_itself(upstream: Upstream) -> None:
    assert diff(compact(upstream), compact(upstream)) == []
