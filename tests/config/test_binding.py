"""Pipelines that live in sessions: which one, and when in its day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from openbell.config.load import Overrides
from openbell.core.model import Late, Opening, Step
from tests.config.conftest import Folder

NIGHT = """name: night
market: XNYS
steps:
  ingest: {run: 'load {session} {session-1} {session:%Y%m%d}', when: post_close}
  book: {run: 'book', needs: [ingest], when: {after: close+15m, until: next open-30m}, late: skip}
"""
HALF_DAY = date(2024, 7, 3)


def of(day: date | None = HALF_DAY, now: datetime | None = None) -> Overrides:
    return Overrides(on=None, dates=(day, day) if day else None, now=now)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 7, day, hour, minute, tzinfo=UTC)


def test_points_become_instants_and_templates_dates(folder: Folder) -> None:
    found = folder.load(NIGHT, overrides=of()).pipeline
    ingest, book = found.steps
    assert found.sessions == {"session": "2024-07-03", "session-1": "2024-07-02"}
    assert (ingest.openings, ingest.late) == ((Opening(at(3, 17), at(3, 19)),), Late.RUN)
    assert (book.openings, book.late) == ((Opening(at(3, 17, 15), at(5, 13)),), Late.SKIP)
    assert set(found.calendars) == {"XNYS"}


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (at(3, 16), "2024-07-03"),
        (at(4, 15), "2024-07-03"),
        (at(5, 12, 29), "2024-07-03"),
        (at(5, 12, 30), "2024-07-05"),
    ],
)
def test_without_a_date_it_is_the_session_of_now(folder: Folder, now: datetime, session: str) -> None:
    assert folder.load(NIGHT, overrides=of(None, now)).pipeline.sessions["session"] == session


def test_a_step_ends_by_a_point(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {run: x, stop_at: next open-5m}}"
    [step] = folder.load(text, overrides=of()).pipeline.steps
    assert (step.openings, step.stop_at) == ((), at(5, 13, 25))


def test_a_half_day_may_have_no_time_for_a_step(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {run: x, when: {after: open+4h, until: close}}}"
    [usual] = folder.load(text, overrides=of(date(2024, 7, 2))).pipeline.steps
    [half] = folder.load(text, overrides=of()).pipeline.steps
    assert (len(usual.openings), usual.absent) == (1, "")
    assert half.openings == ()
    assert half.absent == "the session 2024-07-03 of XNYS has no time for it"
    ending = text.replace("until: close}", "until: next open}, stop_at: close")
    [half] = folder.load(ending, overrides=of()).pipeline.steps
    assert half.absent, "it would end before it may begin"
    [usual] = folder.load(ending, overrides=of(date(2024, 7, 2))).pipeline.steps
    assert (len(usual.openings), usual.stop_at) == (1, at(2, 20))


def test_catching_up_nothing_is_too_late(folder: Folder) -> None:
    text = NIGHT.replace("late: skip", "late: skip, stop_at: next open-5m")
    overrides = Overrides(on=None, dates=(HALF_DAY, HALF_DAY), catching_up=True)
    plain, catching = (folder.load(text, overrides=one) for one in (of(), overrides))
    assert {(step.late, step.stop_at) for step in catching.pipeline} == {(Late.RUN, None)}
    assert catching.digest == plain.digest


def test_a_date_binds_a_pipeline_without_dates(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {script: worker.py}}"
    assert folder.load(text, overrides=of()).pipeline.sessions == {"session": "2024-07-03"}
    assert folder.load(text).pipeline.sessions == {}


def test_an_axis_that_is_called_session_is_an_axis(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {run: 'x {session}', matrix: {session: [am, pm]}}}"
    assert folder.load(text).pipeline.sessions == {}


def test_another_market_is_another_plan(folder: Folder) -> None:
    day = date(2024, 7, 2)
    first, other = (folder.load(NIGHT.replace("XNYS", name), overrides=of(day)) for name in ("XNYS", "XTSE"))
    assert first.digest != other.digest


def test_another_session_is_another_plan_and_the_same_one_is_not(folder: Folder) -> None:
    first, again, other = (folder.load(NIGHT, overrides=of(date(2024, 7, day))).digest for day in (3, 3, 5))
    assert first == again != other


def test_a_sweep_is_not_bound(folder: Folder) -> None:
    axis = "{date: {from: 2024-07-01, to: 2024-07-08}}"
    text = f"name: s\nmarket: XNYS\nsteps: {{w: {{run: 'x {{date}}', matrix: {axis}}}}}"
    found = folder.load(text, overrides=of()).pipeline
    assert found.sessions == {}
    assert found.size == 1, "`--date` cuts its axis"


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("session", 2),
        ("break", 1),
        ("[pre_open, post_close]", 2),
        ("overnight", 1),
        ("{after: next open}", 1),
    ],
)
def test_states_of_a_day_with_lunch(folder: Folder, when: str, count: int) -> None:
    text = f"name: n\nmarket: XTKS\nsteps: {{a: {{run: x, when: {when}}}}}"
    [step] = folder.load(text, overrides=of(date(2024, 7, 2))).pipeline.steps
    assert len(step.openings) == count
    assert list(step.openings) == sorted(step.openings)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("market: XNYS\nsteps: {a: {run: x, when: ▸lunch}}", "OB105", "must be"),
        ("market: XNYS\nsteps: {a: {run: x, when: {after: ▸noon}}}", "OB106", "point of a session"),
        ("market: XNYS\nsteps: {a: {run: x, when: ▸break}}", "OB128", "never in the state break"),
        ("market: 24/7\nsteps: {a: {run: x, when: ▸pre_open}}", "OB128", "never in the state pre_open"),
        ("market: XNYS\nsteps: {a: {run: x, when: ▸{after: close, until: open}}}", "OB128", "is not after"),
        ("steps: {a: {run: x, ▸when: post_close}}", "OB128", "has no market"),
        ("market: XNYS\nsteps: {a: {run: x, ▸late: skip}}", "OB111", "goes with `when`"),
        ("market: XNYS\nsteps: {a: {run: x, ▸hold: true}}", "OB111", "`hold` has no end"),
        ("market: XNYS\nsteps: {a: {run: x, when: {after: open}, ▸hold: true}}", "OB111", "no end"),
        (
            "market: XNYS\nsteps: {a: {run: x, stop_at: close, files: '*.csv', ▸hold: true}}",
            "OB111",
            "a step that takes in files cannot `hold`",
        ),
        (
            "market: XNYS\nsteps: {a: {run: x, when: {after: close}, ▸late: fail}}",
            "OB111",
            "`late: fail` never holds: `when` has no end",
        ),
        ("market: XNYS\nsteps: {a: {run: x, when: {after: close}, ▸late: skip}}", "OB111", "no end"),
        ("market: XNYS\nsteps: {a: {run: x, stop_at: ▸never}}", "OB106", "point of a session"),
        ("market: XNYS\nsteps: {a: {run: x, when: post_close, stop_at: ▸open}}", "OB128", "is not after"),
        ("steps: {a: {run: x, ▸stop_at: close}}", "OB128", "has no market"),
        ("steps: {a: {run: ▸'x {session}'}}", "OB121", "not known"),
        ("market: XNYS\nsteps: {a: {run: ▸'x {sessions}'}}", "OB121", "not known"),
    ],
)
def test_what_is_wrong(folder: Folder, text: str, code: str, told: str) -> None:
    [finding] = folder.expect(f"name: n\n{text}\n", code, overrides=of(None, at(3, 18)))
    assert told in finding.message


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ((date(2024, 7, 4), date(2024, 7, 4)), "no session on 2024-07-04 (Independence Day)"),
        ((date(2024, 7, 2), date(2024, 7, 3)), "one session at a time"),
        ((date(1980, 7, 2), date(1980, 7, 2)), "knows its sessions from"),
    ],
)
def test_dates_that_are_no_session(folder: Folder, dates: Any, told: str) -> None:
    [finding] = folder.findings(NIGHT, overrides=Overrides(dates=dates))
    assert (finding.code, finding.span.line) == ("OB128", 2)
    assert told in finding.message
    assert finding.help


def test_the_last_session_of_all_has_no_next_one(folder: Folder) -> None:
    findings = folder.findings(NIGHT, overrides=of(date(2027, 12, 31)))
    assert "knows nothing after" in findings[0].message


def test_what_holds_its_time_holds_over_whatever_lies_between(folder: Folder) -> None:
    def bound(keys: str) -> Step:
        text = f"name: n\nmarket: XHKG\nsteps: {{a: {{run: x, when: session{keys}}}}}\n"
        day = Overrides(on="process", dates=(date(2024, 7, 2), date(2024, 7, 2)))
        return folder.load(text, overrides=day).pipeline.step("a")

    morning, afternoon = bound("").openings
    assert bound(", hold: true").openings == (Opening(morning.start, afternoon.end),)
    assert bound(", hold: true").ends == afternoon.end
    assert afternoon.end is not None
    assert bound(", hold: true, stop_at: close-1h").ends == afternoon.end - timedelta(hours=1)


def test_what_holds_its_time_keeps_its_end_when_it_is_caught_up(folder: Folder) -> None:
    text = "name: n\nmarket: XNYS\nsteps: {a: {run: x, stop_at: close, hold: true}}\n"
    caught = Overrides(on="process", dates=(date(2024, 7, 2),) * 2, catching_up=True)
    assert folder.load(text, overrides=caught).pipeline.step("a").ends is not None
