"""`run`, `retry`, `cancel`, signals, followers: with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from openbell.store.sql import SqlStore
from tests.cli.conftest import Desk, finish, interrupt

SWEEP = """
name: sweep
steps:
  work:
    run: [sh, -c, "echo {i} >> ran; test {i} != 2 || test -e fixed"]
    matrix: {i: 4}
"""

SLOW = """
name: slow
steps:
  work:
    run: [sh, -c, "echo {i} >> ran; sleep 1.2; echo {i} >> done"]
    matrix: {i: 6}
"""


def test_a_sweep_runs_and_the_same_command_runs_what_is_missing(desk: Desk) -> None:
    desk.write("sweep.yaml", SWEEP)
    first = desk.run("run", "sweep.yaml")
    assert first.code == 2
    assert "sweep/1: partial" in first.out
    assert "4 tasks: 3 succeeded, 1 failed" in first.out
    assert "openbell logs sweep/1/work/2" in first.out
    assert sorted(desk.lines("ran")) == ["0", "1", "2", "3"]
    desk.write("fixed", "")
    second = desk.run("run", "sweep.yaml")
    assert second.code == 0
    assert "sweep/1: succeeded" in second.out
    assert sorted(desk.lines("ran")) == ["0", "1", "2", "2", "3"]
    third = desk.run("run", "sweep.yaml")
    assert third.code == 0
    assert "nothing to do" in third.err
    assert len(desk.lines("ran")) == 5
    assert desk.run("run", "sweep.yaml", "--new").code == 0
    assert len(desk.lines("ran")) == 9
    assert "sweep/2" in desk.run("runs", "ls").out


def test_a_raised_limit_resumes_the_run_and_a_changed_worker_does_not(desk: Desk) -> None:
    desk.write("sweep.yaml", SWEEP)
    desk.run("run", "sweep.yaml")
    desk.write("fixed", "")
    desk.write("sweep.yaml", SWEEP + "    timeout: 5s\n    retry: {attempts: 2}\n")
    assert "sweep/1: succeeded" in desk.run("run", "sweep.yaml").out
    desk.write("sweep.yaml", SWEEP.replace("echo {i}", "echo x{i}"))
    assert "sweep/2: succeeded" in desk.run("run", "sweep.yaml").out


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ({"a": "'true'"}, 0),
        ({"a": "/no/such"}, 1),
        ({"a": "'false'"}, 2),
        ({"a": "'false'", "b": "/no/such"}, 3),
    ],
)
def test_exit_codes_tell_creation_from_execution(desk: Desk, commands: dict[str, str], code: int) -> None:
    steps = "".join(f"  {name}: {{run: {words}}}\n" for name, words in commands.items())
    desk.write("p.yaml", f"name: p\nsteps:\n{steps}")
    assert desk.run("run", "p.yaml").code == code


def test_a_dag_runs_in_order_and_skips_what_cannot_run(desk: Desk) -> None:
    desk.write(
        "dag.yaml",
        """
name: dag
steps:
  last: {run: [sh, -c, "echo last >> ran"], needs: {broken: done}}
  never: {run: [sh, -c, "echo never >> ran"], needs: [broken]}
  broken: {run: [sh, -c, "echo broken >> ran; exit 1"], needs: [first]}
  first: {run: [sh, -c, "echo first >> ran"]}
""",
    )
    outcome = desk.run("run", "dag.yaml")
    assert outcome.code == 2
    assert desk.lines("ran") == ["first", "broken", "last"]
    assert "1 skipped" in outcome.out
    told = desk.run("why", "dag/1/never").out
    assert "skipped" in told
    assert "needs all cells of broken, which ended with 1 failed" in told


def test_retries_are_told_and_the_history_stays(desk: Desk) -> None:
    desk.write(
        "flaky.yaml",
        """
name: flaky
steps:
  work:
    run: [sh, -c, "echo x >> ran; test $(wc -l < ran) -ge 3"]
    retry: {attempts: 3, delay: 50ms}
