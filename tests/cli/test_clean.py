"""`clean`: the outputs of a run go, and nothing else. `completion`: what a shell is told."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.cli.conftest import Desk

WRITER = """
name: w
steps:
  a:
    call: writer:write
    matrix: {i: 2}
    outputs: ["made/{i}.txt"]
"""
CODE = """
from pathlib import Path
import polars as pl
def write(ctx):
    Path("made").mkdir(exist_ok=True)
    Path(f"made/{ctx.params['i']}.txt").write_text("x" * 100)
    ctx.write("desk", "rows", pl.DataFrame({"a": [1, 2]}))
"""


@pytest.fixture
def wrote(desk: Desk) -> Desk:
    desk.write("openbell.yaml", "")
    desk.write("w.yaml", WRITER)
    desk.write("writer.py", CODE)
    done = desk.run("run", "w.yaml")
    assert done.code == 0, done
    return desk


def left(desk: Desk) -> list[str]:
    made = [path.name for path in desk.folder.glob("made/*")]
    return sorted(made) + sorted(path.parent.name for path in desk.folder.glob("output/**/*.parquet"))


def test_outputs_go_and_what_is_known_stays(wrote: Desk) -> None:
    everything = left(wrote)
    assert len(everything) == 4
    dry = json.loads(wrote.run("clean", "w", "--dry-run", "-o", "json").out)
    assert (len(dry["files"]), dry["dry_run"]) == (4, True)
    assert left(wrote) == everything
    outcome = wrote.run("clean", "w/1")
    assert (outcome.code, "w/1: 4 files removed" in outcome.out) == (0, True)
    assert left(wrote) == []
    assert not list(wrote.folder.glob("output/desk*")), "empty folders go as well"
    assert wrote.run("runs", "show", "w/1").code == 0
    assert wrote.run("clean", "w").out == "it has left nothing\n"


def test_what_has_been_changed_since_stays(wrote: Desk) -> None:
    wrote.write("made/0.txt", "mine")
    wrote.run("clean", "w")
    assert left(wrote) == ["0.txt"]


def test_a_run_under_way_is_left_alone(desk: Desk) -> None:
    desk.write("s.yaml", "name: s\nsteps: {a: {run: [sleep, '60']}}\n")
    desk.begin("run", "s.yaml")
    desk.until(lambda: desk.run("runs", "show", "s").code == 0)
    outcome = desk.run("clean", "s")
    assert (outcome.code, "s/1 is active" in outcome.err) == (64, True)


# ── completion ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(desk: Desk, shell: str) -> None:
    outcome = desk.run("completion", shell)
    assert outcome.code == 0
    assert "_OPENBELL_COMPLETE" in outcome.out
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=outcome.out, text=True, capture_output=True)
        assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [("openbell sta", "start status"), ("openbell status --wa", "--watch"), ("openbell db p", "prune")],
)
def test_words_are_completed(desk: Desk, words: str, offered: str) -> None:
    desk.env |= {
        "_OPENBELL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    found = [line.partition(",")[2] for line in desk.run().out.splitlines()]
    assert found == offered.split()
