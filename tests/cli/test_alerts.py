"""Alerts from a failing task to a program that is told, and back to who sees to it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.cli.conftest import Desk, finish

PROJECT = """
alerts:
  channels:
    desk: {command: [sh, -c, 'cat >> told; test ! -e broken']}
  high: [desk]
"""
SECRET = """
    secret: {command: [sh, -c, 'printf %s "$TOKEN" > token'], env: {TOKEN: "${DESK_TOKEN}"}}
  high:"""
FAILING = """
name: f
steps:
  w: {run: [sh, -c, 'test {i} != 1'], matrix: {i: 3}, on_failure: {notify: [desk, log]}}
on_failure: {notify: desk, severity: low}
"""


def told(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(line) for line in desk.lines("told")]


def listed(desk: Desk, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.run("alerts", "ls", "-o", "json", *words).out)
    return found


def test_a_failure_is_told_and_somebody_sees_to_it(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT)
    desk.write("f.yaml", FAILING)
    outcome = desk.run("run", "f.yaml")
    assert outcome.code == 2
    assert "WARNING: Alert 1, medium: w: " in outcome.err
    first, second = told(desk)
    assert (first["subject"], first["step"], second["step"]) == ("f/1/w: failure", "w", None)
    assert "1 failed" in first["text"]
    log = (desk.folder / ".openbell/alerts.jsonl").read_text()
    assert json.loads(log)["alert"] == 1
    ended, failure = listed(desk)
    assert [letter["channel"] for letter in failure["letters"]] == ["desk", "log"]
    assert all(letter["delivered_at"] for letter in failure["letters"])
    assert (ended["severity"], ended["open"]) == ("low", True)
    seen = desk.run("alerts", "ack", "1", "2", "--reason", "on it")
    assert seen.out == "alert 1: acknowledged\nalert 2: acknowledged\n"
    assert desk.run("alerts", "ls").out == "no open alerts (--all shows what was)\n"
    assert ": on it" in desk.run("alerts", "ls", "--all").out
    audit = json.loads(desk.run("runs", "audit", "f", "-o", "json").out)
    assert [one["request"] for one in audit["requests"]] == ["Submit", "AckAlert", "AckAlert"]
    assert audit["requests"][1]["reason"] == "on it"
    assert desk.run("alerts", "ack", "7").code == 64


def test_a_broken_channel_costs_the_run_nothing_and_the_next_engine_tries_again(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT)
    desk.write("f.yaml", FAILING)
    desk.write("broken", "")
    outcome = desk.run("run", "f.yaml")
    assert outcome.code == 2
    (letter, _) = listed(desk)[1]["letters"]
    assert (letter["tries"], letter["error"], letter["delivered_at"]) == (1, "exit code 1", None)
    assert "desk (waits: exit code 1)" in desk.run("alerts", "ls").out
    (desk.folder / "broken").unlink()
    desk.write("g.yaml", "name: g\nsteps: {a: {run: 'true'}}\n")
    assert desk.run("run", "g.yaml").code == 0
    assert all(letter["delivered_at"] for alert in listed(desk) for letter in alert["letters"])


def test_a_death_between_the_failure_and_the_letter_loses_nothing(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT)
    desk.write(
        "f.yaml", FAILING.replace("'test {i} != 1'", "'sleep 0.3; test {i} != 1'").replace("i: 3", "i: 2")
    )
    for point in ("before-commit", "after-commit"):
        for count in (4, 6, 8, 10):
            desk.env["OPENBELL_KILL_AT"] = f"{point}:{count}"
            process = desk.begin("run", "f.yaml", "--new")
            finish(process)
            del desk.env["OPENBELL_KILL_AT"]
            desk.run("run", "f.yaml")
    every = [json.loads(line) for line in desk.run("events", "-n", "10000", "-o", "json").out.splitlines()]
    endings = Counter(line["run_id"] for line in every if line["msg"] == "Pipeline ended: partial")
    raised = Counter(alert["run"] for alert in listed(desk, "--all", "-n", "1000"))
    assert raised == {run: 2 * count for run, count in endings.items()}, "the step's and the run's, each once"
    sent = {letter["id"] for alert in listed(desk, "--all", "-n", "1000") for letter in alert["letters"]}
    assert {message["id"] for message in told(desk)} == {name for name in sent if name.endswith(".desk")}


def test_a_run_that_is_late_says_so(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT)
    desk.write("l.yaml", "name: l\ndeadline: {after: 300ms, alert: high}\nsteps: {a: {run: sleep 30}}\n")
    leader = desk.begin("run", "l.yaml")
    desk.until(lambda: bool(told(desk)))
    assert told(desk)[0]["topic"] == "overdue"
    assert "overdue: it was to have ended by" in desk.run("status").out
    assert "the run is overdue" in desk.run("why", "l/1/a").out
    assert json.loads(desk.run("status", "-o", "json").out)["runs"][0]["overdue"]
    assert desk.run("cancel", "l").code == 0
    finish(leader)
    assert desk.run("alerts", "ls").out == "no open alerts (--all shows what was)\n"


def test_channels_can_be_tried(desk: Desk) -> None:
    desk.write("openbell.yaml", PROJECT.replace("\n  high:", SECRET))
    outcome = desk.run("alerts", "test")
    assert outcome.code == 4
    assert outcome.out.splitlines() == [
        "log: delivered",
        "desk: delivered",
        "secret: the environment variable DESK_TOKEN is not set",
    ]
    desk.env["DESK_TOKEN"] = "s3cret"
    one = desk.run("alerts", "test", "secret", "-o", "json")
    assert json.loads(one.out) == {"channel": "secret", "delivered": True, "error": None}
    assert (desk.folder / "token").read_text() == "s3cret"
    database = (desk.folder / ".openbell").rglob("*")
    assert not any(b"s3cret" in file.read_bytes() for file in database if file.is_file())
    wrong = desk.run("alerts", "test", "dsk")
    assert (wrong.code, "did you mean `desk`?" in wrong.err) == (64, True)
