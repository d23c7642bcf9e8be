"""Sweeps on Deephaven Enterprise as users run them: commands, the real client, a simulated controller."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.errors import ExecutorUnavailable
from openbell.executors.deephaven.interpreter import VARIABLE
from openbell.executors.embedded import Embedded
from tests.cli.conftest import Desk, finish, interrupt
from tests.enterprise import ROOT, Controller, client_python

pytestmark = pytest.mark.slow

SWEEP = """
name: mysim
deephaven: {{auth_method: password, username: "${{DH_USERNAME}}", password: "${{DH_PASSWORD}}"}}
execution:
  worker_script: worker.py
  num_partitions: 2
  max_concurrent_sessions: {concurrent}
  heap_size_gb: 1.0
  script_language: Python
  max_retries: {retries}
{mode}
dates: {{start: "2024-01-02", end: "2024-01-04"}}
env: {{WAIT: "{wait}"}}
"""
BATCH = "batch: {timeout_minutes: 10}"
WORKER = """
import os, time
time.sleep(float(os.environ["WAIT"]))
if os.environ["QUERY_NAME"].startswith("pq_batch_mysim_20240103_1"):
    raise ValueError("no data")
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Controller]:
    controller = Controller("--step", "0.01")
    yield controller
    controller.close()


@pytest.fixture
def old(desk: Desk, served: Controller) -> Iterator[Desk]:
    desk.env |= served.environment | {VARIABLE: client_python()}
    write(desk)
    yield desk
    for query in served.queries():
        served.order("vanish", serial=query["serial"])


def write(desk: Desk, wait: float = 0, retries: int = 0, concurrent: int = 50, mode: str = BATCH) -> None:
    desk.write("sweep.yaml", SWEEP.format(wait=wait, retries=retries, concurrent=concurrent, mode=mode))
    desk.write("worker.py", WORKER)


def test_the_old_command_its_lines_and_its_codes(old: Desk, served: Controller) -> None:
    write(old, retries=1)
    outcome = old.run("--config", "sweep.yaml", program="pq-orchestrator")
    assert outcome.code == 2, outcome.err
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] INFO: "
    line = stamp + r"Created session (\d)/6: date=(\S+), partition=(\d), serial=(\d+)"
    created = re.findall(line, outcome.err)
    assert sorted(number for number, *_ in created) == list("123456")
    assert len({serial for *_, serial in created}) == 6
    assert outcome.err.count("Session completed successfully: date=") == 5
    assert "Session failed: date=2024-01-03, partition=1: FAILED: ValueError: no data" in outcome.err
    old.until(lambda: len(served.queries("pq_batch_mysim")) == 2)  # those that succeeded are deleted
    name = "pq_batch_mysim_20240103_1"
    assert [query["name"] for query in served.queries()] == [name, f"{name}_try2"]
    assert "ValueError: no data" in old.run("logs", "mysim/1/worker/2024-01-03,1").out

    write(old)
    again = old.run("--config", "sweep.yaml", program="pq-orchestrator")
    assert again.code == 2
    uid = {query["name"] for query in served.queries()} - {name, f"{name}_try2"}
    assert len(uid) == 1  # the query that failed before is still there, so this one is called otherwise
    assert uid.pop().startswith(f"{name}_")


def test_nothing_that_is_written_holds_the_password(old: Desk, served: Controller) -> None:
    outcome = old.run("run", "sweep.yaml", "--verbose")
    assert outcome.code == 2
    assert "EXECUTING" in outcome.err
    assert served.password not in outcome.out + outcome.err
    outcome = old.run("report", "mysim/1")
    found = [path for path in old.folder.rglob("*") if path.is_file()]
    assert any(path.name == "openbell.db" for path in found)
    assert [path for path in found if served.password.encode() in path.read_bytes()] == []


def test_an_engine_that_is_killed_costs_no_query(old: Desk, served: Controller) -> None:
    write(old, wait=5)
    engine = old.begin("run", "sweep.yaml")
    old.until(lambda: [query["status"] for query in served.queries()].count("EXECUTING") == 6, 40)
    old.until(lambda: "6 running" in old.run("status").out)
    serials = {query["serial"] for query in served.queries()}
    engine.send_signal(signal.SIGKILL)
    finish(engine)
    gone = next(query for query in served.queries() if query["name"].endswith("20240104_0"))
    served.order("vanish", serial=gone["serial"])
    outcome = old.run("run", "sweep.yaml", timeout=90)
    assert outcome.code == 2, outcome.err
    assert "4 succeeded, 2 failed" in outcome.out
    assert f"query {gone['serial']} (pq_batch_mysim_20240104_0) is gone: somebody deleted it" in outcome.out
    assert served.calls("addQuery") >= 6
    assert {query["serial"] for query in served.queries()} <= serials  # no query was made anew


