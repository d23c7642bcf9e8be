"""`status`: who leads, how pipelines are doing, what comes next, what is under way."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.conftest import Desk, finish, interrupt

NIGHTLY = """
name: nightly
market: 24/7
triggers: [{market: close+30m}]
steps:
  load: {run: [sh, -c, 'test ! -e broken'], provides: [prices]}
  book: {run: 'true', needs: [load], requires: {prices: 24h}}
"""


@pytest.fixture
def led(desk: Desk) -> Iterator[Desk]:
    """A project whose daemon ends with the test."""
    desk.write("openbell.yaml", "")
    desk.write("pipelines/nightly.yaml", NIGHTLY)
    yield desk
    desk.run("stop")


def status(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(desk.run("status", "-o", "json").out)
    return found


def of(desk: Desk, name: str = "nightly") -> dict[str, Any]:
    (found,) = [one for one in status(desk)["pipelines"] if one["pipeline"] == name]
    return dict(found)


def test_a_project_in_which_nothing_has_run_yet(led: Desk) -> None:
    outcome = led.run("status")
    assert outcome.code == 3
    assert outcome.out.startswith("not running\n")
    assert "never ran" in outcome.out
    assert "no daemon leads (openbell start)" in outcome.out
    found = of(led)
    assert (found["status"], found["last_run"], found["scheduled"]) == ("new", None, True)
    assert datetime.fromisoformat(found["next_at"]) > datetime.now(UTC)
    assert found["provides"][0]["freshness"] == "unknown"
    assert not (led.folder / ".openbell").exists(), "who looks changes nothing"


def test_under_a_daemon_it_is_healthy_and_tells_what_comes(led: Desk) -> None:
    led.run("run", "nightly")
    before = of(led)["next_at"]
    assert led.run("start").code == 0
    outcome = led.run("status")
    assert outcome.code == 0, outcome.out
    assert outcome.out.startswith("healthy\n")
    assert "24/7 SESSION" in outcome.out
    assert "no daemon leads" not in outcome.out
    found = of(led)
    assert found["next_at"] == before, "what the daemon has posted is what the files say"
    assert found["status"] == "healthy"
    assert found["last_run"]["run"] == found["last_success"]["run"] == "nightly/1"
    assert (found["runs"], found["error_rate"], found["consecutive_failures"]) == (1, 0, 0)
    assert 0 < found["mean_seconds"] < 60
    assert found["provides"][0] | {"age_seconds": 0, "last_success": ""} == {
        "dataset": "prices",
        "freshness": "fresh",
        "last_success": "",
        "age_seconds": 0,
        "session": None,
        "reasons": [],
    }
    project = status(led)["project"]
    assert project["database"]["reachable"] is True
    assert project["disk"]["free_bytes"] > project["disk"]["floor_bytes"] > 0
    assert project["memory"]["total_bytes"] > project["memory"]["available_bytes"] > 0


def test_a_failure_of_what_is_scheduled_is_told_until_it_is_mended(led: Desk) -> None:
    led.write("pipelines/broken", "")
    led.run("start")
    assert led.run("run", "nightly").code == 2
    outcome = led.run("status")
    assert outcome.code == 1
    assert "nightly: nightly/1 has failed; it has never succeeded" in outcome.out
    found = of(led)
    assert (found["status"], found["failed"], found["consecutive_failures"]) == ("failing", 1, 1)
    (led.folder / "pipelines/broken").unlink()
    assert led.run("retry", "nightly").code == 0
    assert led.run("status").code == 0


def test_what_was_run_by_hand_and_is_over_does_not_count(led: Desk) -> None:
    led.write("pipelines/once.yaml", "name: once\nsteps: {a: {run: 'false'}}\n")
    led.run("start")
    led.run("run", "once")
    outcome = led.run("status")
    assert outcome.code == 0
    assert "once" not in outcome.out
    assert of(led, "once")["status"] == "failing", "and yet it is known"


def test_a_file_that_cannot_be_used_is_told(led: Desk) -> None:
    led.run("start")
    led.write("pipelines/nightly.yaml", NIGHTLY + "nonsense: 1\n")
    led.until(lambda: led.run("status").code == 1)
    told = led.run("status").out
    assert "nightly.yaml cannot be used: openbell validate nightly.yaml" in told
    assert "24/7" in told, "its last good version stays"


def test_an_unreadable_store_is_told(led: Desk) -> None:
    (led.folder / ".openbell").mkdir()
    led.write(".openbell/openbell.db", "nonsense " * 200)
    outcome = led.run("status")
    assert outcome.code == 4
    assert "does not answer: the store openbell.db cannot be opened: file is not a database" in outcome.out
    assert status(led)["project"]["database"]["reachable"] is False


LATER = """
name: later
market: 24/7
triggers: [session]
steps:
  quick: {run: 'true'}
  night: {run: 'true', needs: [quick], when: {after: next open+1h}}
