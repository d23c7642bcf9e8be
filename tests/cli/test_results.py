"""A step reads what the steps have come to that it needs, with real processes."""

from __future__ import annotations

import json

from tests.cli.conftest import Desk

JOBS = """
from openbell import worker

def part(ctx):
    if ctx.params["i"] == 3 and "fails" in ctx.params:
        raise ValueError("three")
    return {"square": ctx.params["i"] ** 2}

def total(ctx):
    found = ctx.results("part")
    print([(one.coordinates["i"], one.state) for one in found])
    return {"total": sum(one.result.get("square", 0) for one in found)}

def double(ctx):
    return {"double": 2 * ctx.result("part").result["square"]}

if __name__ == "__main__":
    ctx = worker.context()
    doubles = [one.result["double"] for one in ctx.results("double")]
    worker.result(script=sum(doubles), total=ctx.result("total").result)
"""

PIPELINE = """name: p
steps:
  part: {call: 'jobs:part', matrix: {i: 5}}
  total: {call: 'jobs:total', needs: {part: some}}
  double: {call: 'jobs:double', needs: {part: same}, matrix: {i: 5}}
  script: {script: jobs.py, needs: [double, total]}
"""


def results(desk: Desk, run: str) -> dict[str, list[object]]:
    shown = json.loads(desk.run("runs", "show", run, "-o", "json").out)["attempts"]
    found: dict[str, list[object]] = {}
    for one in shown:
        found.setdefault(one["step"], []).append(one["result"])
    return found


def test_results_go_from_step_to_step(desk: Desk) -> None:
    desk.write("jobs.py", JOBS)
    desk.write("p.yaml", PIPELINE)
    outcome = desk.run("run", "p.yaml")
    assert outcome.code == 0, outcome.out + outcome.err
    found = results(desk, "p/1")
    assert found["total"] == [{"total": 30}]
    assert found["double"] == [{"double": 2 * i * i} for i in range(5)]
    assert found["script"] == [{"script": 60, "total": {"total": 30}}]
    assert list((desk.folder / ".openbell" / "results").iterdir()) == []


def test_what_has_failed_is_told_as_well(desk: Desk) -> None:
    desk.write("jobs.py", JOBS)
    desk.write("p.yaml", PIPELINE + "params: {fails: true}\n")
    assert desk.run("run", "p.yaml").code == 2
    assert results(desk, "p/1")["total"] == [{"total": 21}]
    assert "(3, 'failed')" in desk.run("logs", "p/1/total").out


def test_results_of_an_earlier_run(desk: Desk) -> None:
    """A step that has failed, and whose last success stands for it."""
    desk.write(
        "jobs.py",
        "def feed(ctx): return {'price': open('good').read()}\n"
        "def use(ctx): return ctx.result('feed').result | {'of': ctx.needs['feed']['run']}\n",
    )
    desk.write(
        "p.yaml",
        "name: p\nsteps:\n  feed: {call: 'jobs:feed', on_failure: {fallback: last_success}}\n"
        "  use: {call: 'jobs:use', needs: [feed]}\n",
    )
    desk.write("good", "7")
    assert desk.run("run", "p.yaml").code == 0
    (desk.folder / "good").unlink()
    assert desk.run("run", "p.yaml", "--new").code == 2
    assert results(desk, "p/2")["use"] == [{"price": "7", "of": "p/1"}]
