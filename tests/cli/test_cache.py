"""Kept results, with real processes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Desk

JOBS = """
import sys
from openbell import worker
import helper

def work(ctx):
    with open("ran", "a") as file:
        file.write(f"{ctx.params['i']}\\n")
    with open(f"out{ctx.params['i']}.txt", "w") as file:
        file.write(f"{ctx.params['i']} {helper.WORD}")
    print("working")
    return {"i": ctx.params["i"], "word": helper.WORD, "days": ctx.params.get("days")}

def after(ctx):
    with open("ran", "a") as file:
        file.write("after\\n")
    return {"seen": [one.result for one in ctx.results("work")]}

if __name__ == "__main__":
    worker.result(**work(worker.context()))
"""

FORMS = {
    "run": "run: python jobs.py",
    "script": "script: jobs.py",
    "call": "call: jobs:work",
}


class Shelf:
    """A project whose results are kept."""

    def __init__(self, desk: Desk, form: str = "call", cache: str = "{}", more: str = "") -> None:
        self.desk = desk
        desk.write("jobs.py", JOBS)
        desk.write("helper.py", "WORD = 'one'\n")
        desk.env["PATH"] = f"{Path(sys.executable).parent}:{desk.env['PATH']}"
        self.text = (
            f"name: p\nparams: {{days: 1}}\nsteps:\n  work:\n    {FORMS[form]}\n    matrix: {{i: 2}}\n"
            f"    outputs: ['out{{i}}.txt']\n    cache: {cache}\n{more}"
        )
        desk.write("p.yaml", self.text)

    def run(self, *words: str) -> str:
        """Run anew; what is said."""
        done = self.desk.run("run", "p.yaml", "--new", *words)
        assert done.code == 0, done.out + done.err
        return done.err

    @property
    def ran(self) -> list[str]:
        """What has run since the last look."""
        lines = sorted(self.desk.lines("ran"))
        (self.desk.folder / "ran").unlink(missing_ok=True)
        return lines

    def attempts(self, run: str) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = json.loads(self.desk.run("runs", "show", run, "-o", "json").out)[
            "attempts"
        ]
        return shown

    def entries(self) -> list[Path]:
        return sorted((self.desk.folder / ".openbell" / "cache").iterdir())


@pytest.mark.parametrize("form", FORMS)
def test_what_has_been_done_is_not_done_again(desk: Desk, form: str) -> None:
    shelf = Shelf(desk, form)
    assert "cached" not in shelf.run()
    assert shelf.ran == ["0", "1"]
    said = shelf.run()
    assert shelf.ran == []
    assert "Succeeded 1/2: i=" in said
    assert "not run: cached, of p/1/work/0#1" in said
    first, second = shelf.attempts("p/1"), shelf.attempts("p/2")
    assert [one["result"] for one in second] == [one["result"] for one in first]
    assert second[0]["result"] == {"i": 0, "word": "one", "days": 1}
    assert [one["exit"]["cached"] for one in first + second] == ["", "", "p/1/work/0#1", "p/1/work/1#1"]
    assert second[0]["exit"]["outputs"] == first[0]["exit"]["outputs"]
    assert "not run; this is the result of p/1/work/1#1" in desk.run("logs", "p/2/work/i=1").out
    assert "not run: the result of p/1/work/0#1" in desk.run("runs", "show", "p/2/work/i=0").out


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("change", "cells"),
    [
        (lambda desk: desk.write("helper.py", "WORD = 'two, longer'\n"), ["0", "1"]),
        (lambda desk: desk.write("jobs.py", JOBS + "# changed\n"), ["0", "1"]),
        (lambda desk: desk.write("out1.txt", "somebody else's"), ["1"]),
        (lambda desk: (desk.folder / "out0.txt").unlink(), ["0"]),
        (lambda desk: desk.write("other.py", "x = 1\n"), []),
    ],
)
def test_what_has_changed_is_done_again(desk: Desk, form: str, change: Any, cells: list[str]) -> None:
    shelf = Shelf(desk, form)
    shelf.run()
    assert shelf.ran == ["0", "1"]
    change(desk)
    shelf.run()
    assert shelf.ran == cells
    shelf.run()
    assert shelf.ran == []


def test_parameters_count_unless_they_do_not(desk: Desk) -> None:
    shelf = Shelf(desk)
    shelf.run()
    assert len(shelf.ran) == 2
    shelf.run("--set", "params.days=2")
    assert len(shelf.ran) == 2
    desk.write("p.yaml", shelf.text.replace("cache: {}", "cache: {key: [code]}"))
    shelf.run()
    assert len(shelf.ran) == 2, "the key is made of other things now"
    shelf.run("--set", "params.days=2")
    assert shelf.ran == []


def test_the_environment_and_more_files_count(desk: Desk) -> None:
    shelf = Shelf(desk, cache="{inputs: ['data/*.csv', 'day-{params.days}']}", more="    env: {FEE: '1'}\n")
    desk.write("data/a.csv", "1")
    shelf.run()
    assert len(shelf.ran) == 2
    shelf.run()
    assert len(shelf.ran) == 0
    for name in ("data/a.csv", "data/b.csv", "day-1"):
        desk.write(name, "changed")
        shelf.run()
        assert len(shelf.ran) == 2, name
    desk.write("data/c.txt", "is none of them")
    shelf.run()
    assert len(shelf.ran) == 0
    desk.write("p.yaml", shelf.text.replace("FEE: '1'", "FEE: '2'"))
    shelf.run()
    assert len(shelf.ran) == 2


def test_what_needed_steps_have_come_to_counts(desk: Desk) -> None:
    more = "  after: {call: 'jobs:after', needs: [work], cache: {key: [params]}}\n"
    shelf = Shelf(desk, more=more)
    shelf.run()
    assert shelf.ran == ["0", "1", "after"]
    shelf.run()
    assert shelf.ran == []
    desk.write("helper.py", "WORD = 'another'\n")
    shelf.run()
    assert shelf.ran == ["0", "1", "after"]
    assert shelf.attempts("p/3")[0]["result"]["seen"][0]["word"] == "another"
    (desk.folder / "out0.txt").unlink()
    shelf.run()
    assert shelf.ran == ["0"], "it has come to the same"


def test_old_results_are_good_for_so_long(desk: Desk) -> None:
    shelf = Shelf(desk, cache="{max_age: 24h}")
    shelf.run()
    assert len(shelf.ran) == 2
    shelf.run()
    assert shelf.ran == []
    for path in shelf.entries():
        checksum, _, body = path.read_bytes().partition(b"\n")
        import hashlib

        old = json.loads(body) | {"at": time.time() - 25 * 3600}
        text = json.dumps(old).encode()
        path.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        assert hashlib.sha256(body).hexdigest().encode() == checksum
    shelf.run()
    assert len(shelf.ran) == 2


def test_spoiled_entries_are_put_aside(desk: Desk) -> None:
    shelf = Shelf(desk)
    shelf.run()
    assert len(shelf.ran) == 2
    first, second = shelf.entries()
    first.write_bytes(first.read_bytes().replace(b'"one"', b'"two"'))
    second.write_bytes(second.read_bytes()[:40])
    shelf.run()
    assert len(shelf.ran) == 2
    assert [path.suffix for path in shelf.entries()].count(".bad") == 2
    assert [one["result"]["word"] for one in shelf.attempts("p/2")] == ["one", "one"]
    shelf.run()
    assert shelf.ran == []


def test_no_cache_runs_everything_and_keeps_it(desk: Desk) -> None:
    shelf = Shelf(desk)
    shelf.run()
    shelf.run("--no-cache")
    assert sorted(shelf.ran) == ["0", "0", "1", "1"]
    shelf.run()
    assert shelf.ran == []
    assert shelf.attempts("p/3")[0]["exit"]["cached"] == "p/2/work/0#1"


def test_failures_are_not_kept(desk: Desk) -> None:
    desk.write("jobs.py", "def work(ctx):\n    open('ran', 'a').write('x')\n    raise ValueError\n")
    desk.write("p.yaml", "name: p\nsteps:\n  work: {call: 'jobs:work', cache: {}}\n")
    for _ in range(2):
        assert desk.run("run", "p.yaml", "--new").code == 2
    assert desk.lines("ran") == ["xx"]


def test_what_is_verified_is_not_verified_again(desk: Desk) -> None:
    shelf = Shelf(desk, more="    verify: [sh, -c, 'echo v >> ran']\n")
    shelf.run()
    assert shelf.ran == ["0", "1", "v", "v"]
    shelf.run()
    assert shelf.ran == []
    assert shelf.attempts("p/2")[0]["exit"]["verified"]


def test_the_plan_tells_what_is_kept(desk: Desk) -> None:
    Shelf(desk, cache="{key: [params, code], max_age: 24h}")
    assert "params, code, at most 24:00:00 old" in desk.run("plan", "p.yaml").out
    assert "not looked at" in desk.run("run", "p.yaml", "--dry-run", "--no-cache").out
