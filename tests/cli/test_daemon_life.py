"""`start`, `stop`, `run` beside a daemon, and files that break or go away, on real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.engine.leader import Role, holder
from tests.cli.conftest import Desk, finish

SLOW = "steps: {a: {run: [sh, -c, 'echo begun >> ledger; sleep 3; echo ended >> ledger']}}\n"
QUICK = "steps: {a: {run: [sh, -c, 'echo quick >> ledger']}}\n"


@pytest.fixture
def led(desk: Desk) -> Iterator[Desk]:
    desk.write("openbell.yaml", "")
    desk.write("pipelines/slow.yaml", f"name: slow\n{SLOW}")
    yield desk
    desk.run("stop")


def lock(desk: Desk) -> Path:
    return desk.folder / ".openbell" / "lock"


def log(desk: Desk) -> str:
    return (desk.folder / ".openbell/engine.log").read_text()


def begun(desk: Desk) -> None:
    desk.until(lambda: "begun" in desk.lines("pipelines/ledger"))


def test_a_second_daemon_is_refused(led: Desk) -> None:
    assert led.run("start").code == 0
    first = holder(lock(led))
    assert first is not None
    assert first.role is Role.DAEMON
    for words in (("start",), ("start", "--foreground")):
        done = led.run(*words)
        assert done.code != 0
        assert "a daemon leads already" in done.err
    assert led.run("stop").code == 0
    assert holder(lock(led)) is None
    assert led.run("stop").code == 69


def test_a_run_is_handed_over_to_the_daemon(led: Desk) -> None:
    assert led.run("start").code == 0
    done = led.run("run", "slow")
    assert done.code == 0, done.err
    assert led.lines("pipelines/ledger") == ["begun", "ended"]
    assert "slow/1: succeeded" in log(led)


def test_a_daemon_waits_for_a_run_that_leads(led: Desk) -> None:
    run = led.begin("run", "slow")
    begun(led)
    done = led.run("start")
    assert done.code == 0, done.err
    assert "waits for" in done.out
    assert finish(run).code == 0
    led.until(lambda: (leader := holder(lock(led))) is not None and leader.role is Role.DAEMON)


def test_what_runs_runs_on_after_stop_and_is_adopted(led: Desk) -> None:
    assert led.run("start").code == 0
    follower = led.begin("run", "slow")
    begun(led)
    follower.kill()  # else it would take over itself
    follower.communicate()
    assert led.run("stop").code == 0
    assert led.run("start").code == 0
    led.until(lambda: "slow/1: succeeded" in log(led), 30)
    assert led.lines("pipelines/ledger") == ["begun", "ended"]


def test_stop_cancel_ends_what_runs(led: Desk) -> None:
    assert led.run("start").code == 0
    led.begin("run", "slow")
    begun(led)
    assert led.run("stop", "--cancel").code == 0
    assert led.lines("pipelines/ledger") == ["begun"]
    [info] = json.loads(led.run("runs", "ls", "-o", "json").out)
    assert info["state"] == "cancelled"


def test_a_broken_file_keeps_its_last_good_version(led: Desk) -> None:
    led.write("pipelines/tick.yaml", f"name: tick\ntriggers: [{{every: 1s}}]\n{QUICK}")
    assert led.run("start").code == 0
    led.until(lambda: len(led.lines("pipelines/ledger")) > 0)
    led.write("pipelines/tick.yaml", "name: tick\ntriggers: [sesion]\n")
    led.run("reload")
    led.until(lambda: "its last good version, if any, stays" in log(led))
    known = len(led.lines("pipelines/ledger"))
    led.until(lambda: len(led.lines("pipelines/ledger")) > known + 1)


def test_a_pipeline_that_is_removed_opens_nothing_more(led: Desk) -> None:
    led.write("pipelines/tick.yaml", f"name: tick\ntriggers: [{{every: 1s}}]\n{QUICK}")
    assert led.run("start").code == 0
    led.until(lambda: len(led.lines("pipelines/ledger")) > 0)
    (led.folder / "pipelines/tick.yaml").unlink()
    led.run("reload")
    led.until(lambda: "Does without: tick" in log(led))
    led.run("stop", "--drain")
    known = len(led.lines("pipelines/ledger"))
    assert led.run("start").code == 0
    led.run("run", "slow")
    assert [line for line in led.lines("pipelines/ledger") if line == "quick"] == ["quick"] * known