"""


def test_waiting_for_its_time_is_not_work_that_is_left(desk: Desk) -> None:
    desk.write("later.yaml", LATER)
    process = desk.begin("run", "later.yaml")
    desk.until(lambda: "1 succeeded" in desk.run("status").out)
    told = desk.run("status").out
    assert "the next step may start at " in told
    assert " left" not in told
    run = status(desk)["runs"][0]
    assert (run["seconds_left"], run["session"]) == (None, datetime.now(UTC).date().isoformat())
    assert datetime.fromisoformat(run["not_before"]).hour == 1
    interrupt(process)
    outcome = finish(process)
    assert f"Resume: openbell run {desk.folder}/later.yaml --date 20" in outcome.err, "not that of tomorrow"


def test_an_unfinished_run_of_an_earlier_session_tells_which(desk: Desk) -> None:
    desk.write("later.yaml", LATER.replace("after: next open+1h", "after: next open+1h, until: next open+2h"))
    process = desk.begin("run", "later.yaml", "--date", datetime.now(UTC).date().isoformat())
    desk.until(lambda: "1 succeeded" in desk.run("status").out)
    process.kill()
    finish(process)
    told = desk.run("status").out
    assert f"later/1  active (its engine is gone), session {datetime.now(UTC).date()}" in told
    assert "resume: openbell run " in told


# ── watching ─────────────────────────────────────────────────────────────────────────────────────


def test_off_a_terminal_a_block_for_each_change(desk: Desk) -> None:
    desk.write("s.yaml", "name: s\nsteps: {a: {run: [sh, -c, 'until test -e go; do sleep 0.1; done']}}\n")
    watching = desk.begin("status", "-w", "-o", "json")
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    assert (first["status"], first["runs"]) == ("not running", [])
    running = desk.begin("run", "s.yaml")
    while True:
        second = json.loads(watching.stdout.readline())
        if second["runs"] and second["runs"][0]["counts"]["running"]:
            break
    time.sleep(2.5)  # some looks at which nothing is new
    desk.write("go", "")
    assert finish(running).code == 0
    last = json.loads(watching.stdout.readline())
    assert (last["runs"], last["leader"]) == ([], None)
    interrupt(watching)
    assert finish(watching).code == 0


def test_on_a_terminal_it_is_drawn_anew(desk: Desk) -> None:
    desk.write("s.yaml", "name: s\nsteps: {a: {run: 'true'}}\n")
    desk.run("run", "s.yaml")
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover  # the child
        os.chdir(desk.folder)
        os.execve(sys.executable, desk.command("status", "-w"), desk.env | {"TERM": "xterm"})
    seen = b""
    while b"nothing is under way" not in seen:
        seen += os.read(terminal, 4096)
    os.kill(pid, signal.SIGINT)
    while True:
        try:
            if not os.read(terminal, 4096):
                break
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert b"\x1b[?1049h" in seen, "the screen beneath comes back"
