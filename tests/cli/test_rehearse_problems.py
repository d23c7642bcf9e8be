"""Deadline misses, overlaps and starvation in a rehearsal: as text, as JSON, and marked in its chart."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import Desk

DAY = ("--from", "2026-11-25", "--to", "2026-11-25")
POOL = "resources: {db: 1}\n"
CRITICAL = """
name: critical
tz: UTC
triggers: [{cron: "0 10 * * *"}]
steps: {s: {run: "true", priority: critical, resources: {db: 1}}}
"""
OPTIONAL = """
name: optional
tz: UTC
triggers: [{cron: "5 10 * * *"}]
steps: {s: {run: "true", priority: optional, resources: {db: 1}}}
"""
LOOP = "name: loop\ntriggers: [{every: 15m}]\nsteps: {s: {run: 'true'}}\n"
CHART = "{http://www.w3.org/2000/svg}"


def rehearsed(desk: Desk, *words: str, code: int = 1) -> dict[str, Any]:
    """What it comes to; the chart is `g.svg`."""
    done = desk.run("rehearse", "-o", "json", *words, "--gantt", "g.svg")
    assert done.code == code, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def marked(desk: Desk) -> list[tuple[str, str]]:
    """The marks of the chart: their kinds and what they say."""
    root = xml.fromstring((desk.folder / "g.svg").read_text())
    paths = [one for one in root.iter(f"{CHART}path") if one.get("class")]
    return [(one.get("class") or "", one.findtext(f"{CHART}title") or "") for one in paths]


def told(desk: Desk, *words: str) -> str:
    """The same as text."""
    done = desk.run("rehearse", *words)
    assert done.code == 1, done.err
    return done.out


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_pipeline_that_takes_longer_than_its_deadline_by_its_own_history(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    steps = "steps: {a: {run: sleep 1}, b: {run: sleep 1, needs: [a]}}"
    desk.write("pipelines/p.yaml", f"name: p\ntriggers: [{{every: 1h}}]\ndeadline: {{after: 1s}}\n{steps}\n")
    assert desk.run("run", "pipelines/p.yaml").code == 0
    found = rehearsed(desk, *DAY)
    assert len(found["problems"]) == 24
    closes = {one["run"]: at(one["closes"]) for one in found["runs"]}
    for one in found["problems"]:
        assert (one["kind"], one["pipeline"], one["step"]) == ("deadline", "p", "")
        assert timedelta(seconds=one["by"]) == closes[one["run"]] - at(one["at"]) > timedelta(seconds=0.4)
    text = told(desk, *DAY)
    assert re.search(r"deadline +p +24 ", text)
    assert "p/20261125T000000Z: ends " in text
    assert [kind for kind, _ in marked(desk)] == ["deadline"] * 24
    found = rehearsed(desk, *DAY, "--takes", "p/a=50ms", "--takes", "p/b=50ms", code=0)
    assert found["problems"] == []
    assert marked(desk) == []


def test_deadlines_follow_half_days_and_changes_of_the_clocks(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    steps = "steps: {a: {run: 'true', when: post_close}, b: {run: 'true', needs: [a]}}"
    head = "name: us\nmarket: XNYS\ntriggers: [session]\ndeadline: {at: close+30m}\n"
    desk.write("pipelines/us.yaml", f"{head}{steps}\n")
    words = ("--from", "2026-10-30", "--to", "2026-11-29")
    assert rehearsed(desk, *words, code=0)["problems"] == []
    slow = (*words, "--takes", "us/b=50m")
    found = rehearsed(desk, *slow)
    due = {one["run"]: one["at"] for one in found["problems"]}
    assert len(due) == sum(one["pipeline"] == "us" for one in found["runs"]) == 20
    assert due["us/2026-10-30"] == "2026-10-30T20:30:00+00:00"
    assert due["us/2026-11-02"] == "2026-11-02T21:30:00+00:00"
    assert due["us/2026-11-27"] == "2026-11-27T18:30:00+00:00"
    assert re.search(r"deadline +us +20 +\d+:\d\d  us/2026-1\d-\d\d, \w{3} 2026-1", told(desk, *slow))


def test_a_run_that_has_not_ended_when_the_stretch_does_is_overdue_until_then(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    head = "name: p\ntz: UTC\ntriggers: [{cron: '0 6 * * *'}]\ndeadline: {after: 2h}\n"
    desk.write("pipelines/p.yaml", f"{head}steps: {{s: {{run: 'true'}}}}\n")
    [one] = rehearsed(desk, *DAY, "--takes", "p=40h")["problems"]
    assert one["by"] == timedelta(hours=16).total_seconds()
    assert "has not ended 16 h 00 min after its deadline" in one["what"]


def test_an_optional_pipeline_starves_while_a_critical_one_has_the_pool(desk: Desk) -> None:
    desk.write("openbell.yaml", POOL)
    desk.write("pipelines/critical.yaml", CRITICAL)
    desk.write("pipelines/optional.yaml", OPTIONAL)
    assert rehearsed(desk, *DAY, code=0)["problems"] == []
    words = (*DAY, "--takes", "critical=2h")
    found = rehearsed(desk, *words)
    [one] = found["problems"]
    assert (one["kind"], one["pipeline"], one["step"]) == ("starved", "optional", "s")
    assert (one["run"], one["at"]) == ("optional/20261125T100500Z", "2026-11-25T10:05:00+00:00")
    free = next(run["closes"] for run in found["runs"] if run["pipeline"] == "critical")
    assert timedelta(seconds=one["by"]) == at(free) - at(one["at"]) > timedelta(hours=1)
    assert re.search(
        r"starved +optional +1 +\d:\d\d:\d\d  optional/20261125T100500Z/s, Wed", told(desk, *words)
    )
    [(kind, title)] = marked(desk)
    assert kind == "starved"
    assert title.startswith("starved: optional/20261125T100500Z/s: starts ")
    assert rehearsed(desk, *words, "--starved", "3h", code=0)["problems"] == []


def test_what_never_gets_its_slot_starves_until_the_end(desk: Desk) -> None:
    desk.write("openbell.yaml", POOL)
    desk.write("pipelines/critical.yaml", CRITICAL)
    desk.write("pipelines/optional.yaml", OPTIONAL)
    [one] = rehearsed(desk, *DAY, "--takes", "critical=40h")["problems"]
    assert one["by"] == timedelta(hours=13, minutes=55).total_seconds()
    assert "has not started 13 h 55 min after it could" in one["what"]


def test_a_step_waits_from_the_end_of_what_it_needs_and_not_of_its_neighbours(desk: Desk) -> None:
    desk.write("openbell.yaml", POOL)
    desk.write("pipelines/critical.yaml", CRITICAL)
    steps = "a: {run: 'true'}, beside: {run: 'true'}, b: {run: 'true', needs: [a], resources: {db: 1}}"
    head = OPTIONAL.partition("steps:")[0]
    desk.write("pipelines/optional.yaml", f"{head}steps: {{{steps}}}\n")
    words = ("--slots", "9", "--takes", "critical=4h", "--takes", "optional/beside=1h")
    found = rehearsed(desk, *DAY, *words)
    run = next(one for one in found["runs"] if one["pipeline"] == "optional")
    assert run["steps"]["b"]["ready"] == run["steps"]["a"]["ends"]
    [one] = found["problems"]
    assert one["by"] > timedelta(hours=2).total_seconds()


def test_who_waits_for_fresh_data_does_not_starve(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    makes = "steps: {s: {run: 'true', provides: [prices]}}"
    desk.write("pipelines/critical.yaml", f"{CRITICAL.partition('steps:')[0]}{makes}\n")
    takes = "steps: {s: {run: 'true', requires: {prices: 12h}}}"
    desk.write("pipelines/optional.yaml", f"{OPTIONAL.partition('steps:')[0]}{takes}\n")
    found = rehearsed(desk, *DAY, "--takes", "critical=2h", code=0)
    made, taken = (run["steps"]["s"] for run in found["runs"])
    assert taken["starts"] == taken["ready"] == made["ends"]


def test_a_loop_that_its_predecessor_overruns_is_an_overlap_by_so_much(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/loop.yaml", LOOP)
    assert rehearsed(desk, *DAY, code=0)["problems"] == []
    found = rehearsed(desk, *DAY, "--takes", "loop=20m")
    ends = {at(one["opens"]): at(one["closes"]) for one in found["runs"] if one["closes"]}
    overlaps = [one for one in found["problems"] if one["kind"] == "overlap"]
    assert len(overlaps) == len(found["problems"]) == 48
    for one in overlaps[:-1]:
        missed = at(one["at"])
        assert one["run"] == f"loop/{missed.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        assert timedelta(seconds=one["by"]) == ends[missed - timedelta(minutes=15)] - missed
    text = told(desk, *DAY, "--takes", "loop=20m")
    assert re.search(r"overlap +loop +48 ", text)
    assert "and 43 more of the same (-o json has all)" in text
    assert [kind for kind, _ in marked(desk)] == ["overlap"] * 48


@pytest.mark.parametrize(
    ("overlap", "what"),
    [
        ("queue", r"opens (\d h \d\d|\d+) min late: the run before"),
        ("replace", "cancelled: replaced by the next"),
    ],
)
def test_an_overlap_that_waits_or_takes_over_is_told_as_one(desk: Desk, overlap: str, what: str) -> None:
    desk.write("openbell.yaml", "")
    every = "tz: UTC\ntriggers: [{cron: '0 */8 * * *'}]\n"
    desk.write("pipelines/p.yaml", f"name: p\noverlap: {overlap}\n{every}steps: {{s: {{run: 'true'}}}}\n")
    found = rehearsed(desk, *DAY, "--takes", "p=11h")
    first = found["problems"][0]
    assert {one["kind"] for one in found["problems"]} == {"overlap"}
    assert first["at"] == "2026-11-25T08:00:00+00:00"
    assert re.match(what, first["what"])
    assert {kind for kind, _ in marked(desk)} == {"overlap"}


def test_who_catches_up_after_an_outage_waits_in_turn_and_overlaps_nothing(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/loop.yaml", f"catch_up: all\n{LOOP}")
    words = ("--takes", "loop=2m", "--outage", "2026-11-25T10:05/2026-11-25T11:05")
    found = rehearsed(desk, *DAY, *words, code=0)
    assert found["problems"] == []
    assert len(found["runs"]) == 96


def test_who_waits_for_the_end_of_an_outage_does_not_starve_but_misses_its_deadline(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    head = "name: p\ntz: UTC\ntriggers: [{cron: '0 10 * * *'}]\ndeadline: {after: 1h}\n"
    desk.write("pipelines/p.yaml", f"{head}steps: {{a: {{run: 'true'}}, b: {{run: 'true', needs: [a]}}}}\n")
    words = ("--takes", "p=4m", "--outage", "2026-11-25T10:02/2026-11-25T12:00")
    [one] = rehearsed(desk, *DAY, *words)["problems"]
    assert (one["kind"], one["at"]) == ("deadline", "2026-11-25T11:00:00+00:00")


def test_a_page_has_the_marks_as_well(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/loop.yaml", LOOP)
    done = desk.run("rehearse", *DAY, "--takes", "loop=20m", "--gantt", "g.html")
    assert done.code == 1
    page = (desk.folder / "g.html").read_text()
    assert page.count('<path class="overlap"') == 48
    assert "<title>overlap: loop/20261125T001500Z: missed: overlap: loop/20261125T000000Z still runs" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--takes", "lop=5m"), "did you mean `loop`?"),
        (("--takes", "loop/x=5m"), "there is no 'loop/x'"),
        (("--takes", "loop"), "--takes loop=... takes a duration"),
        (("--takes", "loop/s=-5m"), "takes a duration"),
        (("--starved", "long"), "--starved takes a duration"),
    ],
)
def test_assumptions_that_make_no_sense_are_refused(desk: Desk, words: tuple[str, ...], said: str) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/loop.yaml", LOOP)
    done = desk.run("rehearse", *words)
    assert (done.code, said in done.err) == (64, True), done.err
