"""`pq-orchestrator` and `replay-orchestrator`: the old command lines as their users know them."""

from __future__ import annotations

import re
import signal

import pytest

from tests.cli.conftest import Desk, finish

CONNECTION = """
deephaven:
  connection_url: "https://your-server:8000/iris/connection.json"
  auth_method: "password"
  username: "${DH_USERNAME}"
  password: "${DH_PASSWORD}"
  private_key_path: ""
"""

PQ = (
    'name: "my_simulation"\n'
    + CONNECTION
    + """
execution:
  worker_script: "worker.py"
  num_partitions: 2
  max_concurrent_sessions: 50
  heap_size_gb: 0.1
  script_language: "Python"
  jvm_profile: "Default"
  server_name: "AutoQuery"
  max_retries: 1
  max_failures: 10
  delete_successful_queries: true
  delete_failed_queries: false
batch:
  timeout_minutes: 60
dates:
  start: "2024-01-01"
  end: "2024-01-05"
  weekdays_only: true
env:
  OUTPUT_TABLE: "results"
  COUNT: 3
"""
)

REPLAY = (
    'name: "my_simulation"\n'
    + CONNECTION
    + """
execution:
  worker_script: "worker.py"
  num_workers: 2
  max_retries: 0
replay:
  heap_size_gb: 0.1
  script_language: "Python"
  replay_time: "09:30:00"
  replay_speed: 100.0
dates:
  start: "2024-01-02"
  end: "2024-01-04"
env: {}
"""
)

WORKER = """
import os
names = ("SIMULATION_NAME SIMULATION_DATE PARTITION_ID NUM_PARTITIONS WORKER_ID NUM_WORKERS QUERY_NAME "
         "OUTPUT_TABLE COUNT").split()
with open("ran", "a") as f:
    f.write(" ".join(os.environ.get(name, "-") for name in names) + "\\n")
if os.path.exists("fail") and os.environ["PARTITION_ID"] == "1":
    raise RuntimeError("no data")
"""


@pytest.fixture
def old(desk: Desk) -> Desk:
    desk.write("pq.yaml", PQ)
    desk.write("replay.yaml", REPLAY)
    desk.write("worker.py", WORKER)
    return desk


def test_a_dry_run_needs_neither_secrets_nor_a_server(old: Desk) -> None:
    outcome = old.run("--config", "pq.yaml", "--dry-run", program="pq-orchestrator")
    assert outcome.code == 0
    assert "10 tasks = 5 date x 2 partition" in outcome.out
    assert "the environment variable DH_PASSWORD is not set" in outcome.err
    assert "1 of these weekdays is no session of XNYS: 2024-01-01 (New Year's Day)" in outcome.err
    assert not (old.folder / ".openbell").exists()
    outcome = old.run("--config", "replay.yaml", "--dry-run", program="replay-orchestrator")
    assert outcome.code == 0
    assert "6 tasks = 3 date x 2 worker" in outcome.out


def test_without_deephaven_the_way_out_is_named(old: Desk) -> None:
    old.env |= {"DH_USERNAME": "ann", "DH_PASSWORD": "canary"}
    outcome = old.run("--config", "pq.yaml", program="pq-orchestrator")
    assert outcome.code == 4
    assert "the executor `deephaven` is not available" in outcome.err
    assert "--on process" in outcome.err


def test_a_sweep_runs_here_with_both_generations_of_variables(old: Desk) -> None:
    outcome = old.run("--config", "pq.yaml", "--on", "process", program="pq-orchestrator")
    assert outcome.code == 0, outcome.err
    lines = sorted(old.lines("ran"))
    assert len(lines) == 10
    assert lines[3] == "my_simulation 2024-01-02 1 2 1 2 pq_batch_my_simulation_20240102_1 results 3"
    outcome = old.run("--config", "replay.yaml", "--on", "process", program="replay-orchestrator")
    assert outcome.code == 0
    assert "my_simulation 2024-01-04 1 2 1 2 replay_my_simulation_2024-01-04_1 - -" in old.lines("ran")


