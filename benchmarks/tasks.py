"""Durable, supervised processes per second, beside bare processes with a bare SQLite commit each.

The peer does what nobody should trust: no supervisor, no log, no recovery.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, openbell

ABREAST = 4


def measure() -> Iterator[Figure]:
    for name, argv, tasks, budget in (
        ("/bin/true", ["/bin/true"], 1500, 300.0),
        ("python -c pass", [sys.executable, "-c", "pass"], 600, 100.0),
    ):
        bare = _bare(argv, tasks)
        for durability in ("process", "power"):
            rate = _ours(argv, tasks, durability)
            yield Figure(
                f"tasks/s, `{name}`, 4 at once, durability {durability}",
                rate,
                "/s",
                budget if durability == "process" else None,
                "more",
                f"bare spawn + SQLite {bare:.0f}/s: {rate / bare:.0%}",
            )


def _ours(argv: list[str], tasks: int, durability: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "openbell.yaml").write_text(
            f"durability: {durability}\nexecutors: {{process: {{slots: {ABREAST}}}}}\n"
        )
        definition = {"name": "b", "steps": {"w": {"run": argv, "matrix": {"i": tasks}}}}
        (place / "b.yaml").write_text(json.dumps(definition))
        openbell("run", "b.yaml", cwd=place)
        (run,) = json.loads(openbell("runs", "ls", "-o", "json", cwd=place).stdout)
        return tasks / _span(run["opened_at"], run["closed_at"])


def _span(opened: str, closed: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(closed) - datetime.fromisoformat(opened)).total_seconds()


def _bare(argv: list[str], tasks: int) -> float:
    """Start, wait, and commit a row before and after each, four at once."""
    with tempfile.TemporaryDirectory() as folder:
        base = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, code INTEGER)")
        live: dict[int, subprocess.Popen[bytes]] = {}
        began, following = time.perf_counter(), 0
        while following < tasks or live:
            while len(live) < ABREAST and following < tasks:
                base.execute("INSERT INTO t VALUES (?, NULL)", (following,))
                live[following] = subprocess.Popen(argv)
                following += 1
            ended = [i for i, process in live.items() if process.poll() is not None]
            for i in ended:
                base.execute("UPDATE t SET code = ? WHERE i = ?", (live.pop(i).returncode, i))
            if not ended:
                time.sleep(0.0002)
        base.close()
        return tasks / (time.perf_counter() - began)
