"""What `preload` gains for thousands of short workers that import polars."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, openbell
from benchmarks.tasks import _span

TASKS = 120


def measure() -> Iterator[Figure]:
    rates = {}
    for preload in ([], ["polars"]):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "w.py").write_text(
                "import polars as pl\nassert pl.DataFrame({'a': [1, 2]})['a'].sum() == 3\n"
            )
            step = {"script": "w.py", "matrix": {"i": TASKS}, "preload": preload}
            (place / "b.yaml").write_text(json.dumps({"name": "b", "steps": {"w": step}}))
            openbell("run", "b.yaml", cwd=place)
            (run,) = json.loads(openbell("runs", "ls", "-o", "json", cwd=place).stdout)
            rates[bool(preload)] = TASKS / _span(run["opened_at"], run["closed_at"])
    gain = rates[True] / rates[False]
    yield Figure(
        "tasks/s, a worker that imports polars, preloaded",
        rates[True],
        "/s",
        None,
        "more",
        f"without preload {rates[False]:.1f}/s: {gain:.0f} times as many",
    )
