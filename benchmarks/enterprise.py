"""Persistent queries on the simulated controller, through the real client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure
from openbell.executors.deephaven.interpreter import VARIABLE, Client

_ROOT = Path(__file__).parents[1]
_QUERIES = 500
_SWEEP = """
name: many
deephaven: {auth_method: password, username: "${DH_USERNAME}", password: "${DH_PASSWORD}"}
execution: {worker_script: worker.py, num_partitions: 100, max_concurrent_sessions: 500, heap_size_gb: 4.0,
            script_language: Python}
batch: {timeout_minutes: 60}
dates: {start: "2024-01-08", end: "2024-01-12"}
env: {}
"""


def measure() -> Iterator[Figure]:
    python = Client(_ROOT).interpreter()
    if python is None:
        print("no figures of Deephaven Enterprise: `make enterprise` installs its client", file=sys.stderr)
        return
    openbell = [sys.executable, "-m", "openbell"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "many.yaml").write_text(_SWEEP)
        (place / "worker.py").write_text("")
        env = os.environ | {VARIABLE: python}
        command = [*openbell, "testing", "deephaven-controller", "--work", "0", "--step", "0", "-o", "json"]
        command += ["--slots", str(_QUERIES)]
        with subprocess.Popen(command, cwd=place, env=env, stdout=subprocess.PIPE, text=True) as simulator:
            assert simulator.stdout is not None
            told = json.loads(simulator.stdout.readline())
            env |= {"DH_CONNECTION_URL": told["url"]}
            env |= {"DH_USERNAME": told["user"], "DH_PASSWORD": told["password"]}
            run = [*openbell, "run", "many.yaml", "-o", "json"]
            done = subprocess.run(run, cwd=place, env=env, capture_output=True, text=True, check=True)
            simulator.terminate()
        assert json.loads(done.stdout.splitlines()[-1])["counts"]["succeeded"] == _QUERIES
        show = [*openbell, "runs", "show", "many", "-o", "json"]
        shown = subprocess.run(show, cwd=place, capture_output=True, text=True, check=True)
        tries = json.loads(shown.stdout)["attempts"]
        begun = min(datetime.fromisoformat(one["decided_at"]) for one in tries)
        ended = max(datetime.fromisoformat(one["ended_at"]) for one in tries)
        took = (ended - begun).total_seconds()
        yield Figure(f"{_QUERIES} persistent queries, from the login to the last end", took, "s", 5)
