"""Cold starts, beside bare Python."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.figures import Figure, openbell, seconds


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        bare = seconds([sys.executable, "-c", "pass"], place)
        ours = [sys.executable, "-m", "openbell"]
        helped = seconds([*ours, "--help"], place)
        above = (helped - bare) * 1000
        yield Figure(
            "`--help`, above bare Python", above, "ms", 100, "less", f"bare Python {bare * 1000:.0f} ms"
        )

        steps: dict[str, dict[str, object]] = {
            f"step_{n}": {
                "run": f"python -m desk.job --number {n}",
                "needs": [f"step_{n - 1}"] if n else [],
                "timeout": "10m",
                "retry": {"attempts": 3, "delay": "10s"},
            }
            for n in range(500)
        }
        (place / "many.yaml").write_text(_yaml(steps))
        valid = seconds([*ours, "validate", "many.yaml"], place, 5) * 1000
        yield Figure("`validate` of 500 steps", valid, "ms", 500)

        matrix = "{date: {days: all, from: 2012-01-01, to: 2012-09-06}, partition: 10}"
        (place / "plan.yaml").write_text(f"name: p\nsteps:\n  w: {{run: 'true', matrix: {matrix}}}\n")
        planned = seconds([*ours, "plan", "plan.yaml"], place, 5)
        yield Figure("`plan` of 2,500 tasks, the whole command", planned, "s", 0.3)

        openbell("init", "demo", cwd=place)
        began = time.time()
        openbell("run", "momentum.yaml", "--sample", "2", cwd=place / "demo")
        shown = json.loads(openbell("runs", "show", "momentum", "-o", "json", cwd=place / "demo").stdout)
        first = min(datetime.fromisoformat(one["started_at"]).timestamp() for one in shown["attempts"])
        yield Figure("first task of the demo runs after", first - began, "s", 2)

        status = seconds([*ours, "status", "-C", str(place / "demo")], place, 5, code=3)
        yield Figure("`status`", status * 1000, "ms", 300)


def _yaml(steps: dict[str, dict[str, object]]) -> str:
    """Block style, as people write it."""
    lines = ["name: many", "steps:"]
    for name, step in steps.items():
        lines.append(f"  {name}:")
        lines += [f"    {key}: {json.dumps(value)}" for key, value in step.items()]
    return "\n".join(lines) + "\n"
