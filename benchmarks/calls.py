"""Calls on warm workers: durable ones per second, and a chain in which each waits for the one before.

The peer is a pool of processes that remembers nothing.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, openbell
from benchmarks.tasks import ABREAST, _span

TASKS = 5_000
STEPS = 100


def measure() -> Iterator[Figure]:
    bare = _bare()
    for durability, budget in (("process", 1000.0), ("power", None)):
        rate = _rate(durability)
        beside = f"a process pool without memory {bare:.0f}/s: {rate / bare:.0%}"
        what = f"tasks/s, a no-op `call`, {ABREAST} at once, durability {durability}"
        yield Figure(what, rate, "/s", budget, "more", beside)
    steps = {f"s{n}": {"call": "noop:noop", "needs": [f"s{n - 1}"] if n else []} for n in range(STEPS)}
    took = _chain(steps)
    yield Figure(f"a step of a chain of {STEPS} calls, median", statistics.median(took), "ms", 2.0)
    p95 = took[int(len(took) * 0.95)]
    yield Figure("the same, 95th percentile", p95, "ms", None, "less", "from end to end of neighbours")


def _chain(steps: dict[str, Any]) -> list[float]:
    """Milliseconds from the end of a step to the end of the one that needs it, in order of size."""
    with _project(steps, "process") as place:
        shown = json.loads(openbell("runs", "show", "b", "-o", "json", cwd=place).stdout)
        ends = sorted(datetime.fromisoformat(one["ended_at"]) for one in shown["attempts"])
    return sorted((after - before).total_seconds() * 1000 for before, after in pairwise(ends))


def _rate(durability: str) -> float:
    """Tasks per second, from the opening of the run to its end."""
    with _project({"w": {"call": "noop:noop", "matrix": {"i": TASKS}}}, durability) as place:
        (run,) = json.loads(openbell("runs", "ls", "-o", "json", cwd=place).stdout)
        return TASKS / _span(run["opened_at"], run["closed_at"])


@contextmanager
def _project(steps: dict[str, Any], durability: str) -> Iterator[Path]:
    """A project in which these steps have run."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "openbell.yaml").write_text(
            f"durability: {durability}\nexecutors: {{process: {{slots: {ABREAST}}}}}\n"
        )
        (place / "noop.py").write_text("def noop(ctx):\n    pass\n")
        (place / "b.yaml").write_text(json.dumps({"name": "b", "steps": steps}))
        openbell("run", "b.yaml", cwd=place)
        yield place


def _bare() -> float:
    with ProcessPoolExecutor(ABREAST) as pool:
        list(pool.map(_noop, range(100)))
        began = time.perf_counter()
        for task in [pool.submit(_noop, n) for n in range(TASKS)]:
            task.result()
        return TASKS / (time.perf_counter() - began)


def _noop(_: int) -> None:
    pass