def test_the_log_lines_are_those_of_old(old: Desk) -> None:
    err = old.run("--config", "pq.yaml", "--on", "process", program="pq-orchestrator").err
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] INFO: "
    created = re.findall(stamp + r"Created session (\d+)/10: date=(\S+), partition=(\d), serial=(\d+)", err)
    assert sorted(int(number) for number, *_ in created) == list(range(1, 11))
    done = re.findall(stamp + r"Session completed successfully: date=(\S+), partition=(\d)", err)
    assert sorted(done) == sorted((day, partition) for _, day, partition, _ in created)


def test_exit_codes_and_retries(old: Desk) -> None:
    old.write("fail", "")
    outcome = old.run("--config", "pq.yaml", "--on", "process", program="pq-orchestrator")
    assert outcome.code == 2
    assert len(old.lines("ran")) == 15  # five good ones, five that were tried twice
    assert "RuntimeError: no data" in outcome.out
    assert "Session failed: date=2024-01-02, partition=1: RuntimeError: no data" in outcome.err


def test_an_ended_run_is_never_resumed_and_an_unfinished_one_always(old: Desk) -> None:
    for _ in range(2):
        assert old.run("--config", "replay.yaml", "--on", "process", program="replay-orchestrator").code == 0
    assert len(old.lines("ran")) == 12
    old.write("worker.py", "import time; open('ran2', 'a').write('x\\n'); time.sleep(0.7)")
    process = old.begin("--config", "replay.yaml", "--on", "process", program="replay-orchestrator")
    old.until(lambda: bool(old.lines("ran2")))
    process.send_signal(signal.SIGTERM)
    outcome = finish(process)
    assert outcome.code == 4
    assert "Shutdown signal received" in outcome.err
    assert old.run("--config", "replay.yaml", "--on", "process", program="replay-orchestrator").code == 0
    assert len(old.lines("ran2")) == 6


def test_two_at_once_of_one_name_are_refused(old: Desk) -> None:
    old.write("worker.py", "import time; open('ran', 'a').write('x\\n'); time.sleep(2)")
    first = old.begin("--config", "pq.yaml", "--on", "process", program="pq-orchestrator")
    old.until(lambda: bool(old.lines("ran")))
    old.write("pq.yaml", PQ.replace("results", "other"))
    second = old.run("--config", "pq.yaml", "--on", "process", program="pq-orchestrator")
    assert second.code == 4
    assert "'my_simulation' is running already as my_simulation/1" in second.err
    first.kill()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--config", "nope.yaml"), "there is no file nope.yaml"),
        ((), "Missing option '--config'"),
        (("--config", "pq.yaml", "--nope"), "No such option"),
        (("--config", "broken.yaml", "--dry-run"), "OB102"),
        (("--config", "replay.yaml", "--dry-run"), "is a replay file"),
    ],
)
def test_whatever_else_is_wrong_is_code_4(old: Desk, words: tuple[str, ...], told: str) -> None:
    old.write("broken.yaml", PQ.replace("num_partitions: 2", ""))
    outcome = old.run(*words, program="pq-orchestrator")
    assert outcome.code == 4
    assert told in outcome.err
    assert "Traceback" not in outcome.err


def test_a_file_without_its_main_section_is_judged_as_what_it_should_be(old: Desk) -> None:
    old.write("x.yaml", "name: x\nenv: {}\n")
    outcome = old.run("--config", "x.yaml", "--dry-run", program="replay-orchestrator")
    assert outcome.code == 4
    assert "`execution`" in outcome.err
    assert "steps" not in outcome.err


def test_a_worker_for_deephaven_is_refused_here_before_anything_starts(old: Desk) -> None:
    old.write("worker.py", "from deephaven.time import dh_today\n")
    outcome = old.run("--config", "pq.yaml", "--on", "process", program="pq-orchestrator")
    assert outcome.code == 4
    assert "the runtime `deephaven-core` is not there" in outcome.err
    assert ".venv-deephaven-core/bin/pip install 'deephaven-server~=42.7'" in outcome.err


def test_help(old: Desk) -> None:
    outcome = old.run("--help", program="replay-orchestrator")
    assert outcome.code == 0
    for option in ("--config", "--dry-run", "--verbose"):
        assert option in outcome.out
