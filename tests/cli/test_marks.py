"""`mark`, and what runs again after `retry` and after a mark: with real processes, led here and elsewhere."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk

NIGHT = """name: night
steps:
  vendor: {run: [sh, -c, 'test {i} != 1 || test -e good'], matrix: {i: 3}}
  merge: {run: [sh, -c, 'echo merge >> ran'], needs: {vendor: some}}
  book: {run: [sh, -c, 'echo book >> ran'], needs: [merge]}
  strict: {run: [sh, -c, 'echo strict >> ran'], needs: [vendor]}
"""


def test_a_mark_is_recorded_and_those_behind_it_run(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT)
    assert desk.run("run", "night.yaml").code == 2
    assert desk.lines("ran") == ["merge", "book"]
    marked = desk.run("mark", "night/1/vendor/1", "succeeded", "--reason", "loaded by hand")
    assert marked.code == 0
    assert marked.out.startswith("night/1: 1 task marked succeeded, 1 reopened\n")
    assert sorted(desk.lines("ran")[2:]) == ["book", "merge", "strict"]
    assert "Opened again, of merge: made before vendor had succeeded" in marked.err
    told = desk.run("why", "night/1/vendor/1").out
    assert "marked succeeded by " in told
    assert told.rstrip().endswith("loaded by hand\n  to take that back: openbell retry night/1/vendor/1")
    assert "1 of 3 tasks of vendor marked succeeded by hand" in desk.run("runs", "show", "night").out
    shown = json.loads(desk.run("runs", "show", "night", "-o", "json").out)
    assert shown["marked"] == {"vendor": {"1": "succeeded"}}
    audit = json.loads(desk.run("runs", "audit", "night", "-o", "json").out)
    assert [one["task"] for one in audit["tasks"] if one["marked"]] == ["night/1/vendor/1"]
    (request,) = (one for one in audit["requests"] if one["request"] == "MarkTasks")
    assert (request["reason"], request["accepted"]) == ("loaded by hand", True)
    assert any("loaded by hand" in line["msg"] for line in audit["history"])
    assert "Marked succeeded by" in desk.run("events", "--run", "night/1").out
    desk.run("report", "night", "--output", "page.html")
    page = (desk.folder / "page.html").read_text()
    assert "Marked by hand" in page
    assert "loaded by hand" in page


def test_a_mark_has_to_say_why_and_of_what(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT)
    desk.run("run", "night.yaml")
    assert desk.run("mark", "night/1/vendor", "succeeded").code == 64
    assert "--reason is empty" in desk.run("mark", "night/1/vendor", "skipped", "--reason", " ").err
    assert "night/1/STEP[/CELL]" in desk.run("mark", "night", "skipped", "--reason", "x").err
    done = desk.run("mark", "night/1/merge", "succeeded", "--reason", "x")
    assert (done.code, done.out) == (4, "")
    assert done.err == "error: nothing to mark succeeded: all of it has succeeded already\n"


def test_retry_leaves_dependants_alone_when_asked(desk: Desk) -> None:
    desk.write("night.yaml", NIGHT)
    desk.run("run", "night.yaml")
    desk.write("good", "")
    assert desk.run("retry", "night", "--no-downstream").code == 0
    assert desk.lines("ran") == ["merge", "book", "strict"]


SLOW = """name: slow
steps:
  hang: {run: [sh, -c, 'echo hang >> ran; sleep 30']}
  bad: {run: 'false'}
  behind: {run: [sh, -c, 'echo behind >> ran'], needs: [bad]}
"""


def test_a_mark_reaches_whoever_leads(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    leading = desk.begin("run", "slow.yaml")
    desk.until(lambda: "1 skipped" in desk.run("runs", "show", "slow").out)
    refused = desk.run("mark", "slow/1/hang", "succeeded", "--reason", "no time")
    assert refused.code == 4
    assert "slow/1/hang runs: wait for its end, or end it with `openbell cancel slow/1/hang`" in refused.err
    marked = desk.run("mark", "slow/1/bad", "succeeded", "--reason", "not wanted", timeout=20)
    assert (marked.code, marked.out) == (0, "slow/1: 1 task marked succeeded, 1 reopened\n")
    desk.until(lambda: "behind" in desk.lines("ran"))
    leading.kill()
    leading.communicate()
    alone = desk.run("mark", "slow/1/behind", "skipped", "--reason", "x")
    assert alone.err.endswith("error: nothing to mark skipped: all of it has succeeded already\n")
    desk.run("cancel", "slow/1")


def test_a_mark_reaches_the_daemon_also_of_a_run_that_has_ended(desk: Desk) -> None:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/night.yaml", NIGHT)
    desk.run("run", "night")
    assert desk.run("start").code == 0
    marked = desk.run("mark", "night/1/vendor/1", "succeeded", "--reason", "by hand")
    assert marked.code == 0
    assert marked.out.startswith("night/1: 1 task marked succeeded, 1 reopened\n")
    desk.until(lambda: "night/1  succeeded" in desk.run("runs", "show", "night").out)
    assert desk.run("stop").code == 0