""",
    )
    outcome = desk.run("run", "flaky.yaml")
    assert outcome.code == 0
    assert outcome.err.count("Will be tried again") == 2
    shown = json.loads(desk.run("runs", "show", "flaky", "-o", "json").out)
    assert [(one["attempt"], one["kind"]) for one in shown["attempts"]] == [
        (1, "exit"),
        (2, "exit"),
        (3, None),
    ]


def test_max_failures_stops_the_starting_and_says_why(desk: Desk) -> None:
    desk.write("m.yaml", "name: m\nmax_failures: 2\nsteps:\n  w: {run: 'false', matrix: {i: 40}}\n")
    outcome = desk.run("run", "m.yaml")
    assert outcome.code == 2
    assert "cancelled" in outcome.out
    assert "max_failures" in desk.run("why", "m/1/w/39").out
    failed = json.loads(desk.run("run", "m.yaml", "-o", "json").out.splitlines()[-1])["counts"]["failed"]
    assert 2 <= failed <= 2 + os.cpu_count()  # type: ignore[operator]


def test_json_lines_end_with_a_summary(desk: Desk) -> None:
    desk.write("sweep.yaml", SWEEP)
    outcome = desk.run("run", "sweep.yaml", "-o", "json")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["event"] == "Opened"
    assert events[-1] == {
        **events[-1],
        "event": "Summary",
        "run": "sweep/1",
        "state": "partial",
        "tasks": 4,
        "exit_code": 2,
    }
    assert events[-1]["failures"][0]["example"] == "sweep/1/work/2"
    exits = [event for event in events if event["event"] == "Exited"]
    assert {event["coordinates"]["i"]: event["state"] for event in exits} == {
        0: "succeeded",
        1: "succeeded",
        2: "failed",
        3: "succeeded",
    }


def test_a_dry_run_and_a_plan_start_nothing(desk: Desk) -> None:
    desk.write("sweep.yaml", SWEEP)
    assert desk.run("run", "sweep.yaml", "--dry-run").out == desk.run("plan", "sweep.yaml").out
    assert not (desk.folder / ".openbell").exists()
    assert desk.lines("ran") == []


def test_results_are_put_together_over_the_dates(desk: Desk) -> None:
    desk.write(
        "w.py",
        "from openbell import worker\nctx = worker.context()\n"
        "worker.result(ret={3: 0.10, 4: -0.05, 5: 0.02}[ctx.date.day] * ctx.params['k'])\n",
    )
    desk.write(
        "s.yaml",
        "name: s\nsteps:\n  w:\n    script: w.py\n"
        "    matrix: {date: {sessions: XNYS, from: 2012-01-01, to: 2012-01-05}, k: [1, 2]}\n",
    )
    data = json.loads(desk.run("run", "s.yaml", "-o", "json").out.splitlines()[-1])["performance"]
    assert [row["parameters"] for row in data] == ["k=1", "k=2"]
    assert data[0]["ret"] == pytest.approx(1.10 * 0.95 * 1.02 - 1)
    assert data[0]["drawdown"] == pytest.approx(-0.05)
    assert data[1]["ret"] == pytest.approx(1.20 * 0.90 * 1.04 - 1)
    assert [row["dates"] for row in data] == [3, 3]


def test_secrets_reach_the_worker_and_nothing_else(desk: Desk) -> None:
    desk.env["API_KEY"] = "canary-7f3a"
    desk.write(
        "s.yaml",
        'name: s\nenv: {KEY: "${API_KEY}"}\nsteps:\n  w: {run: [sh, -c, "echo $KEY | grep -q ^canary-"]}\n',
    )
    assert desk.run("run", "s.yaml").code == 0
    desk.run("report", "s", "--output", "report.html")
    desk.run("runs", "show", "s")
    grep = subprocess.run(
        ["grep", "-rl", "canary-7f3a", "."], cwd=desk.folder, capture_output=True, text=True
    )
    assert grep.stdout == ""


@pytest.mark.parametrize("own", [False, True], ids=["of_openbell", "of_the_pipeline"])
def test_python_in_a_command_is_the_one_of_the_pipeline(desk: Desk, own: bool) -> None:
    prefix = Path(sys.prefix)
    if own:
        prefix = desk.folder / "venv"
        venv.create(prefix, with_pip=False)
    elif not (prefix / "pyvenv.cfg").exists():
        pytest.skip("openbell is not in an environment of its own here")
    desk.env["PATH"] = os.defpath
    tell = "import sys; open('prefix', 'w').write(sys.prefix)"
    file = {"name": "s", "steps": {"w": {"run": ["python", "-c", tell]}}}
    desk.write("s.yaml", json.dumps(file | ({"python": "venv/bin/python"} if own else {})))
    assert desk.run("run", "s.yaml").code == 0
    assert (desk.folder / "prefix").read_text() == str(prefix)


def test_a_missing_secret_is_an_error_before_anything_starts(desk: Desk) -> None:
    desk.write("s.yaml", 'name: s\nenv: {KEY: "${NO_SUCH_KEY}"}\nsteps:\n  w: {run: [touch, ran]}\n')
    outcome = desk.run("run", "s.yaml")
    assert outcome.code == 65
    assert "error[OB107]: the environment variable NO_SUCH_KEY is not set" in outcome.err
    assert "s.yaml:2:12" in outcome.err
    assert not (desk.folder / ".openbell").exists()
    assert desk.run("plan", "s.yaml").code == 0


# ── signals ──────────────────────────────────────────────────────────────────────────────────


def test_the_first_signal_drains_and_the_run_resumes(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    desk.write("openbell.yaml", "executors: {process: {slots: 2}}")
    process = desk.begin("run", "slow.yaml")
    desk.until(lambda: len(desk.lines("ran")) == 2)
    interrupt(process)
    outcome = finish(process)
    assert outcome.code == 130
    assert desk.lines("done") == ["0", "1"] or desk.lines("done") == ["1", "0"]
    assert "Draining: 2 running" in outcome.err
    assert "4 tasks left. Resume: the same command" in outcome.out
    status = desk.run("status")
    assert status.code == 3
    assert "paused (interrupted (SIGINT))" in status.out
    assert "paused: the run is paused: interrupted (SIGINT)" in desk.run("why", "slow/1/work/5").out
    assert desk.run("run", "slow.yaml").code == 0
    assert sorted(desk.lines("ran")) == list("012345")


def test_the_second_signal_ends_what_runs(desk: Desk) -> None:
    desk.write(
        "long.yaml",
        "name: long\nsteps:\n  w: {run: [sh, -c, 'echo {i} >> ran; sleep 600'], matrix: {i: 3}}\n",
    )
    process = desk.begin("run", "long.yaml", "--set", "concurrency=1")
    desk.until(lambda: bool(desk.lines("ran")))
    interrupt(process)
    desk.until(lambda: "paused" in desk.run("status").out)
    interrupt(process)
    outcome = finish(process)
    assert outcome.code == 130
    assert "1 cancelled" in outcome.out
    assert "2 waiting" in outcome.out
    desk.write("long.yaml", (desk.folder / "long.yaml").read_text())
    again = desk.begin("run", "long.yaml")
    desk.until(lambda: len(desk.lines("ran")) >= 2)  # what was ended runs again
    for _ in range(3):
        interrupt(again)
        desk.until(lambda: again.poll() is not None or "cancel" in desk.run("status", "-o", "json").out, 5)
    assert finish(again).code == 130


def test_the_third_signal_kills(desk: Desk) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "open('ran', 'w'); time.sleep(600)"
    )
    desk.write("w.py", stubborn)
    desk.write("s.yaml", "name: s\nsteps:\n  w: {script: w.py, grace: 10m}\n")
    process = desk.begin("run", "s.yaml")
    desk.until((desk.folder / "ran").exists)
    for text in ("Draining", "Ending", "Killing"):
        interrupt(process)
        assert process.stderr is not None
        while text not in process.stderr.readline():
            pass
    assert finish(process, 5).code == 130


def test_sigterm_has_a_code_of_its_own(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    process = desk.begin("run", "slow.yaml", "--set", "concurrency=1")
    desk.until(lambda: bool(desk.lines("ran")))
    process.send_signal(signal.SIGTERM)
    assert finish(process).code == 143


def test_after_kill_9_the_same_command_adopts_what_runs(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    desk.write("openbell.yaml", "executors: {process: {slots: 3}}")
    process = desk.begin("run", "slow.yaml")
    desk.until(lambda: len(desk.lines("ran")) == 3)
    process.kill()
    finish(process)
    assert desk.run("run", "slow.yaml").code == 0
    assert sorted(desk.lines("ran")) == list("012345")
    assert sorted(desk.lines("done")) == list("012345")


# ── two at once ──────────────────────────────────────────────────────────────────────────────


def test_the_second_run_hands_over_and_follows(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    desk.write("quick.yaml", "name: quick\nsteps:\n  w: {run: [touch, quick]}\n")
    first = desk.begin("run", "slow.yaml")
    desk.until(lambda: bool(desk.lines("ran")))
    second = desk.run("run", "quick.yaml")
    assert second.code == 0
    assert "Handed over to process" in second.err
    assert "quick/1: succeeded" in second.out
    assert finish(first).code == 0


def test_a_follower_takes_over_when_its_leader_dies(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    desk.write(
        "other.yaml", "name: other\nsteps:\n  w: {run: [sh, -c, 'echo {i} >> other'], matrix: {i: 3}}\n"
    )
    first = desk.begin("run", "slow.yaml", "--set", "concurrency=2")
    desk.until(lambda: bool(desk.lines("ran")))
    second = desk.begin("run", "slow.yaml", "--set", "concurrency=2")
    assert second.stderr is not None
    while "Handed over" not in second.stderr.readline():
        pass
    first.kill()
    finish(first)
    assert finish(second).code == 0
    assert sorted(desk.lines("ran")) == list("012345")


def test_ctrl_c_of_a_follower_only_detaches(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    first = desk.begin("run", "slow.yaml")
    desk.until(lambda: bool(desk.lines("ran")))
    second = desk.begin("run", "slow.yaml")
    assert second.stderr is not None
    while "run slow/1 is under way" not in second.stderr.readline():
        pass
    interrupt(second)
    outcome = finish(second)
    assert outcome.code == 130
    assert "Left slow/1 to its engine" in outcome.err
    assert finish(first).code == 0


def test_another_run_does_not_wake_an_interrupted_one(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    process = desk.begin("run", "slow.yaml", "--set", "concurrency=1")
    desk.until(lambda: bool(desk.lines("ran")))
    process.kill()
    finish(process)
    desk.write("quick.yaml", "name: quick\nsteps:\n  w: {run: [sleep, '2']}\n")
    assert desk.run("run", "quick.yaml").code == 0
    assert desk.lines("ran") == ["0"]
    assert "slow/1  paused (its engine ended)" in desk.run("status").out


def test_cancel_reaches_the_engine_that_leads(desk: Desk) -> None:
    desk.write(
        "long.yaml",
        "name: long\nsteps:\n  w: {run: [sh, -c, 'echo {i} >> ran; sleep 600'], matrix: {i: 9}}\n",
    )
    process = desk.begin("run", "long.yaml")
    desk.until(lambda: bool(desk.lines("ran")))
    assert desk.run("cancel", "long").code == 0
    outcome = finish(process)
    assert outcome.code == 130
    assert "long/1: cancelled" in outcome.out
    assert "cancelled by" in desk.run("why", "long/1/w/8").out


def test_cancel_and_retry_work_without_an_engine(desk: Desk) -> None:
    desk.write("slow.yaml", SLOW)
    process = desk.begin("run", "slow.yaml", "--set", "concurrency=1")
    desk.until(lambda: bool(desk.lines("ran")))
    process.kill()
    finish(process)
    assert desk.run("cancel", "slow").code == 0
    store = SqlStore(f"sqlite:///{desk.folder}/.openbell/openbell.db")
    assert store.info("slow/1").state.value == "cancelled"  # type: ignore[union-attr]
    store.close()
    assert desk.run("retry", "slow/1/work/3").code == 130  # the other cells stay cancelled
    assert "3" in desk.lines("done")
    assert desk.run("retry", "slow").code == 0
    assert sorted(desk.lines("done"))[-6:] == list("012345")


def test_retry_of_a_failed_cell(desk: Desk) -> None:
    desk.write("sweep.yaml", SWEEP)
    desk.run("run", "sweep.yaml")
    desk.write("fixed", "")
    assert desk.run("retry", "sweep/1/work/2").code == 0
    assert desk.lines("ran").count("2") == 2
    nothing = desk.run("retry", "sweep")
    assert (nothing.code, "nothing to retry" in nothing.err) == (0, True)
