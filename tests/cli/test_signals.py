"""A trigger whose writer tells how far it is, by real files, under a real daemon."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Desk

EXPORT = """name: export
triggers:
  - files: raw/*.csv
    settle: 1h
    signal: {start: raw/logs/export_start_*.json, progress: raw/logs/export_progress_*.json,
             complete: raw/logs/export_complete_*.json}
    %s
steps: {s: {run: [sh, -c, 'ls raw >> seen']}}
"""


@pytest.fixture
def led(desk: Desk) -> Iterator[Desk]:
    """A project whose daemon ends with the test."""
    desk.write("openbell.yaml", "")
    desk.write("pipelines/raw/logs/README", "")
    yield desk
    desk.run("stop")


def runs(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.run("runs", "ls", "-o", "json").out)
    return found


def why(desk: Desk) -> str:
    return desk.run("why", "export").out


def tell(desk: Desk, phase: str, number: int = 1, **data: object) -> None:
    desk.write(f"pipelines/raw/logs/export_{phase}_{number}.json", json.dumps(data))


def test_files_open_a_run_when_their_writer_says_that_they_are_complete(led: Desk) -> None:
    led.write("pipelines/export.yaml", EXPORT % "stalled: 1h")
    led.run("start")
    assert "its writer has told nothing since the last run" in why(led)
    tell(led, "start", rows=2)
    led.write("pipelines/raw/ES.csv", "half")
    led.until(lambda: "its writer told start (rows=2)" in why(led))
    tell(led, "progress", rows=1)
    led.until(lambda: "its writer told progress (rows=1)" in why(led))
    led.write("pipelines/raw/ES.csv", "whole")
    led.write("pipelines/raw/NQ.csv", "whole")
    assert not runs(led)
    leader = json.loads((led.folder / ".openbell/lock").read_text())["pid"]
    os.kill(leader, signal.SIGKILL)
    tell(led, "complete", rows=2)
    led.run("start")
    led.until(lambda: [run["state"] for run in runs(led)] == ["succeeded"])
    assert [line for line in led.lines("pipelines/seen") if line.endswith("csv")] == ["ES.csv", "NQ.csv"]
    led.write("pipelines/raw/YM.csv", "of the next export")
    tell(led, "start", 2)
    led.until(lambda: "told start" in why(led))
    assert len(runs(led)) == 1
    tell(led, "complete", 2)
    led.until(lambda: [run["state"] for run in runs(led)] == ["succeeded", "succeeded"])


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("stalled: 2s", "its writer told start at "),
        ("timeout: 2s", "and has not completed in time; it told start"),
    ],
)
def test_a_writer_that_is_stuck_is_a_miss_and_may_complete_after_all(
    led: Desk, limit: str, told: str
) -> None:
    led.write("pipelines/export.yaml", EXPORT % limit)
    led.write("pipelines/raw/ES.csv", "whole")
    led.run("start")
    tell(led, "start")
    led.until(lambda: [run["state"] for run in runs(led)] == ["missed"])
    assert told in runs(led)[0]["reason"]
    assert told in why(led)
    led.run("stop")
    led.run("start")  # it says so once
    tell(led, "complete")
    led.until(lambda: [run["state"] for run in runs(led)] == ["succeeded", "missed"])
