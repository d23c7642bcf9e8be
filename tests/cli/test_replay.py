"""`openbell replay`: one task in the foreground, halted, stepped, ended."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Desk
from tests.replay.days import NINE, SECOND, store, table

SCRIPT = """\
from openbell import worker
ctx = worker.context()
tape = ctx.replay("Market.Trade")
times = [now for now, _ in tape]
ctx.write("Sim", "Times", {"Now": times})
worker.result(rows=tape.rows, batches=len(times), speed=ctx.mode["speed"])
"""
PIPELINE = """\
name: sim
market: XNYS
steps:
  worker:
    script: worker.py
    matrix: {date: {sessions: XNYS, from: 2024-07-01, to: 2024-07-03}, partition: 2}
    replay: {speed: 1, start: "05:00:00", strict: true}
"""


@pytest.fixture
def sim(desk: Desk) -> Desk:
    store(desk.folder, "market.Trade", table([NINE + n * SECOND for n in range(300)]))
    desk.write("worker.py", SCRIPT)
    desk.write("sim.yaml", PIPELINE)
    desk.write("openbell.yaml", "data: {Market: market}\n")
    return desk


def test_one_task_with_the_markets_clock(sim: Desk) -> None:
    done = sim.run("replay", "sim.yaml", "--date", "2024-07-02", "--speed", "max", "--cell", "partition=1")
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["rows: 300", "batches: 300", "speed: max"]
    assert "sim, date=2024-07-02, partition=1" in done.err
    assert "Tue 2024-07-02 05:0" in done.err
    assert "EDT  OVERNIGHT" in done.err
    assert not (sim.folder / "output").exists()
    assert len(list((sim.folder / ".openbell" / "foreground").rglob("part-*.parquet"))) == 1
    assert json.loads(sim.run("runs", "ls", "-o", "json").out or "[]") == []


def test_the_clock_knows_the_projects_own_markets(sim: Desk) -> None:
    sim.write("openbell.yaml", "data: {Market: market}\nmarkets: {DESK: {calendar: XNYS, pre_open: 6h}}\n")
    sim.write("sim.yaml", PIPELINE.replace("market: XNYS", "market: DESK"))
    done = sim.run("replay", "sim.yaml", "--date", "2024-07-02", "--speed", "max")
    assert done.code == 0, done.err
    assert "EDT  PRE_OPEN" in done.err


def test_it_is_halted_and_stepped_and_ended(sim: Desk) -> None:
    import subprocess

    process = subprocess.Popen(
        sim.command("replay", "sim.yaml", "--date", "2024-07-02", "--speed", "20"),
        cwd=sim.folder,
        env=sim.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    sim.begun.append(process)
    assert process.stdin is not None
    assert process.stderr is not None
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
    reading.start()
    process.stdin.write("p")
    process.stdin.flush()
    sim.until(lambda: any("HALTED" in line for line in lines), 60)
    process.stdin.write("ss")
    process.stdin.flush()
    sim.until(lambda: any("HALTED" in line and "rows" in line for line in lines), 60)
    process.stdin.write("q")
    process.stdin.flush()
    assert process.wait(60) == 130
    reading.join(10)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--date", "2024-07-04"), "no date of the file lies in 2024-07-04"),
        (("--date", "2024-07-02", "--speed", "0"), "--speed takes a number, 1 or more, or `max`"),
        (("--date", "2024-07-02", "--cell", "part=1"), "there is no axis part"),
        (("--date", "2024-07-02", "--cell", "partition=7"), "there is no cell partition=7"),
        (("--date", "2024-07-02", "--step", "other"), "has no replay `other`"),
    ],
)
def test_what_cannot_be_replayed(sim: Desk, words: tuple[str, ...], told: str) -> None:
    done = sim.run("replay", "sim.yaml", *words)
    assert done.code in (64, 65)
    assert told in done.err


def test_a_bad_file_fails_its_task_and_the_sweep_goes_on(sim: Desk) -> None:
    """One was cut off, one is missing: both fail the tasks of their date, say so, and are left alone."""
    good = sim.folder / "market" / "Trade" / "Date=2024-07-02" / "part-000.parquet"
    cut = sim.folder / "market" / "Trade" / "Date=2024-07-01" / "part-000.parquet"
    cut.parent.mkdir()
    cut.write_bytes(good.read_bytes()[:-20])
    sim.run("run", "sim.yaml", "--set", "steps.worker.replay.speed=max")
    shown = json.loads(sim.run("runs", "ls", "-o", "json").out)[0]
    assert shown["state"] == "partial"
    logs = "".join(sim.run("logs", f"sim/1/worker/{day},0").out for day in ("2024-07-01", "2024-07-03"))
    assert f"{cut} cannot be read" in logs
    assert "Market.Trade has no data of 2024-07-03" in logs
    assert cut.exists()
    assert len(list((sim.folder / "output" / "Sim" / "Times").rglob("part-*.parquet"))) == 2


def test_killed_in_the_middle_and_run_again_it_comes_to_the_same(sim: Desk, tmp_path: Path) -> None:
    once = "import os, pathlib\nif not pathlib.Path('killed').exists():\n    pathlib.Path('killed').touch()\n"
    killing = SCRIPT.replace(
        "times = [now for now, _ in tape]",
        "times = []\nfor now, _ in tape:\n    times.append(now)\n    if len(times) == 50:\n"
        + "".join(f"        {line}\n" for line in once.splitlines())
        + "            os.kill(os.getpid(), 9)",
    )
    sim.write("worker.py", killing)
    sim.write("sim.yaml", PIPELINE + "    retry: {attempts: 2, delay: 0s}\n")
    words = ("--set", "steps.worker.replay.speed=max", "--dates", "2024-07-02", "--set", "concurrency=1")
    done = sim.run("run", "sim.yaml", *words)
    assert done.code == 0, done.out + done.err
    files = sorted((sim.folder / "output").rglob("part-*.parquet"))
    assert len(files) == 2
    assert files[0].read_bytes() == files[1].read_bytes()
    assert [path for path in (sim.folder / "output").rglob(".*") if path.is_file()] == []