def test_ctrl_c_drains_and_then_ends(old: Desk, served: Controller) -> None:
    write(old, wait=600, concurrent=2)
    engine = old.begin("run", "sweep.yaml")
    old.until(lambda: [query["status"] for query in served.queries()] == ["EXECUTING"] * 2, 40)
    interrupt(engine)
    old.until(lambda: old.run("status").out.count("paused") > 0)
    interrupt(engine)
    outcome = finish(engine, 60)
    assert outcome.code == 130, outcome.err
    assert "2 cancelled" in outcome.out
    old.until(lambda: served.queries() == [])
    assert "the same command" in outcome.out


def test_a_pipeline_of_ones_own_says_how_its_queries_are_made(old: Desk, served: Controller) -> None:
    old.write(
        "own.yaml",
        """\
name: own
env: {WAIT: "0"}
defaults:
  executor: deephaven
  deephaven: {server_name: Sim, heap_size_gb: 2, delete_successful_queries: false}
steps:
  small: {script: worker.py, matrix: {i: 2}}
  large: {script: worker.py, needs: [small], deephaven: {heap_size_gb: 8, jvm_profile: Big}, batch: true}
""",
    )
    outcome = old.run("run", "own.yaml")
    assert outcome.code == 0, outcome.out + outcome.err
    made = sorted((one["server"], one["heap"], one["profile"]) for one in served.queries())
    assert made == [("Sim", 2.0, "Default"), ("Sim", 2.0, "Default"), ("Sim", 8.0, "Big")]
    assert old.run("run", "own.yaml", "--on", "process", "--new").code == 0  # the same file, on this machine


def test_what_is_wrong_is_told_at_once(old: Desk) -> None:
    old.env["DH_PASSWORD"] = "wrong"
    outcome = old.run("--config", "sweep.yaml", program="pq-orchestrator")
    assert outcome.code == 1
    assert "the login is refused: Failed to authenticate with password." in outcome.out
    old.env[VARIABLE] = "/no/such/python"
    outcome = old.run("--config", "sweep.yaml", program="pq-orchestrator")
    assert outcome.code == 4
    assert "there is no program /no/such/python" in outcome.err
    assert "pip install deephaven-coreplus-client" in outcome.err


def test_the_simulator_is_a_command(desk: Desk) -> None:
    desk.env[VARIABLE] = client_python()
    process = desk.begin("testing", "deephaven-controller", "--work", "0")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    told = dict(word.split("=", 1) for line in lines for word in line.split() if word.startswith("DH_"))
    desk.env |= told
    write(desk, mode="replay: {replay_start: '09:30:00', replay_speed: 60, init_timeout_minutes: 1}")
    outcome = desk.run("run", "sweep.yaml")
    assert outcome.code == 0, outcome.err
    interrupt(process)
    assert finish(process).code == 0


SCRIPT = """
import os
from deephaven import empty_table
from deephaven.time import dh_today
from deephaven_enterprise.client.session_manager import SessionManager

table = empty_table(3).update(["X = i", f"Sym = `{os.environ['PARTITION_ID']}`", "Date = `x`"])
print(dh_today(), table.size)
assert dh_today() == os.environ["SIMULATION_DATE"], dh_today()
SessionManager().controller_client.stop_and_wait(__PERSISTENT_QUERY_SERIAL_NUMBER)
raise AssertionError("it has not ended itself")
"""


def test_a_sweep_of_enterprise_workers_from_end_to_end(desk: Desk, tmp_path: Path) -> None:
    """Engine, client, controller, embedded engine: nothing between a file and a worker is left out."""
    try:
        engine = Embedded(ROOT).interpreter(None)
    except ExecutorUnavailable as error:
        pytest.skip(error.message)
    controller = Controller("--engine", engine, "--slots", "1")
    try:
        desk.env |= controller.environment | {VARIABLE: client_python()}
        write(desk, mode="replay: {replay_start: '09:30:00', replay_speed: 60, init_timeout_minutes: 5}")
        desk.write("sweep.yaml", (desk.folder / "sweep.yaml").read_text().replace("2024-01-04", "2024-01-02"))
        desk.write("worker.py", SCRIPT)
        outcome = desk.run("run", "sweep.yaml", timeout=120)
        assert outcome.code == 0, outcome.out + outcome.err
    finally:
        controller.close()
