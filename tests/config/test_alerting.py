from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell.config.load import Loaded, Overrides, load
from openbell.config.project import Project, load_project
from openbell.core.alerts import NOBODY, Alerts, Deadline, Escalation, Notice, Severity
from openbell.errors import ConfigError

PROJECT = """
alerts:
  channels:
    desk: {command: python notify.py --room desk, timeout: 5s, env: {TOKEN: "${TOKEN}"}}
    book: {log: book.jsonl}
  high: [desk, log]
  low: []
"""
STEPS = """
steps:
  a:
    run: "true"
    on_failure: {notify: [desk, book], escalate: {to: log, after: 30m}}
    on_success: {notify: log}
  b: {run: "true", priority: critical, on_failure: {notify: desk, continue: true}}
  c: {run: "true", on_failure: {continue: true}}
"""


def project(folder: Path, text: str = PROJECT) -> Project:
    (folder / "openbell.yaml").write_text(text)
    return load_project(folder, {})


def loaded(folder: Path, text: str, overrides: Overrides | None = None, settings: str = PROJECT) -> Loaded:
    (folder / "p.yaml").write_text(f"name: p\n{text}")
    return load(folder / "p.yaml", project(folder, settings), {}, overrides or Overrides())


def faults(folder: Path, text: str, settings: str = PROJECT) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, settings=settings)
    return [str(finding) for finding in caught.value.findings]


def test_channels_of_a_project(tmp_path: Path) -> None:
    found = project(tmp_path).alerts
    assert set(found.channels) == {"log", "desk", "book"}
    desk = found.channels["desk"]
    assert desk.command == ("python", "notify.py", "--room", "desk")
    assert (desk.timeout, desk.env) == (timedelta(seconds=5), {"TOKEN": "${TOKEN}"}), "no secret is read"
    assert found.channels["book"].log == "book.jsonl"
    assert found.of(Severity.HIGH) == ("desk", "log")
    assert found.of(Severity.MEDIUM) == ("log",)
    assert found.of(Severity.LOW) == ()
    assert Project(tmp_path).alerts.of(Severity.HIGH) == ("log",)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("alerts: {channels: {desk: {}}}", "OB111"),
        ("alerts: {channels: {desk: {command: x, log: y}}}", "OB111"),
        ("alerts: {channels: {desk: {log: ../x}}}", "OB112"),
        ("alerts: {channels: {desk: {log: x, env: {OPENBELL_X: 1}}}}", "OB122"),
        ("alerts: {channels: {desk: {log: x}}, high: [dsk]}", "did you mean `desk`"),
    ],
)
def test_what_can_be_wrong_with_channels(tmp_path: Path, settings: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(tmp_path, settings)
    assert told in str(caught.value.findings[0])


def test_who_is_told_of_steps_and_of_runs(tmp_path: Path) -> None:
    text = "on_failure: {notify: [desk], severity: low}\non_success: {notify: [book]}\n"
    pipeline = loaded(tmp_path, text + STEPS).pipeline
    escalation = Escalation(("log",), timedelta(minutes=30))
    assert pipeline.step("a").alerts == Alerts(
        Notice(("desk", "book"), Severity.MEDIUM, escalation), Notice(("log",), Severity.LOW)
    )
    assert pipeline.step("b").alerts == Alerts(Notice(("desk",), Severity.HIGH))
    assert pipeline.step("c").alerts == NOBODY
    assert pipeline.step("b").on_failure.goes_on
    assert pipeline.alerts == Alerts(Notice(("desk",), Severity.LOW), Notice(("book",), Severity.LOW))


def test_it_does_not_make_another_plan(tmp_path: Path) -> None:
    plain = "steps: {a: {run: 'true'}}\n"
    told = "steps: {a: {run: 'true', on_failure: {notify: desk}}}\ndeadline: {after: 1h}\n"
    assert loaded(tmp_path, plain).digest == loaded(tmp_path, told).digest


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("on_failure: {notify: [dsk]}\n" + STEPS, "on_failure.notify.0", "no channel `dsk`"),
        ("on_failure: {notify: dsk}\n" + STEPS, "on_failure.notify", "no channel `dsk`"),
        ("on_success: {notify: sms}\n" + STEPS, "on_success.notify", "no channel `sms`"),
        (STEPS.replace("to: log", "to: [pager]"), "steps.a.on_failure.escalate.to.0", "no channel `pager`"),
        ("deadline: {after: 1h, notify: [pager]}\n" + STEPS, "deadline.notify.0", "no channel `pager`"),
        ("deadline: {}\n" + STEPS, "deadline", "neither `at` nor `after`"),
        ("deadline: {at: close, after: 1h}\nmarket: XNYS\n" + STEPS, "deadline", "both `at` and `after`"),
        ("deadline: {at: close}\n" + STEPS, "deadline.at", "has no market"),
        ("deadline: {at: noon}\nmarket: XNYS\n" + STEPS, "deadline.at", "must be a point of a session"),
        ("deadline: {after: 1h, alert: loud}\n" + STEPS, "deadline.alert", "low"),
        ("on_failure: {notify: 7}\n" + STEPS, "on_failure.notify", "name of a channel"),
    ],
)
def test_what_can_be_wrong_with_alerts(tmp_path: Path, text: str, place: str, told: str) -> None:
    found = faults(tmp_path, text)
    assert len(found) == 1, found
    assert place in found[0]
    assert told in found[0]


def test_a_deadline_after_the_opening(tmp_path: Path) -> None:
    found = loaded(tmp_path, "deadline: {after: 90m, alert: medium, notify: book}\n" + STEPS).pipeline
    assert found.deadline == Deadline(Notice(("book",), Severity.MEDIUM), after=timedelta(minutes=90))
    assert found.sessions == {}


def test_a_deadline_at_a_point_of_the_sessions_day(tmp_path: Path) -> None:
    text = "market: XNYS\ndeadline: {at: next open-30m, escalate: {to: book, after: 10m}}\n" + STEPS
    day = date(2024, 7, 3)
    found = loaded(tmp_path, text, Overrides(dates=(day, day))).pipeline
    escalation = Escalation(("book",), timedelta(minutes=10))
    expected = Deadline(
        Notice(("desk", "log"), Severity.HIGH, escalation), at=datetime(2024, 7, 5, 13, tzinfo=UTC)
    )
    assert found.deadline == expected
    assert found.sessions["session"] == "2024-07-03"
    late = loaded(tmp_path, text, Overrides(dates=(day, day), catching_up=True)).pipeline
    assert late.deadline is None, "days after the session nothing is too late"
