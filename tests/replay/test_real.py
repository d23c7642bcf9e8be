"""Real ticks, where they are: crossed quotes, tied timestamps, short Sundays. See the README beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from openbell.replay import Folders, Tape, frame

SHARED = Path(__file__).parents[3] / "shared" / "data"
if not SHARED.exists():
    SHARED = Path(__file__).parents[4] / "shared" / "data"

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="there are no real ticks in ../shared/data")

DATA = {name: str(SHARED / name) for name in ("Fxcm", "Oanda", "OandaCfd")}
DAYS = ("2014-05-01", "2014-05-04", "2014-05-07")


@pytest.mark.parametrize(("day", "interval"), [*((day, "60s") for day in DAYS), ("2014-05-04", "1s")])
def test_three_feeds_replayed_are_three_feeds_read(day: str, interval: str) -> None:
    names = [f"{name}.Quote" for name in DATA]
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in names}
    last = 0
    for now, batch in Tape(names, day, start="00:00:00", interval=interval, data=DATA):
        assert now > last
        last = now
        for name in names:
            if found := batch[name]:
                assert int(found.times[-1]) < now
                parts[name].append(found.polars())
    for name in names:
        source = frame(name, day, Folders(DATA)).collect()
        assert pl.concat(parts[name]).equals(source)


def test_events_of_tied_and_crossed_quotes_keep_the_order_of_the_file() -> None:
    seen = []
    tape = Tape(["Oanda.Quote", "Fxcm.Quote"], "2014-05-04", start="00:00:00", data=DATA, columns={})
    tape.run(on_event=lambda now, name, row: seen.append((now, name, row[2:])))
    oracle = pl.concat(
        frame(f"{name}.Quote", "2014-05-04", Folders(DATA)).with_columns(
            table=pl.lit(n), row=pl.int_range(pl.len())
        )
        for n, name in enumerate(("Oanda", "Fxcm"))
    ).sort("Timestamp", "table", "row")
    rows = oracle.select(pl.col("Timestamp").dt.epoch("ns"), "table", "Bid", "Ask").collect().rows()
    names = ("Oanda.Quote", "Fxcm.Quote")
    assert seen == [(at, names[n], (bid, ask)) for at, n, bid, ask in rows]


def test_bars_do_not_tell_the_future() -> None:
    """A bar of a minute, replayed beside the ticks that it was made of, comes after all of them."""
    tape = Tape(
        ["OandaCfd.Quote", "OandaCfd.MinuteBar"],
        "2014-05-07",
        start="00:00:00",
        interval="10s",
        where=["XAUUSD"],
        available_after={"OandaCfd.MinuteBar": "1m"},
        data=DATA,
    )
    bids: dict[int, list[float]] = {}
    bars = 0
    for now, batch in tape:
        quotes, found = batch["OandaCfd.Quote"], batch["OandaCfd.MinuteBar"]
        for at, bid in zip(quotes.times.tolist(), quotes["Bid"].tolist(), strict=True):
            bids.setdefault(at // 60_000_000_000, []).append(bid)
        for at, high, close in zip(found.times.tolist(), found["BidHigh"], found["BidClose"], strict=True):
            assert at < now
            inside = bids[at // 60_000_000_000 - 1]
            assert (max(inside), inside[-1]) == (high, close)
            bars += 1
    assert bars == 1385


_TEN = r"""
import re, sys
from openbell.replay import Tape
tape = Tape(["Big.Quote"], "2014-05-08", start="00:00:00", data={"Big": sys.argv[1]})
for now, batch in tape:
    batch["Big.Quote"]["Bid"]
peak = re.search(r"VmHWM:\s*(\d+) kB", open("/proc/self/status").read())  # maxrss counts the parent's as well
print(tape.rows, int(peak[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_day(tmp_path: Path) -> None:
    """Ten times the rows: still below what the budget gives to any day."""
    day = frame("Fxcm.Quote", "2014-05-08", Folders(DATA)).collect()
    told = []
    for times in (1, 10):
        folder = tmp_path / str(times) / "Quote" / "Date=2014-05-08"
        folder.mkdir(parents=True)
        many = pl.concat([day.with_columns(Copy=pl.lit(n)) for n in range(times)])
        many.sort("Timestamp", maintain_order=True).write_parquet(
            folder / "x.parquet", row_group_size=100_000
        )
        command = [sys.executable, "-c", _TEN, str(tmp_path / str(times))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told.append([int(word) for word in done.stdout.split()])
    (rows, small), (tenfold, large) = told
    assert tenfold == 10 * rows
    assert small < 250
    assert large < 250
