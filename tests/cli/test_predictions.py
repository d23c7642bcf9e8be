"""The tasks that took longest start first, once something has run."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk

UNEVEN = """name: uneven
concurrency: 1
steps:
  first: {run: [sh, -c, 'echo first >> ran']}
  long: {run: [sh, -c, 'echo long >> ran; sleep 0.5']}
  wide: {run: [sh, -c, 'echo wide-{book} >> ran; test {book} != c || sleep 0.2'], matrix: {book: [a, b, c]}}
"""


def test_a_second_run_starts_with_the_longest(desk: Desk) -> None:
    desk.write("uneven.yaml", UNEVEN)
    assert "a task takes" not in desk.run("plan", "uneven.yaml").out
    assert desk.run("run", "uneven.yaml").code == 0
    assert desk.lines("ran") == ["first", "long", "wide-a", "wide-b", "wide-c"]
    assert desk.run("run", "uneven.yaml", "--new").code == 0
    assert desk.lines("ran")[5:7] == ["long", "wide-c"]
    plan = desk.run("plan", "uneven.yaml").out
    assert "a task takes 0.5" in plan
    assert " of wide, book=c 0.2" in plan
    predicted = json.loads(desk.run("plan", "uneven.yaml", "-o", "json").out)["predicted_seconds"]
    assert predicted["wide"]["book=c"] > 4 * predicted["wide"]["book=a"]


def test_why_tells_what_a_task_will_take(desk: Desk) -> None:
    desk.write("uneven.yaml", UNEVEN.replace("sleep 0.5", "sleep $(cat nap)"))
    desk.write("nap", "0.3")
    assert desk.run("run", "uneven.yaml").code == 0
    desk.write("nap", "30")
    leading = desk.begin("run", "uneven.yaml", "--new")
    desk.until(lambda: desk.lines("ran")[5:] == ["long"])
    assert "  takes about 0.3" in desk.run("why", "uneven/2/long").out
    assert "  takes about 0.2" in desk.run("why", "uneven/2/wide/c").out
    leading.kill()
    leading.communicate()
