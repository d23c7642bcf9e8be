"""The daemon: how fast a year is rehearsed, and what it costs while nothing is due."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, process_status

MARKETS = {"us_eq": "XNYS", "eu_eq": "XLON", "asia_eq": "XTKS"}
STEPS = """
  ingest_prices: {run: "true", when: post_close, priority: critical}
  ingest_factors: {run: "true", when: post_close}
  compute_returns: {run: "true", needs: [ingest_prices]}
  compute_volatility: {run: "true", needs: [ingest_prices]}
  build_numeric_windows: {run: "true", needs: [compute_returns, compute_volatility]}
  update_profiles: {run: "true", when: post_close, needs: [ingest_factors]}
  run_signals: {run: "true", needs: [build_numeric_windows, update_profiles]}
  run_universes: {run: "true", needs: [run_signals]}
  run_books: {run: "true", needs: [run_universes]}
"""
_SECONDS = 60


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "pipelines").mkdir()
        (place / "openbell.yaml").touch()
        for name, market in MARKETS.items():
            text = f"name: {name}\nmarket: {market}\ntriggers: [session]\nsteps:{STEPS}"
            (place / "pipelines" / f"{name}.yaml").write_text(text)
        yield from _rehearsed(place)
        yield from _idle(place)


def _rehearsed(place: Path) -> Iterator[Figure]:
    """A year of three markets with nine jobs each: about 6,800 tasks."""
    command = [sys.executable, "-m", "openbell", "rehearse", "--from", "2026-01-01", "--to", "2026-12-31"]
    found = []
    for _ in range(3):
        done = subprocess.run([*command, "-o", "json"], cwd=place, capture_output=True, text=True)
        if done.returncode not in (0, 1):  # 1: there are problems
            sys.exit(done.stderr)
        found.append(json.loads(done.stdout))
    best = min(one["seconds"] for one in found)
    tasks = sum(len(run["steps"]) for run in found[0]["runs"])
    yield Figure("rehearsal of a year x 3 markets x 9 jobs", best, "s", 2, beside=f"{tasks:,} tasks")


def _idle(place: Path) -> Iterator[Figure]:
    """A daemon with three schedules and nothing to do, on whatever day this is."""
    command = [sys.executable, "-m", "openbell", "start", "--foreground"]
    process = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True)
    try:
        _until_quiet(process)
        before = process_status(process.pid)
        time.sleep(_SECONDS)
        after = process_status(process.pid)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate()
    wakes = after["voluntary_ctxt_switches"] - before["voluntary_ctxt_switches"]
    yield Figure("resident memory of an idle daemon with three schedules", after["VmRSS"] / 1024, "MB", 60)
    yield Figure("wake-ups of an idle daemon in 60 s", wakes, "", 1)


def _until_quiet(process: subprocess.Popen[str]) -> None:
    """Let it take the lead, and open what is due today."""
    assert process.stderr is not None
    while "Leads" not in process.stderr.readline():
        pass
    time.sleep(10)
