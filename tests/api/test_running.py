"""Runs out of Python, with real processes: in scripts, threads, below an event loop."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import openbell as ob
from openbell.errors import NotFound, UsageError
from tests.cli.conftest import Desk, desk, finish, interrupt  # noqa: F401

WORKER = """\
from openbell import worker

ctx = worker.context()
print("hello", ctx.params["k"])
worker.result(ret=0.01 * ctx.params["k"], state="mine")
assert ctx.params["k"] != 3, "three is bad"
"""


def sweep(path: Path, **keys: Any) -> ob.Pipeline:
    (path / "w.py").write_text(WORKER)
    matrix = {"date": {"sessions": "XNYS", "from": "2024-07-03", "to": "2024-07-05"}, "k": [1, 2, 3]}
    steps = [
        ob.Step("work", script="w.py", matrix=matrix),
        ob.Step("total", run=["echo", "all"], needs={"work": "some"}),
    ]
    return ob.Pipeline("sweep", steps, folder=path, **keys)


def test_a_run_and_everything_that_came_out(tmp_path: Path) -> None:
    handle = ob.run(sweep(tmp_path))
    assert (handle.id, handle.state, handle.ok, handle.exit_code) == ("sweep/1", "partial", False, 2)
    assert repr(handle) == "<run sweep/1: partial>"
    assert handle.pipeline.size == 7
    assert handle.info.origin.endswith(": Python")

    tasks = handle.tasks("work")
    assert [task.state for task in tasks] == ["succeeded", "succeeded", "failed"] * 2
    assert str(tasks[1]) == "work: date=2024-07-03, k=2"
    assert handle.results("work")[0] == {"date": date(2024, 7, 3), "k": 1, "ret": 0.01, "state": "mine"}

    [failure] = handle.failures()
    assert (failure.count, failure.error) == (2, "AssertionError: three is bad")
    assert "w.py" in failure.traceback
    assert [task.coordinates["k"] for task in failure.tasks] == [3, 3]

    assert handle.log(tasks[1]) == "hello 2\n"
    assert handle.log("work/2024-07-05,1") == "hello 1\n"
    assert handle.log("total") == "all\n"
    with pytest.raises(NotFound, match="has many tasks"):
        handle.log("work")
    with pytest.raises(NotFound, match="has no attempt 2"):
        handle.log("total", attempt=2)


def test_cells_as_rows_and_frames(tmp_path: Path) -> None:
    handle = ob.run(sweep(tmp_path))
    cells = handle.cells()
    assert len(cells) == 7
    assert cells[0]["step"] == "work"
    assert cells[0]["result.state"] == "mine", "a result that is called like a column"
    assert cells[0]["started_at"].tzinfo is not None
    frame = handle.cells("work").to_polars()
    assert frame.schema["date"] == pl.Date
    assert frame.schema["started_at"] == pl.Datetime("us", "UTC")
    assert frame.filter(pl.col("state") == "succeeded")["ret"].to_list() == [0.01, 0.02] * 2
    best = ob.runs("sweep", folder=tmp_path).last().cells().lazy().group_by("k").agg(pl.sum("ret")).collect()
    assert best.filter(pl.col("k") == 2)["ret"].to_list() == [0.04]
    assert frame["started_at"].dt.convert_time_zone("UTC").max().tzinfo == UTC or frame.height  # type: ignore[union-attr]


def test_the_same_again_runs_what_is_missing(tmp_path: Path) -> None:
    assert ob.run(sweep(tmp_path)).state == "partial"
    (tmp_path / "w.py").write_text(WORKER.replace("assert", "# assert"))
    fixed = sweep(tmp_path)
    (tmp_path / "w.py").write_text(WORKER.replace("assert", "# assert"))
    assert ob.run(fixed).id == "sweep/2", "the script is part of the plan"
    assert ob.run(fixed).id == "sweep/2"
    assert ob.run(fixed, new=True).id == "sweep/3"
    assert [one.id for one in ob.runs(folder=tmp_path)] == ["sweep/3", "sweep/2", "sweep/1"]


def test_what_is_said_over_the_definition(tmp_path: Path) -> None:
    modes = {"quick": {"steps": ["total"]}, "full": "all"}
    made = sweep(tmp_path, modes=modes)
    assert ob.run(made, mode="quick").info.mode == "quick"
    assert len(ob.run(made, steps=["+work"], sample=2, dates=date(2024, 7, 3)).tasks()) == 2
    assert (
        ob.run(made, steps="work", dates=("2024-07-05", date(2024, 7, 5))).tasks()[0].coordinates["date"]
        == "2024-07-05"
    )
    forced = ob.run(made, mode="quick", force="for a test", new=True)
    assert forced.info.forced is not None
    assert forced.info.forced.reason == "for a test"
    with pytest.raises(ob.ConfigError, match="there is no mode `quik`"):
        ob.run(made, mode="quik")
    with pytest.raises(UsageError, match="`only` is failed or missing"):
        ob.run(made, only="all")


def test_a_compiled_pipeline_runs_as_it_is(tmp_path: Path) -> None:
    compiled = ob.load(sweep(tmp_path), steps="total")
    assert ob.run(compiled).tasks()[0].step == "total"
    with pytest.raises(UsageError, match="takes no mode"):
        ob.run(compiled, mode="full")


def test_a_plan_starts_nothing(tmp_path: Path) -> None:
    plan = ob.plan(sweep(tmp_path), steps="total")
    assert (plan.tasks, plan.notes) == (
        1,
        ("`total` does not wait for `work`, which is no part of this run",),
    )
    assert str(plan).startswith("sweep: 1 task in 1 step  (plan ")
    assert ob.plan(sweep(tmp_path)).left_out == {date(2024, 7, 4): "Independence Day"}
    assert not (tmp_path / ".openbell").exists()
    with pytest.raises(NotFound):
        ob.runs(folder=tmp_path)


def test_files_and_names(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "openbell.yaml").write_text("{}\n")
    (tmp_path / "pipelines" / "p.yaml").write_text("name: p\nsteps: {a: {run: [echo, hi]}}\n")
    assert ob.run("p", folder=tmp_path).log("a") == "hi\n"
    assert ob.run(tmp_path / "pipelines" / "p.yaml").id == "p/1"
    with pytest.raises(NotFound, match="did you mean `p`"):
        ob.run("pp", folder=tmp_path)
    with pytest.raises(NotFound, match="no such run yet"):
        ob.runs("other", folder=tmp_path).last()


def test_in_a_thread_and_below_an_event_loop(tmp_path: Path) -> None:
    made = sweep(tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(ob.run(made, steps="total").state))
    thread.start()
    thread.join()

    async def notebook() -> str:
        return ob.run(made, steps="total", new=True).state

    assert [*found, asyncio.run(notebook())] == ["succeeded", "succeeded"]
    handle = ob.run(made, steps="total", new=True)
    threading.Thread(target=lambda: found.append(handle.state)).start()
    assert {number: signal.getsignal(number) for number in before} == before


def test_it_follows_when_somebody_else_leads(desk: Desk) -> None:  # noqa: F811
    desk.write("slow.yaml", "name: slow\nsteps: {a: {run: [sleep, '3']}}\n")
    process = desk.begin("run", "slow.yaml")
    desk.until(lambda: "1 running" in desk.run("status").out)
    made = ob.Pipeline("quick", [ob.Step("a", run=["echo", "x"])], folder=desk.folder)
    assert ob.run(made).ok
    assert process.poll() is None, "the other one leads on"
    assert finish(process).code == 0


SCRIPT = """\
import asyncio, signal, sys
import openbell as ob

