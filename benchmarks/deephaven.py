"""The runtime deephaven-core: rows a second of a replay at `max`, and the first result of a warm host.

A seeded day of a million trades of 500 symbols goes through where, last_by and agg_by, with and without a
Python listener that reads the prices of every update, and comes to what the batch of the same day does. By
the wall clock; the processor's time of all threads of the process stands beside, because machines are shared.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.replay import DAY, TRADES
from benchmarks.replay import generate as generate_day
from openbell.errors import ExecutorUnavailable
from openbell.executors.embedded import Embedded

_SOURCE = Path(__file__).parents[1] / "src"

_ROUNDS = 2

_WORK = """
import json, os, time
from deephaven import agg
from deephaven.table_listener import listen

replayed = "replay" in os.environ["OPENBELL_MODE"]
trades = db.live_table("Market", "Trade")
large = trades.where("Size > 100")
last = large.last_by("Sym")
stats = large.agg_by([agg.count_("N"), agg.sum_("Size"), agg.avg("Price"), agg.max_("High = Price")], "Sym")
seen = [0, 0.0]

def watch(update, is_replay):
    prices = update.added("Price").get("Price")
    if prices is not None:
        seen[0] += len(prices)
        seen[1] += prices[-1]

if os.environ["LISTEN"]:
    handle = listen(trades, watch)
wall, processor = time.perf_counter(), time.process_time()
while replayed and trades.size < 1_000_000:
    time.sleep(1)
both = stats.natural_join(last.view(["Sym", "Timestamp", "Last = Price"]), "Sym").sort("Sym")
took = time.perf_counter() - wall, time.process_time() - processor
db.add_partitioned_table_schema("Out", "Stats", "Key", both)
db.add_table_partition("Out", "Stats", os.environ["KEY"], both)
print(json.dumps({"rows": trades.size, "seen": seen[0], "wall": took[0], "processor": took[1]}), flush=True)
"""

_FIRST = """
from deephaven import empty_table
print(empty_table(10).update("X = i * 2").where("X > 4").size, flush=True)
"""


class Host:
    """A warm host, and its scripts."""

    def __init__(self, python: str, folder: Path) -> None:
        ours, theirs = socket.socketpair()
        self.folder = folder
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [python, "-m", "openbell.runtimes.deephaven_core.serve", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_SOURCE), "OPENBELL_HEAP_GB": "2"},
            stdout=subprocess.PIPE,
            cwd=folder,
        )
        theirs.close()
        self.line = ours.makefile("rwb")
        ours.close()

    def play(self, text: str, **env: str) -> tuple[str, float]:
        """The first line that a script prints, and the seconds from the request to it."""
        script = self.folder / "script.py"
        script.write_text(text)
        folders = {"OPENBELL_DATA": json.dumps({"Market": str(self.folder)})}
        folders["OPENBELL_OUTPUT"] = str(self.folder / "output")
        began = time.perf_counter()
        said = {"call": str(script), "env": {**folders, "SIMULATION_DATE": DAY, **env}, "mark": ""}
        self.line.write(json.dumps(said).encode() + b"\n")
        self.line.flush()
        assert self.process.stdout is not None
        printed = self.process.stdout.readline().decode()
        took = time.perf_counter() - began
        end = json.loads(self.line.readline())
        assert end["code"] == 0, end
        return printed, took

    def close(self) -> None:
        self.line.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def measure() -> Iterator[Figure]:
    try:
        python = Embedded(Path.cwd()).interpreter(None)
    except ExecutorUnavailable as error:
        yield Figure("deephaven-core", float("nan"), "", beside=str(error))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate_day(folder)
        host = Host(python, folder)
        try:
            yield from _first(host)
            yield from _replays(host)
        finally:
            host.close()


def _first(host: Host) -> Iterator[Figure]:
    host.play(_FIRST, OPENBELL_MODE='{"kind": "batch"}')
    cold = time.perf_counter() - host.began
    warm = [host.play(_FIRST, OPENBELL_MODE='{"kind": "batch"}')[1] for _ in range(5)]
    yield Figure("first result of a cold host", cold, "s")
    yield Figure(
        "first result of a warm host", min(warm), "s", 0.3, beside=f"the slowest of five: {max(warm):.2f} s"
    )


def _replays(host: Host) -> Iterator[Figure]:
    _played(host, "batch", "batch", listen="")
    for name, interval, listen, least in (
        ("1s", 1, "yes", 50_000),
        ("1s, no listener", 1, "", None),
        ("10s", 10, "yes", None),
        ("60s", 60, "yes", 300_000),
    ):
        rounds = []
        for number in range(_ROUNDS):
            key, settings = f"{name} {number}", {"interval": interval, "speed": "max", "sleep_factor": 3600}
            told = _played(host, key, "replay", listen=listen, **settings)
            assert told["rows"] == TRADES
            assert told["seen"] == (TRADES if listen else 0)
            _compare(host.folder, key)
            rounds.append(told)
        rate = TRADES / min(told["wall"] for told in rounds)
        spent = TRADES / min(told["processor"] for told in rounds)
        first = TRADES / rounds[0]["wall"]
        beside = f"{spent:,.0f} by the processor time of all threads; the first round {first:,.0f}"
        yield Figure(f"replay at max, steps of {name}", rate, "rows/s", least, "more", beside)


def _played(host: Host, name: str, kind: str, *, listen: str, **settings: Any) -> dict[str, Any]:
    mode = {"kind": kind, "tz": "America/New_York", **settings}
    output = str(host.folder / "results" / name)
    env = {"OPENBELL_MODE": json.dumps(mode), "LISTEN": listen, "KEY": name, "OPENBELL_OUTPUT": output}
    told: dict[str, Any] = json.loads(host.play(_WORK, **env)[0])
    return told


def _compare(folder: Path, name: str) -> None:
    """The results are those of the batch: counts and last rows exactly, float sums to 1e-12."""
    import numpy as np
    import pyarrow.parquet as pq

    found, wanted = (
        pq.read_table(next((folder / "results" / one).rglob("*.parquet"))) for one in (name, "batch")
    )
    for column in wanted.column_names:
        ours, theirs = found[column].to_numpy(), wanted[column].to_numpy()
        if column == "Price":
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        else:
            np.testing.assert_array_equal(ours, theirs)
