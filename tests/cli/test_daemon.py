"""The daemon as an operator uses it: files that arrive, definitions that change under it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.conftest import Desk

PIPELINE = "name: a\ntriggers: [{files: 'data/*.csv', settle: 500ms}]\nsteps: {s: {run: 'true'}}\n"


@pytest.fixture
def led(desk: Desk) -> Iterator[Desk]:
    """A project whose daemon ends with the test."""
    desk.write("openbell.yaml", "")
    (desk.folder / "pipelines/data").mkdir(parents=True)
    yield desk
    desk.run("stop")


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.1)


def runs(desk: Desk) -> list[dict[str, Any]]:
    done = desk.run("runs", "ls", "-o", "json")
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def log(desk: Desk) -> str:
    return (desk.folder / ".openbell/engine.log").read_text()


def test_files_that_arrive_open_a_run_once_whatever_kills_the_daemon(led: Desk) -> None:
    led.write("pipelines/a.yaml", PIPELINE)
    assert led.run("start").code == 0
    led.write("pipelines/data/1.csv", "one")
    until(lambda: [run["state"] for run in runs(led)] == ["succeeded"])
    leader = json.loads((led.folder / ".openbell/lock").read_text())["pid"]
    os.kill(leader, signal.SIGKILL)
    led.write("pipelines/data/2.csv", "two")
    assert led.run("start").code == 0
    until(lambda: [run["state"] for run in runs(led)] == ["succeeded", "succeeded"])
    led.write("pipelines/data/1.csv", "one")  # the same content again is no news
    time.sleep(2)
    assert len(runs(led)) == 2


def test_a_file_that_is_still_written_opens_nothing(led: Desk) -> None:
    led.write("pipelines/a.yaml", PIPELINE)
    led.run("start")
    with (led.folder / "pipelines/data/half.csv").open("w") as file:
        for line in range(12):
            file.write(f"{line}\n")
            file.flush()
            time.sleep(0.15)
            assert "opened" not in log(led)
    until(lambda: "opened" in log(led))


def test_definitions_are_read_anew_when_they_change(led: Desk) -> None:
    led.write("pipelines/a.yaml", PIPELINE)
    led.run("start")
    until(lambda: "Reads: a" in log(led))
    led.write("pipelines/b.yaml", PIPELINE.replace("name: a", "name: b"))
    until(lambda: "Reads: b" in log(led))
    led.write("pipelines/a.yaml", PIPELINE + "unknown: 1\n")
    until(lambda: "a.yaml cannot be used; its last good version, if any, stays" in log(led))
    assert "error[OB101]" in log(led)
    led.write("pipelines/data/1.csv", "x")
    until(lambda: {run["name"] for run in runs(led)} == {"a", "b"})
    led.write("pipelines/a.yaml", PIPELINE)
    until(lambda: "In order again: a.yaml" in log(led))
    (led.folder / "pipelines/b.yaml").unlink()
    until(lambda: "Does without: b" in log(led))


def test_start_tells_at_once_what_cannot_be_used(led: Desk) -> None:
    led.write("pipelines/a.yaml", PIPELINE)
    led.write("pipelines/b.yaml", "name: b\nsteps: {s: {rum: 'true'}}\n")
    done = led.run("start")
    assert done.code == 0
    assert "b.yaml cannot be used" in done.err
    assert "a.yaml" not in done.err


def test_overlays_are_read_anew_when_they_change(led: Desk) -> None:
    led.write("openbell.yaml", "markets: {US: {calendar: XNYS, overlays: closed.csv}}\n")
    led.write("closed.csv", "date,closed,reason\n2026-12-24,true,a test\n")
    led.write("pipelines/a.yaml", "name: a\nmarket: US\ntriggers: [session]\nsteps: {s: {run: 'true'}}\n")
    led.run("start")
    until(lambda: "Reads: a" in log(led))
    led.write("closed.csv", "date,closed,reason\n2026-12-24,true,a test\n2026-12-23,true,another\n")
    until(lambda: "Reads anew: a" in log(led))
