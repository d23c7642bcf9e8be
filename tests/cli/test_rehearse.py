"""`schedule` and `rehearse` on real calendars."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from typing import Any

import pytest

from tests.cli.conftest import Desk

STEPS = """
steps:
  ingest: {run: "true", when: post_close}
  book: {run: "true", needs: [ingest]}
"""


@pytest.fixture
def sun(desk: Desk) -> Desk:
    """Three markets, and what comes after all of them."""
    desk.write("openbell.yaml", "")
    for name, market in (("us", "XNYS"), ("eu", "XLON"), ("asia", "XTKS")):
        desk.write(f"pipelines/{name}.yaml", f"name: {name}\nmarket: {market}\ntriggers: [session]{STEPS}")
    after = "triggers: [{after: [us, eu, asia], mismatch: previous}]\nsteps: {book: {run: 'true'}}\n"
    desk.write("pipelines/globe.yaml", f"name: globe\n{after}")
    return desk


def rehearsed(desk: Desk, *words: str, code: int = 0) -> dict[str, Any]:
    done = desk.run("rehearse", "-o", "json", *words)
    assert done.code == code, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_year_has_a_run_for_each_session(sun: Desk) -> None:
    found = rehearsed(sun, "--from", "2026-01-01", "--to", "2026-12-31")
    runs = {line["pipeline"]: line["runs"] for line in found["pipelines"]}
    assert runs["us"] == 251  # NYSE, 2026
    assert runs["eu"] == 253  # LSE, 2026
    assert found["problems"] == []
    assert all(line["succeeded"] == line["runs"] for line in found["pipelines"])


def test_half_days_holidays_and_changes_of_the_clocks_are_told(sun: Desk) -> None:
    found = rehearsed(sun, "--from", "2026-10-31", "--to", "2026-11-28")
    told = [f"{one['day']} {one['pipeline']}: {one['what']}" for one in found["unusual"]]
    assert "2026-11-26 us: no session: Thanksgiving" in told
    assert "2026-11-27 us: hours 09:30-13:00, its steps start at 13:00" in told
    assert "2026-11-01 us: the clocks go back 60 min; 0 runs" in told
    starts = {run["run"]: run["steps"]["ingest"]["starts"] for run in found["runs"] if "us/" in run["run"]}
    assert starts["us/2026-11-27"] == "2026-11-27T18:00:00+00:00"
    assert starts["us/2026-11-25"] == "2026-11-25T21:00:00+00:00"


def test_what_comes_after_all_markets_waits_for_the_last_of_them(sun: Desk) -> None:
    found = rehearsed(sun, "--from", "2026-11-16", "--to", "2026-11-20")
    runs = {run["run"]: run for run in found["runs"]}
    assert [name for name in runs if name.startswith("globe")] == [
        f"globe/2026-11-{day}" for day in range(16, 21)
    ]
    assert runs["globe/2026-11-18"]["opens"] == runs["us/2026-11-18"]["closes"]


def test_an_outage_over_the_close_runs_the_session_late_and_misses_the_one_before(sun: Desk) -> None:
    words = ("--from", "2026-11-16", "--to", "2026-11-21", "--outage", "2026-11-17T22:00/2026-11-19T22:00")
    found = rehearsed(sun, *words, code=1)
    runs = {run["run"] for run in found["runs"]}
    assert {"us/2026-11-17", "us/2026-11-19"} <= runs
    assert "us/2026-11-18" not in runs
    wrong = [(one["run"], one["what"]) for one in found["problems"]]
    assert ("us/2026-11-18", "missed: the engine was not running") in wrong


def test_a_run_that_overruns_the_next_one_is_an_overlap(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/a.yaml", "name: a\ntriggers: [{every: 15m}]\nsteps: {s: {run: 'true'}}\n")
    found = rehearsed(desk, "--from", "2026-11-16", "--to", "2026-11-16", "--length", "20m", code=1)
    [line] = found["pipelines"]
    assert line["missed"] == line["runs"] == 48
    assert "overlap" in found["problems"][0]["what"]


def test_steps_that_wait_for_a_slot_are_told(sun: Desk) -> None:
    words = ("--from", "2026-11-17", "--to", "2026-11-17", "--slots", "1", "--length", "10m")
    sun.write("pipelines/us2.yaml", f"name: us2\nmarket: XNYS\ntriggers: [session]{STEPS}")
    found = rehearsed(sun, *words, code=1)
    assert any(re.search(r"starts \d+ min after it could", one["what"]) for one in found["problems"])


def test_the_chart_has_the_bars_of_every_run(sun: Desk) -> None:
    words = ("--from", "2026-11-16", "--to", "2026-11-20", "--gantt", "g.svg", "--tz", "America/New_York")
    assert sun.run("rehearse", *words).code == 0
    root = xml.fromstring((sun.folder / "g.svg").read_text())
    told = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(re.match(r"us/2026-11-18: Wed 16:00-16:\d\d EST", one) for one in told)
    assert {one.partition(":")[0] for one in told} >= {f"asia/2026-11-{day}" for day in range(17, 21)}


def test_schedule_lists_runs_and_the_times_of_their_steps(sun: Desk) -> None:
    done = sun.run("schedule", "--days", "10")
    assert done.code == 0, done.err
    assert re.search(r"\d\d:\d\d E[SD]T  us/\d{4}-\d\d-\d\d \(session\): ingest \d\d:00", done.out)
    runs = json.loads(sun.run("schedule", "--days", "10", "-o", "json").out)
    assert {run["pipeline"] for run in runs} == {"us", "eu", "asia", "globe"}


def test_many_runs_of_a_day_share_a_line(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/a.yaml", "name: a\ntriggers: [{every: 15m}]\nsteps: {s: {run: 'true'}}\n")
    done = desk.run("schedule", "--days", "3")
    assert "00:00-23:45 UTC  a: 96 runs (every 15m)" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "yesterday"), "'yesterday' is no date"),
        (("--from", "2026-02-02", "--to", "2026-02-01"), "--to lies before --from"),
        (("--outage", "now"), "--outage takes FROM/TO"),
        (("--outage", "2026-02-02/2026-02-01"), "the end lies before the begin"),
        (("--gantt", "x.png"), "writes .svg or .html"),
        (("--tz", "Mars"), "no time zone 'Mars'"),
        (("--length", "long"), "--length takes a duration"),
    ],
)
def test_what_cannot_be_rehearsed_is_said(sun: Desk, words: tuple[str, ...], told: str) -> None:
    done = sun.run("rehearse", *words)
    assert (done.code, told in done.err) == (64, True), done.err


def test_a_project_without_triggers_has_nothing_to_rehearse(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/a.yaml", "name: a\nsteps: {s: {run: 'true'}}\n")
    done = desk.run("rehearse")
    assert done.code == 64
    assert "has triggers" in done.err


def test_why_tells_when_a_pipeline_opens_next_and_what_it_comes_after(sun: Desk) -> None:
    done = sun.run("why", "us")
    assert "no daemon has seen it yet" in done.out
    assert "no engine leads this project: openbell start" in done.out
    sun.run("start")
    sun.run("stop")
    done = sun.run("why", "us", "-o", "json")
    [told] = json.loads(done.out)
    assert told["gate"] == "time"
    assert re.match(r"opens us/\d{4}-\d\d-\d\d \(session ", told["text"])
    assert told["until"] is not None
    assert "waits for us, eu, asia" in sun.run("why", "globe").out
