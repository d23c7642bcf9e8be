"""From the end of a task to the start of the one that waits for it."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure, openbell

STEPS = 80


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        steps = {
            f"s{n}": {"run": ["sleep", "0.02"], "needs": [f"s{n - 1}"] if n else []} for n in range(STEPS)
        }
        (place / "chain.yaml").write_text(json.dumps({"name": "chain", "steps": steps}))
        openbell("run", "chain.yaml", cwd=place)
        shown = json.loads(openbell("runs", "show", "chain", "-o", "json", cwd=place).stdout)
    by_step = {one["step"]: one for one in shown["attempts"]}
    gaps = []
    for n in range(1, STEPS):
        ended = datetime.fromisoformat(by_step[f"s{n - 1}"]["ended_at"])
        gaps.append((datetime.fromisoformat(by_step[f"s{n}"]["started_at"]) - ended).total_seconds() * 1000)
    gaps.sort()
    p95 = gaps[int(len(gaps) * 0.95)]
    yield Figure("exit of a task to the start of its dependant, median", statistics.median(gaps), "ms", 10)
    yield Figure("the same, 95th percentile", p95, "ms", None, "less", "both by the supervisors' clocks")
