"""`preload` and the choice of an interpreter, with real processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Desk


def test_preloaded_workers_behave_as_others(desk: Desk) -> None:
    desk.write(
        "w.py",
        "import sys, os, json, random\nfrom pathlib import Path\nfrom openbell import worker\n"
        "sys.path.index(str(Path(__file__).parent))\nimport beside\n"
        "assert __name__ == '__main__' and sys.argv == [__file__]\n"
        "print('draw', random.random(), beside.WORD)\n"
        "ctx = worker.context()\nworker.result(i=ctx.params['i'])\n"
        "if ctx.params['i'] == 1: raise ValueError('one')\n"
        "if ctx.params['i'] == 2: sys.exit(7)\n"
        "if ctx.params['i'] == 3: sys.exit('a message')\n",
    )
    desk.write("beside.py", "WORD = 'beside'\n")
    desk.write("s.yaml", "name: s\nsteps:\n  w: {script: w.py, matrix: {i: 6}, preload: [decimal, json]}\n")
    assert desk.run("run", "s.yaml").code == 2
    shown = json.loads(desk.run("runs", "show", "s", "-o", "json").out)["attempts"]
    assert [one["exit"]["code"] for one in shown] == [0, 1, 7, 1, 0, 0]
    assert [one["result"].get("i") for one in shown] == list(range(6))
    assert shown[1]["error"] == "ValueError: one"
    assert "zygote" not in shown[1]["exit"]["traceback"]
    assert "runpy" not in shown[1]["exit"]["traceback"]
    draws = {line for line in desk.run("logs", "s").out.splitlines() if line.startswith("draw")}
    assert len(draws) == 6, "children of one zygote drew the same random number"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("threaded", "preload of 'threaded': it starts threads when imported"),
        ("no_such_module", "preload of 'no_such_module': ModuleNotFoundError"),
        ("broken", "preload of 'broken': ZeroDivisionError"),
    ],
)
def test_what_cannot_be_preloaded_is_refused_by_name(desk: Desk, module: str, told: str) -> None:
    desk.write(
        "threaded.py",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    )
    desk.write("broken.py", "1 / 0\n")
    desk.write("w.py", "open('ran', 'w')\n")
    desk.write(
        "s.yaml",
        f"name: s\nenv: {{PYTHONPATH: {desk.folder}}}\nsteps:\n  w: {{script: w.py, preload: [{module}]}}\n",
    )
    outcome = desk.run("run", "s.yaml")
    assert outcome.code == 1
    assert told in outcome.out
    assert not (desk.folder / "ran").exists()


@pytest.mark.slow
def test_a_thousand_preloaded_forks_without_a_hang(desk: Desk) -> None:
    pytest.importorskip("polars", reason="the extra `data` is not installed")
    desk.write("w.py", "import polars as pl\nassert pl.DataFrame({'a': [1, 2]})['a'].sum() == 3\n")
    desk.write(
        "s.yaml", "name: s\nsteps:\n  w: {script: w.py, matrix: {i: 1000}, preload: [polars], timeout: 30s}\n"
    )
    assert desk.run("run", "s.yaml", timeout=300).code == 0


def test_a_workers_interpreter_can_be_chosen(desk: Desk, tmp_path: Path) -> None:
    import sys
    import venv

    venv.create(tmp_path / "other", with_pip=False, symlinks=True)
    desk.write("w.py", "import sys\nfrom pathlib import Path\nPath('prefix').write_text(sys.prefix)\n")
    desk.write("s.yaml", "name: s\npython: other/bin/python\nsteps:\n  w: {script: w.py}\n")
    assert desk.run("run", "s.yaml").code == 0
    assert desk.lines("prefix") == [str(tmp_path / "other")]
    assert sys.prefix != str(tmp_path / "other")
