"""`call: module:function` with real processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Desk

JOBS = """
import os, sys
import beside

def ok(ctx):
    print("out", ctx.params["i"], beside.WORD)
    print("err", file=sys.stderr)
    os.system("echo from a child")
    return {"i": ctx.params["i"], "run": ctx.run, "cwd": os.getcwd(), "env": os.environ["MINE"]}

def number(ctx): return 5
def nothing(ctx): pass
def no_json(ctx): return {"a": [object()]}

def boom(ctx):
    raise ValueError("no lot")

def leave(ctx): sys.exit(7)
def leave_well(ctx): sys.exit()
def message(ctx): sys.exit("a message")
def killed(ctx): os.kill(os.getpid(), 11)
def gone(ctx): os._exit(3)
def reports(ctx):
    from openbell import worker
    worker.emit("metric", rows=5)
    worker.result(early=1, late=1)
    return {"late": 2}
"""


def attempts(desk: Desk, run: str) -> dict[str, Any]:
    shown = json.loads(desk.run("runs", "show", run, "-o", "json").out)["attempts"]
    return {one["step"]: one for one in shown}


@pytest.fixture
def jobs(desk: Desk) -> Desk:
    desk.write("jobs.py", JOBS)
    desk.write("beside.py", "WORD = 'beside'\n")
    return desk


def test_what_a_callable_returns_is_the_result(jobs: Desk) -> None:
    jobs.write("p.yaml", "name: p\nenv: {MINE: x}\nsteps:\n  ok: {call: 'jobs:ok', matrix: {i: 6}}\n")
    outcome = jobs.run("run", "p.yaml")
    assert outcome.code == 0, outcome.err + outcome.out
    shown = json.loads(jobs.run("runs", "show", "p", "-o", "json").out)["attempts"]
    expected = [{"i": i, "run": "p/1", "cwd": str(jobs.folder), "env": "x"} for i in range(6)]
    assert [one["result"] for one in shown] == expected
    for i in range(6):
        log = jobs.run("logs", f"p/1/ok/i={i}").out
        assert [line for line in log.splitlines() if not line.startswith("──")] == [
            f"out {i} beside",
            "err",
            "from a child",
        ]


def test_how_calls_end(jobs: Desk) -> None:
    steps = [
        "number",
        "nothing",
        "no_json",
        "boom",
        "leave",
        "leave_well",
        "message",
        "killed",
        "gone",
        "reports",
    ]
    jobs.write(
        "p.yaml", "name: p\nsteps:\n" + "".join(f"  {name}: {{call: 'jobs:{name}'}}\n" for name in steps)
    )
    assert jobs.run("run", "p.yaml").code == 2
    found = attempts(jobs, "p")
    ends = {name: (one["exit"]["code"], one["exit"]["signal"], one["result"]) for name, one in found.items()}
    assert ends == {
        "number": (0, "", {"value": 5}),
        "nothing": (0, "", {}),
        "no_json": (1, "", {}),
        "boom": (1, "", {}),
        "leave": (7, "", {}),
        "leave_well": (0, "", {}),
        "message": (1, "", {}),
        "killed": (None, "SIGSEGV", {}),
        "gone": (3, "", {}),
        "reports": (0, "", {"early": 1, "late": 2}),
    }
    assert (
        found["no_json"]["error"]
        == "TypeError: jobs:no_json returned what is no JSON value: a[0] is of type object"
    )
    assert found["boom"]["error"] == "ValueError: no lot"
    trace = found["boom"]["exit"]["traceback"]
    assert 'jobs.py", line 16, in boom' in trace
    assert "openbell" not in trace.replace(str(jobs.folder), "")
    assert found["killed"]["error"].startswith("killed by SIGSEGV")
    assert found["message"]["error"] == "exit code 1; last output: a message"
    assert found["gone"]["error"] == "exit code 3"


def test_a_callable_that_is_not_there_is_said_before_anything_runs(jobs: Desk) -> None:
    jobs.write("p.yaml", "name: p\nsteps:\n  ok: {call: 'jobs:okay', matrix: {i: 6}}\n")
    outcome = jobs.run("run", "p.yaml")
    assert outcome.code == 65
    assert "did you mean `jobs:ok`?" in outcome.err
