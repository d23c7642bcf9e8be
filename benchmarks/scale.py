"""A million tasks, an engine at rest, and a restart after kill -9 with a hundred thousand tasks."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.figures import Figure, process_status
from openbell.clock import SystemClock
from openbell.core.events import Exit, Exited, Started
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import AttemptKey, Command, Pipeline, Step
from openbell.core.requests import Submit
from openbell.core.state import Capacity
from openbell.core.states import StopReason, TaskState
from openbell.doorbell import Doorbell
from openbell.engine.engine import Engine
from openbell.executors.process.executor import ProcessExecutor
from openbell.executors.protocol import Brief, Orphan, Report
from openbell.store.sql import SqlStore

MILLION = (Axis("date", tuple(f"d{n}" for n in range(2500)), "date"), Axis("seed", tuple(range(400))))
FINISHED = 20_000  # of the million, to see what one costs


class Instant:
    """An executor whose attempts succeed at once."""

    capacity = Capacity(50)

    def __init__(self) -> None:
        self._report: Report | None = None
        self._clock = SystemClock()
        self.ended = 0

    def open(self, report: Report) -> None:
        self._report = report

    def start(self, brief: Brief) -> None:
        assert self._report is not None
        now, key = self._clock.now(), brief.key
        self._report(Started(now, key.task, key.attempt, "1"))
        self._report(Exited(now, key.task, key.attempt, Exit(0, elapsed=0.001)))
        self.ended += 1

    def stop(self, key: AttemptKey, reason: StopReason, grace: timedelta) -> None: ...

    def adopt(self, orphans: Sequence[Orphan]) -> None: ...

    def settle(self, key: AttemptKey) -> None: ...

    def close(self) -> None: ...


def measure() -> Iterator[Figure]:
    yield from _in_a_process("million")
    yield from _in_a_process("idle")
    yield from _in_a_process("restart")


def _in_a_process(name: str) -> Iterator[Figure]:
    """Memory is measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", name], capture_output=True, text=True, check=True
    )
    for line in done.stdout.splitlines():
        yield Figure(*json.loads(line))


def _tell(*figure: object) -> None:
    print(json.dumps(figure), flush=True)


def million() -> None:
    """Submit a million tasks, then let some of them run through the whole engine and store."""
    with tempfile.TemporaryDirectory() as folder:
        store, clock, executor = SqlStore(f"sqlite:///{folder}/b.db"), SystemClock(), Instant()
        pipeline = Pipeline("b", (Step("w", Command(("x",)), matrix=Matrix(MILLION), executor="instant"),))
        engine = Engine(store, {"instant": executor}, clock)
        engine.lead("benchmark")
        began = time.perf_counter()
        store.ask("1", Submit(pipeline, "digest"), clock.now())
        engine.inbox.ring()
        engine.turn()
        submitted = time.perf_counter() - began
        began = time.perf_counter()
        while executor.ended < FINISHED:
            engine.turn()
        per_task = (time.perf_counter() - began) / FINISHED * 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        store.close()
    _tell("submit of 1,000,000 tasks, to the first started", submitted, "s", 20)
    _tell("resident memory with 1,000,000 tasks", peak, "MB", 500)
    _tell("engine and store per task, durable (3 events)", per_task, "us", 300, "less", "100 us per event")


def idle() -> None:
    """A leading run whose only task sleeps."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "b.yaml").write_text("name: b\nsteps:\n  w: {run: [sleep, '90']}\n")
        command = [sys.executable, "-m", "openbell", "run", "b.yaml"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(3)
        before = process_status(process.pid)
        time.sleep(60)
        after = process_status(process.pid)
        process.kill()
        process.wait()
        for claim in Path(folder).glob(".openbell/attempts/*/*/claim"):
            os.kill(json.loads(claim.read_text().partition("\n")[0])["shim"], signal.SIGKILL)
    wakes = after["voluntary_ctxt_switches"] - before["voluntary_ctxt_switches"]
    _tell("resident memory of an idle engine", after["VmRSS"] / 1024, "MB", 60)
    _tell("wake-ups of an idle engine in 60 s", wakes, "", 1)


def restart() -> None:
    """kill -9 with 50 live attempts of 100,000 tasks; the time until the next engine knows all of them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "openbell.yaml").write_text("executors: {process: {slots: 50}}\n")
        (place / "b.yaml").write_text("name: b\nsteps:\n  w: {run: [sleep, '45'], matrix: {i: 100000}}\n")
        command = [sys.executable, "-m", "openbell", "run", "b.yaml"]
        process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        claims = place / ".openbell" / "attempts"
        while len(list(claims.glob("*/*/claim"))) < 50 or time.sleep(1):  # type: ignore[func-returns-value]
            time.sleep(0.05)
        process.kill()
        process.wait()
        _finish_the_others(place)
        took = asyncio.run(_recover(place / ".openbell"))
        for claim in claims.glob("*/*/claim"):
            os.kill(json.loads(claim.read_text().partition("\n")[0])["shim"], signal.SIGKILL)
    _tell("restart after kill -9: 100,000 tasks, 50 live, all adopted", took, "s", 1)


def _finish_the_others(place: Path) -> None:
    """Rows of tasks that have ended, as the engine would have written them."""
    engine = sa.create_engine(f"sqlite:///{place}/.openbell/openbell.db")
    when = "2026-01-01T00:00:00.000000+00:00"
    with engine.begin() as connection:
        live = set(connection.execute(sa.text("SELECT cell FROM tasks")).scalars())
        cells = [{"cell": cell, "at": when} for cell in range(100_000) if cell not in live]
        connection.execute(
            sa.text(
                "INSERT INTO tasks (run, step, cell, state, tries, base, finished_at) "
                f"VALUES ('b/1', 'w', :cell, {int(TaskState.SUCCEEDED)}, 1, 0, :at)"
            ),
            cells,
        )
        connection.execute(
            sa.text(
                "INSERT INTO attempts "
                "(run, step, cell, attempt, decided_at, started_at, ended_at, elapsed, error) "
                "VALUES ('b/1', 'w', :cell, 1, :at, :at, :at, 0.5, '')"
            ),
            cells,
        )
    engine.dispose()


async def _recover(folder: Path) -> float:
    """Seconds from the first touch of the store until every live attempt is followed."""
    began = time.perf_counter()
    store, bell = SqlStore(f"sqlite:///{folder}/openbell.db"), Doorbell(folder / "engine.sock")
    bell.open()
    executor = ProcessExecutor(folder, bell, SystemClock(), slots=50)
    engine = Engine(store, {"process": executor}, SystemClock())
    engine.lead("benchmark")
    engine.turn()
    followed = sum(attempt.watch is not None for attempt in executor._attempts.values())
    took = time.perf_counter() - began
    assert followed == 50, followed
    assert engine.state.runs["b/1"].count(TaskState.SUCCEEDED) == 99_950
    executor.close()
    bell.close()
    store.close()
    return took


if __name__ == "__main__":
    {"million": million, "idle": idle, "restart": restart}[sys.argv[1]]()
