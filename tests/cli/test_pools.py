"""What is shared out is shared out among all runs of a project."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise

import pytest

from tests.cli.conftest import Desk, finish

JOBS = """
import time

def query(ctx): time.sleep(0.3)
def hungry(ctx): held = bytearray(b"x") * 400_000_000; time.sleep(30)
"""


@pytest.mark.parametrize("work", ["call: jobs:query", "run: sleep 0.3"])
def test_a_pool_bounds_the_tasks_of_all_runs(desk: Desk, work: str) -> None:
    desk.write("openbell.yaml", "executors: {process: {slots: 4}}\nresources: {db: 1}\n")
    desk.write("jobs.py", JOBS)
    for name in ("a", "b"):
        desk.write(
            f"{name}.yaml", f"name: {name}\nsteps:\n  q: {{{work}, matrix: {{i: 3}}, resources: {{db: 1}}}}\n"
        )
    leader, follower = desk.begin("run", "a.yaml"), desk.begin("run", "b.yaml")
    assert [finish(one).code for one in (leader, follower)] == [0, 0]
    spans = []
    for name in ("a", "b"):
        shown = json.loads(desk.run("runs", "show", name, "-o", "json").out)["attempts"]
        spans += [
            tuple(datetime.fromisoformat(one[key]) for key in ("decided_at", "ended_at")) for one in shown
        ]
    assert len(spans) == 6
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(spans))), "two at the same time"


def test_memory_is_enforced_on_calls_as_well(desk: Desk) -> None:
    desk.write("jobs.py", JOBS)
    desk.write(
        "p.yaml",
        "name: p\nsteps:\n  big: {call: 'jobs:hungry', resources: {memory: 200MB}}\n"
        "  small: {call: 'jobs:query', resources: {memory: 200MB}, needs: {big: done}}\n",
    )
    outcome = desk.run("run", "p.yaml")
    assert outcome.code == 2
    assert "big: passed its memory cap of 200 MB" in outcome.err
    assert "Succeeded 1/2: small" in outcome.err
