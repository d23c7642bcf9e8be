"""Tasks on warm hosts, as a run has them: one machine for several, and a new one after what breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Desk
from tests.runtimes.engine import MISSING, PYTHON

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

PIPELINE = """
name: hosts
defaults: {runtime: deephaven-core, timeout: 120s, grace: 0s}
steps:
  early: {script: early.py, matrix: {n: [0, 1, 2, 3]}}
  crash: {script: crash.py, needs: [early]}
  hang: {script: hang.py, needs: {crash: done}, timeout: 15s}
  greedy: {script: greedy.py, needs: {hang: done}, resources: {memory: 1GB}}
"""
SCRIPT = """
import os
from deephaven import empty_table
with open("ledger", "a") as ledger:
    print(os.environ["OPENBELL_STEP"], os.getpid(), empty_table(3).size, file=ledger)
"""


def test_a_machine_is_kept_until_something_breaks(desk: Desk) -> None:
    desk.write(
        "openbell.yaml",
        json.dumps(
            {
                "executors": {"process": {"slots": 1}},
                "deephaven_core": {"python": PYTHON, "recycle_after": 3},
            }
        ),
    )
    desk.write("hosts.yaml", PIPELINE)
    for name, more in {
        "early": "",
        "crash": "os.kill(os.getpid(), 9)",
        "hang": "while True: pass",
        "greedy": "held = bytearray(1 << 30)\nwhile True: pass",
    }.items():
        desk.write(f"{name}.py", SCRIPT + more + "\n")
    outcome = desk.run("run", "hosts.yaml", timeout=240)
    assert outcome.code == 2, outcome.err
    told = [line.split() for line in desk.lines("ledger")]
    assert [step for step, _, _ in told] == ["early"] * 4 + ["crash", "hang", "greedy"]
    pids = [pid for _, pid, _ in told]
    assert pids == [*pids[:1] * 3, *pids[3:4] * 2, *pids[5:]]
    assert len(set(pids)) == 4
    why = desk.run("runs", "show", "hosts/1").out + outcome.err + outcome.out
    for said in ("SIGKILL", "timed out", "memory cap"):
        assert said in why, why
    for pid in set(pids):
        desk.until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]