signal.signal(signal.SIGTERM, lambda *_: print("my own", flush=True))
made = ob.Pipeline("slow", [ob.Step("a", run=["sh", "-c", "echo x >> ran; sleep 1"], matrix={"i": range(9)})])

async def notebook():
    ob.run(made)

try:
    asyncio.run(notebook()) if "loop" in sys.argv else ob.run(made)
except KeyboardInterrupt:
    print("left", ob.runs("slow").last().state, flush=True)
print("on", flush=True)
"""


def script(desk: Desk, *words: str) -> subprocess.Popen[str]:  # noqa: F811
    desk.write("script.py", SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "script.py", *words], cwd=desk.folder, stdout=subprocess.PIPE, text=True
    )
    desk.begun.append(process)
    desk.until(lambda: bool(desk.lines("ran")))
    return process


@pytest.mark.parametrize("words", [(), ("loop",)], ids=["script", "loop"])
def test_ctrl_c_drains_and_is_raised(desk: Desk, words: tuple[str, ...]) -> None:  # noqa: F811
    process = script(desk, *words)
    interrupt(process)
    out, _ = process.communicate(timeout=20)
    assert out == "left paused\non\n"
    assert len(desk.lines("ran")) < 9
    assert "paused" in desk.run("runs", "ls").out


def test_other_signals_mean_what_the_script_says(desk: Desk) -> None:  # noqa: F811
    process = script(desk)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert out == "my own\non\n", "the run drains, then the script's own handler is called"


def test_each_change_can_be_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ob.run(sweep(tmp_path), steps="total", show=True)
    assert "Succeeded 1/1: total" in capfd.readouterr().err
    ob.run(sweep(tmp_path), steps="total", new=True)
    assert capfd.readouterr() == ("", "")


def test_rows_need_no_polars(tmp_path: Path) -> None:
    (tmp_path / "polars.py").write_text("raise ImportError('not here')\n")
    code = (
        "import json, openbell as ob\n"
        "h = ob.run(ob.Pipeline('p', [ob.Step('a', run='true')]))\n"
        "print(json.dumps(h.cells()[0]['state']))\n"
        "try: h.cells().to_polars()\n"
        "except ob.OpenbellError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert json.loads(first) == "succeeded"
    assert second == "polars is not installed (pip install 'openbell[data]')"
