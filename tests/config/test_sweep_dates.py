"""Dates and environment of a sweep: days, weekdays, sessions; texts as Python writes them."""

from __future__ import annotations

import pytest

from openbell.config.findings import Severity
from openbell.core.matrix import Axis
from tests.config.conftest import Folder, places
from tests.config.texts import LOGIN, PQ, PQ_LEAST, edited


def test_weekdays_that_are_no_sessions_are_listed(folder: Folder) -> None:
    loaded = folder.load(PQ, LOGIN, on=None)
    [warning] = loaded.warnings
    assert places(loaded.warnings, Severity.WARNING) == [("OB119", 33, 18)]
    assert warning.message.startswith(
        "10 of these weekdays are no sessions of XNYS: 2024-01-01 (New Year's Day), "
    )
    assert warning.message.endswith(" and 2 more")
    assert "2024-03-29 (Good Friday)" in warning.message
    assert warning.help == "write `calendar: XNYS` instead of `weekdays_only` to leave them out"
    assert len(loaded.left_out) == 104
    assert {closure.kind for closure in loaded.left_out.values()} == {"weekend"}


def test_one_weekday_without_a_session(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("start: 2024-01-02", "start: 2024-01-01\n  weekdays_only: true"))
    [warning] = folder.load(text).warnings
    assert warning.message == "1 of these weekdays is no session of XNYS: 2024-01-01 (New Year's Day)"


@pytest.mark.parametrize("calendar", ["XNYS", "USNYSE", "US_EQ"])
def test_a_calendar_gives_sessions(folder: Folder, calendar: str) -> None:
    loaded = folder.load(edited(PQ, ("weekdays_only: true", f"calendar: {calendar}")), LOGIN)
    dates = loaded.pipeline.steps[0].matrix.axes[0]
    assert len(dates.values) == 252
    assert loaded.warnings == ()
    assert len(loaded.left_out) == 366 - 252
    assert "2024-07-04" not in dates.values


def test_weekdays_of_a_calendar_that_knows_no_weekend(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("end: 2024-01-03", "end: 2024-01-08\n  calendar: 24-7"))
    assert len(folder.load(text).pipeline.steps[0].matrix.axes[0].values) == 7
    text = edited(text, ("calendar: 24-7", "calendar: 24-7\n  weekdays_only: true"))
    loaded = folder.load(text)
    assert loaded.pipeline.steps[0].matrix.axes[0] == Axis(
        "date", ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"), "date"
    )
    assert [day.isoformat() for day in loaded.left_out] == ["2024-01-06", "2024-01-07"]
    assert loaded.warnings == ()


def test_fifty_years_of_days_take_no_time(folder: Folder) -> None:
    text = edited(PQ_LEAST, ("start: 2024-01-02", "start: 1975-01-02\n  weekdays_only: true"))
    assert len(folder.load(text).pipeline.steps[0].matrix.axes[0].values) == 2557 * 5


# ── environment ──────────────────────────────────────────────────────────────────────────────────


def test_values_of_the_environment_are_texts_as_python_writes_them(folder: Folder) -> None:
    values = "{A: text, B: 5, C: 1.50, D: true, E: '', F: '007', G: no, 8: x, H: 1e3, I: 16:00}"
    [step] = folder.load(edited(PQ_LEAST, ("{}", values))).pipeline.steps
    assert step.env == {
        "A": "text",
        "B": "5",
        "C": "1.5",
        "D": "True",
        "E": "",
        "F": "007",
        "G": "no",
        "8": "x",
        "H": "1000.0",
        "I": "16:00",
    }


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ("▸env: null", "OB103"),
        ("▸env:", "OB103"),
        ("env: ▸[]", "OB103"),
        ("env: ▸text", "OB103"),
        ("env: ▸5", "OB103"),
        ("env: {▸A: null}", "OB103"),
        ("env: {▸A: }", "OB103"),
        ("env: {A: ▸[1, 2]}", "OB103"),
        ("env: {A: ▸{b: c}}", "OB103"),
        ("env: {▸PARTITION_ID: 1}", "OB122"),
        ("env: {A: 1, ▸NUM_PARTITIONS: 1}", "OB122"),
        ("env: {▸SIMULATION_NAME: x}", "OB122"),
        ("env: {▸SIMULATION_DATE: x}", "OB122"),
        ("env: {▸QUERY_NAME: x}", "OB122"),
        ("env: {▸OPENBELL_ATTEMPT: x}", "OB122"),
        ("env: {▸A=B: x}", "OB118"),
        ("env: {▸'': x}", "OB108"),
        ("env: {A: 1, ▸A: 2}", "OB109"),
    ],
)
def test_what_an_environment_cannot_be(folder: Folder, env: str, code: str) -> None:
    folder.expect(edited(PQ_LEAST, ("env: {}", env)), code)
