"""A daemon on real processes, killed at named points: every occasion comes to one run, or to a miss."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from openbell.core.events import Fire, Miss, OpenRun, Unplanned, Watch
from openbell.core.state import Limits
from openbell.store.sql import SqlStore

PIPELINE = """
name: tick
triggers: [{{every: 1s}}]
catch_up: {catch_up}
overlap: {overlap}
steps: {{a: {{run: "true"}}}}
"""
SECOND = timedelta(seconds=1)


def live(folder: Path, seconds: float, kill_at: str = "") -> int:
    """One daemon: killed by itself at the named point, or told to leave after so long. Its exit code."""
    env = {**os.environ, "OPENBELL_KILL_AT": kill_at} if kill_at else {**os.environ}
    command = [sys.executable, "-m", "openbell", "start", "--foreground"]
    with (folder / "log").open("ab") as log:
        daemon = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        return daemon.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(timeout=60)


def judge(folder: Path) -> Counter[str]:
    """From the first look to the last occasion each second is answered once. Gives what became of them."""
    store = SqlStore(f"sqlite:///{folder}/.openbell/openbell.db")
    events = [event for _, event in store.journal(limit=10**6)]
    kept = store.load(Limits()).fired
    store.close()
    [watched] = [event for event in events if isinstance(event, Watch)]
    answered: Counter[str] = Counter()
    runs: set[str] = set()
    for event in events:
        if isinstance(event, Fire) and event.run not in runs:
            runs.add(event.run)
            answered[event.key] += 1
        elif isinstance(event, Miss):
            at = datetime.strptime(event.first, "%Y%m%dT%H%M%S%z")
            answered.update(f"{at + n * SECOND:%Y%m%dT%H%M%SZ}" for n in range(event.count))
    first = datetime.fromisoformat(watched.position).replace(microsecond=0) + SECOND
    expected = [f"{first + n * SECOND:%Y%m%dT%H%M%SZ}" for n in range(len(answered))]
    assert sorted(answered) == expected, "a second is missing"
    assert set(answered.values()) == {1}, "an occasion has been dealt with twice"
    opened = Counter(event.run.id for event in events if isinstance(event, OpenRun))
    assert set(opened.values()) <= {1}, "an occasion has two runs"
    given_up = {f"tick/{event.key}" for event in events if isinstance(event, Unplanned)}
    assert set(opened) | given_up | set(kept) == runs
    missed = sum(event.count for event in events if isinstance(event, Miss))
    return Counter(runs=len(runs), missed=missed)


@pytest.mark.slow
@pytest.mark.parametrize(("overlap", "catch_up"), [("allow", "all"), ("queue", "all"), ("forbid", "last")])
def test_every_occasion_once_however_often_it_is_killed(tmp_path: Path, overlap: str, catch_up: str) -> None:
    (tmp_path / "openbell.yaml").write_text("")
    (tmp_path / "tick.yaml").write_text(PIPELINE.format(overlap=overlap, catch_up=catch_up))
    points = [f"{point}:{n}" for point in ("before-commit", "after-commit") for n in (2, 3, 4, 7)]
    deaths = [live(tmp_path, 30, kill_at) for kill_at in [*points, "before-start:2", "after-start:1"]]
    assert deaths.count(-signal.SIGKILL) >= 8, deaths
    assert live(tmp_path, 6) == 0, (tmp_path / "log").read_text()[-3000:]
    found = judge(tmp_path)
    assert found["runs"] > 5
