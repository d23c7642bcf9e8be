"""The tape delivers every row once, in order, and never before its time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell import replay
from openbell.errors import DataError
from openbell.replay import Tape
from tests.replay.days import (
    DAY,
    NINE,
    SECOND,
    delivered,
    expected,
    ids,
    nanos,
    same,
    store,
    table,
    tape,
    ticks,
)

Q, T = "Market.Quote", "Market.Trade"


@pytest.fixture
def market(tmp_path: Path) -> dict[str, pa.Table]:
    rows = {Q: ticks(1, 3000), T: ticks(2, 700)}
    store(tmp_path, Q, rows[Q], group=64, cuts=(1000, 1001, 2500))
    store(tmp_path, T, rows[T], group=50)
    return rows


# ── replay equals batch ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("interval", ["10ms", "1s", "60s", "1h"])
@pytest.mark.parametrize("buffer_rows", [1, 7, 16384])
def test_what_is_delivered_is_the_sorted_source(
    tmp_path: Path, market: dict[str, pa.Table], interval: str, buffer_rows: int
) -> None:
    found, times = delivered(tape(tmp_path, Q, T, interval=interval, buffer_rows=buffer_rows))
    for name, rows in market.items():
        assert same(found[name], expected(rows)), name
    assert times == sorted(set(times))


@pytest.mark.parametrize("group", [1, 13, 64, 5000])
def test_row_groups_do_not_matter(tmp_path: Path, group: int) -> None:
    rows = ticks(3, 500)
    store(tmp_path, T, rows, group=group)
    found, _ = delivered(tape(tmp_path, T, buffer_rows=5))
    assert same(found[T], rows)


def test_symbols_are_filtered_and_columns_chosen(tmp_path: Path, market: dict[str, pa.Table]) -> None:
    wanted = {"IBM", "GOOG", "NONE"}
    found, _ = delivered(tape(tmp_path, Q, T, where=wanted))
    for name, rows in market.items():
        assert same(found[name], expected(rows, sorted(wanted)))
    found, _ = delivered(
        tape(tmp_path, Q, T, where={Q: {"Sym": "IBM", "Id": range(500)}}, columns={T: ["Id", "Sym"]})
    )
    oracle = pl.DataFrame(market[Q]).filter(pl.col("Sym") == "IBM", pl.col("Id") < 500)["Id"].to_list()
    assert found[Q]["Id"].to_pylist() == oracle
    assert same(found[T], expected(market[T]).select(["Id", "Sym"]))


def test_none_is_lost_and_none_comes_twice(tmp_path: Path, market: dict[str, pa.Table]) -> None:
    counted: Counter[tuple[Any, ...]] = Counter()
    for _, batch in tape(tmp_path, Q, T):
        for name in (Q, T):
            counted.update((name, *row) for row in batch[name].rows())
    assert set(counted.values()) == {1}
    assert len(counted) == sum(rows.num_rows for rows in market.values())


@settings(max_examples=60)
@given(data=st.data())
def test_any_day_in_any_layout(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("day")
    draw = random.Random(data.draw(st.integers(0, 10**6)))
    steps = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, SECOND // 2, SECOND, 90 * SECOND]), max_size=60))
    at = NINE + data.draw(st.integers(-SECOND, SECOND))
    times = [at := at + step for step in steps]
    rows = table(times)
    cuts = sorted(draw.randint(0, len(times)) for _ in range(data.draw(st.integers(0, 3))))
    store(root, T, rows, group=data.draw(st.integers(1, 20)), cuts=cuts)
    buffer_rows, interval = (
        data.draw(st.sampled_from([1, 3, 100])),
        data.draw(st.sampled_from(["1s", "7s", "1ms"])),
    )
    found = tape(root, T, buffer_rows=buffer_rows, interval=interval)
    got = []
    for now, batch in found:
        part = batch[T]["Timestamp"].view(np.int64)
        assert len(part) > 0
        assert (part < now).all()
        assert (now - found.start) % found.interval == 0
        assert (part >= now - found.interval).all() or now == found.start + found.interval
        got += batch[T]["Id"].tolist()
    assert got == list(range(len(times)))


def test_columns_of_every_kind_come_as_they_are_stored(tmp_path: Path) -> None:
    """As Polars writes them, with and without nulls."""
    day = pl.DataFrame(
        {
            "Timestamp": pl.Series([NINE, NINE + 1, NINE + SECOND]).cast(pl.Datetime("ns", "UTC")),
            "Sym": ["a", None, "b"],
            "Kind": pl.Series(["x", "y", None], dtype=pl.Enum(["x", "y"])),
            "Group": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "Flag": [True, None, False],
            "Day": pl.Series([None, "2024-07-02", "2024-07-03"]).str.to_date(),
            "Count": pl.Series([1, None, 3], dtype=pl.Int16),
            "Level": pl.Series([1, 2, 3], dtype=pl.UInt8),
            "Prices": [[1.0], [], None],
        }
    )
    folder = tmp_path / "Market" / "Trade" / f"Date={DAY}"
    folder.mkdir(parents=True)
    day.write_parquet(folder / "x.parquet")
    slices = [batch[T] for _, batch in tape(tmp_path, T)]
    assert [len(some) for some in slices] == [2, 1]
    assert pl.concat([some.polars() for some in slices]).equals(day)
    rows = [row for some in slices for row in some.rows()]
    assert [row[0] for row in rows] == [NINE, NINE + 1, NINE + SECOND]
    assert [row[5] for row in rows] == day["Day"].to_list()
    assert [row[7] for row in rows] == [1, 2, 3]


# ── order ───────────────────────────────────────────────────────────────────────────────────────


def test_the_total_order_of_events(tmp_path: Path, market: dict[str, pa.Table]) -> None:
    """Time, then the declared order of the tables, then the row."""
    keyed = {
        n: [(t, n, i) for i, t in enumerate(nanos(rows))] for n, rows in enumerate((market[Q], market[T]))
    }
    for names in ((Q, T), (T, Q)):
        found: list[tuple[int, str, int]] = []
        tape(tmp_path, *names).run(on_event=lambda t, name, row, into=found: into.append((t, name, row[3])))  # type: ignore[misc]
        swap = {Q: names.index(Q), T: names.index(T)}
        oracle = sorted([(t, swap[Q], i) for t, _, i in keyed[0]] + [(t, swap[T], i) for t, _, i in keyed[1]])
        assert [(t, swap[name], i) for t, name, i in found] == oracle


def test_files_that_overlap_in_time_are_merged(tmp_path: Path) -> None:
    rows = ticks(5, 400)
    folder = tmp_path / "Market/Trade" / f"Date={DAY}"
    for symbol in ("IBM", "AAPL", "MSFT", "GOOG"):
        some = rows.filter(pa.compute.equal(rows["Sym"], symbol)).drop_columns(["Sym"])
        (folder / f"Sym={symbol}").mkdir(parents=True)
        pa.parquet.write_table(some, folder / f"Sym={symbol}" / "x.parquet", row_group_size=17)
    found, _ = delivered(tape(tmp_path, T, buffer_rows=3))
    got = pl.DataFrame(found[T])
    oracle = pl.DataFrame(rows).with_columns(pl.col("Sym").cast(pl.Enum(["AAPL", "GOOG", "IBM", "MSFT"])))
    oracle = oracle.sort("Timestamp", "Sym", maintain_order=True).cast({"Sym": pl.String})
    assert got.select("Timestamp", "Sym", "Id").equals(oracle.select("Timestamp", "Sym", "Id"))
    some_ids = ids(tape(tmp_path, T, where=["IBM"]), T)
    assert some_ids == [
        i
        for i, symbol in zip(rows["Id"].to_pylist(), rows["Sym"].to_pylist(), strict=True)
        if symbol == "IBM"
    ]


def test_equal_rows_across_files_and_row_groups_keep_the_order_of_files(tmp_path: Path) -> None:
    rows = table([NINE + SECOND] * 30)
    store(tmp_path, T, rows, group=4, cuts=(9, 10, 20))
    assert ids(tape(tmp_path, T, buffer_rows=2), T) == list(range(30))


def test_a_run_of_ties_longer_than_the_buffer_comes_whole(tmp_path: Path) -> None:
    rows = table([NINE] * 3 + [NINE + SECOND] * 200 + [NINE + SECOND + 1])
    store(tmp_path, T, rows, group=16)
    found = list(tape(tmp_path, T, buffer_rows=7))
    assert [now - NINE for now, _ in found] == [SECOND, 2 * SECOND]
    assert [len(batch[T]) for _, batch in found] == [3, 201]


# ── the cut of a cycle ──────────────────────────────────────────────────────────────────────────


def test_a_row_exactly_on_the_cut_belongs_to_the_next_cycle(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE, NINE + SECOND - 1, NINE + SECOND, NINE + SECOND + 1, NINE + 5 * SECOND]))
    found = [(now - NINE, batch[T]["Id"].tolist()) for now, batch in tape(tmp_path, T)]
    assert found == [(SECOND, [0, 1]), (2 * SECOND, [2, 3]), (6 * SECOND, [4])]


def test_empty_cycles_are_there_for_who_asks(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE, NINE + 3 * SECOND]))
    found = [((now - NINE) // SECOND, batch.rows) for now, batch in tape(tmp_path, T, empty=True)]
    assert found == [(1, 1), (2, 0), (3, 0), (4, 1)]
    found = [
        ((now - NINE) // SECOND, batch.rows) for now, batch in tape(tmp_path, T, empty=True, end="09:00:06")
    ]
    assert found == [(1, 1), (2, 0), (3, 0), (4, 1), (5, 0), (6, 0)]


def test_an_empty_partition_delivers_nothing(tmp_path: Path) -> None:
    store(tmp_path, T, table([]))
    store(tmp_path, Q, table([NINE]))
    assert list(tape(tmp_path, T)) == []
    assert [len(batch[T]) for _, batch in tape(tmp_path, Q, T)] == [0]
    assert [len(batch[T]["Id"]) for _, batch in tape(tmp_path, Q, T)] == [0]


def test_a_start_in_the_middle(tmp_path: Path) -> None:
    """What lies before it comes with the first cycle; `skip_earlier` leaves it out."""
    store(tmp_path, T, table([NINE + n * SECOND for n in range(10)]), group=3)
    middle = "09:00:05"
    found = [
        ((now - NINE) // SECOND, batch[T]["Id"].tolist()) for now, batch in tape(tmp_path, T, start=middle)
    ]
    assert found == [(6, [0, 1, 2, 3, 4, 5]), (7, [6]), (8, [7]), (9, [8]), (10, [9])]
    assert ids(tape(tmp_path, T, start=middle, skip_earlier=True), T) == [5, 6, 7, 8, 9]


def test_a_start_after_the_last_row(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE, NINE + SECOND]))
    late = [(now, batch[T]["Id"].tolist()) for now, batch in tape(tmp_path, T, start="10:00:00")]
    assert late == [(NINE + 3601 * SECOND, [0, 1])]
    assert list(tape(tmp_path, T, start="10:00:00", skip_earlier=True)) == []


def test_an_end(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE + n * SECOND // 2 for n in range(20)]), group=3)
    assert ids(tape(tmp_path, T, end=NINE + 3 * SECOND), T) == list(range(6))
    assert ids(tape(tmp_path, T, end=NINE + 3 * SECOND + 1), T) == list(range(7))
    assert ids(tape(tmp_path, T, end="08:00:00"), T) == []


def test_a_start_is_a_time_of_the_zone(tmp_path: Path) -> None:
    found = tape(tmp_path, T, start="09:30:00", tz="America/New_York")
    assert found.start == NINE + (4 * 3600 + 1800) * SECOND


def test_rows_of_another_precision_and_zone(tmp_path: Path) -> None:
    for unit in ("s", "ms", "us", "ns"):
        times = pa.array([NINE // 10**9, NINE // 10**9 + 1], pa.int64()).cast(pa.timestamp("s"))
        rows = pa.table({"Timestamp": times.cast(pa.timestamp(unit, "Asia/Tokyo")), "Id": [0, 1]})
        store(tmp_path, f"Market.{unit}", rows)
        found, at = delivered(tape(tmp_path, f"Market.{unit}"))
        assert at == [NINE + SECOND, NINE + 2 * SECOND]
        assert found[f"Market.{unit}"]["Timestamp"].to_pylist() == rows["Timestamp"].to_pylist()


# ── no look-ahead ───────────────────────────────────────────────────────────────────────────────


def test_the_canary(tmp_path: Path) -> None:
    """Poison everything from an instant on: what a strategy has seen and done before stays the same."""
    clean = ticks(7, 2000)
    at = NINE + 300 * SECOND
    spoiled = pl.DataFrame(clean).with_columns(
        pl.when(pl.col("Timestamp").dt.epoch("ns") >= at)
        .then(float("nan"))
        .otherwise(pl.col("Price"))
        .alias("Price"),
        pl.when(pl.col("Timestamp").dt.epoch("ns") >= at)
        .then(pl.lit("POISON"))
        .otherwise(pl.col("Sym"))
        .alias("Sym"),
    )
    spoiled = spoiled.sample(fraction=1, shuffle=True, seed=1).sort("Timestamp")
    store(tmp_path / "a", T, clean, group=100)
    keep = pl.DataFrame(clean).filter(pl.col("Timestamp").dt.epoch("ns") < at)
    after = spoiled.filter(pl.col("Timestamp").dt.epoch("ns") >= at)
    store(tmp_path / "b", T, pl.concat([keep, after]).to_arrow().cast(clean.schema), group=71)

    def outputs(root: Path, **settings: Any) -> list[Any]:
        mean, found = 0.0, []
        for now, batch in tape(root, T, **settings):
            if now > at:
                break
            for price, symbol in zip(batch[T]["Price"], batch[T]["Sym"], strict=True):
                mean = 0.9 * mean + 0.1 * price
                found.append((replay.now(), symbol, mean))
        return found

    for interval in ("10ms", "1s", "60s"):
        one, other = (outputs(tmp_path / part, interval=interval) for part in "ab")
        assert one == other
        assert len(one) > 500


def test_bars_that_bear_the_time_of_their_start_wait_for_their_end(tmp_path: Path) -> None:
    bars = table([NINE + n * 60 * SECOND for n in range(4)])
    quotes = table([NINE + n * 20 * SECOND for n in range(12)])
    store(tmp_path, "Market.Bar", bars)
    store(tmp_path, Q, quotes)
    found = []
    settings_ = {"interval": "1m", "available_after": {"Market.Bar": "1m"}}
    tape(tmp_path, Q, "Market.Bar", **settings_).run(
        on_event=lambda now, name, row: found.append((now - NINE, name, row[3]))
    )
    first = next(n for n, (_, name, _) in enumerate(found) if name == "Market.Bar")
    assert found[first] == (60 * SECOND, "Market.Bar", 0)
    assert found[first - 1] == (60 * SECOND, Q, 3)
    for now, batch in tape(tmp_path, Q, "Market.Bar", **settings_):
        starts = batch["Market.Bar"]["Timestamp"].view(np.int64)
        assert (starts + 60 * SECOND < now).all()
        assert (batch["Market.Bar"].times == starts + 60 * SECOND).all()


def test_nothing_public_leads_beyond_the_cursor(tmp_path: Path) -> None:
    store(tmp_path, T, ticks(1, 100))
    _, batch = next(iter(tape(tmp_path, T)))
    shown = {name for name in dir(batch) if not name.startswith("_")}
    assert shown == {"get", "items", "keys", "rows", "values"}
    shown = {name for name in dir(batch[T]) if not name.startswith("_")}
    assert shown == {"arrow", "columns", "numpy", "polars", "rows", "times"}
    with pytest.raises(ValueError, match="read-only"):
        batch[T]["Price"][0] = 1.0


# ── the same, whatever happens around ───────────────────────────────────────────────────────────

_PRINTED = """
import sys
from tests.replay.days import tape
from pathlib import Path
found = tape(Path(sys.argv[1]), "Market.Quote", "Market.Trade", where={"IBM", "GOOG", "AAPL"})
import hashlib
digest = hashlib.sha256()
found.run(on_event=lambda *event: digest.update(repr(event).encode()))
print(digest.hexdigest(), found.rows)
"""


def test_the_hash_seed_does_not_matter(tmp_path: Path, market: dict[str, pa.Table]) -> None:
    told = set()
    for seed in ("0", "77"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _PRINTED, str(tmp_path)]
        told.add(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(told) == 1


# ── callbacks ───────────────────────────────────────────────────────────────────────────────────


def test_events_batches_and_timers_in_their_order(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE + 1, NINE + SECOND, NINE + 3 * SECOND, NINE + 3 * SECOND + 5]))
    told: list[Any] = []
    tape(tmp_path, T).run(
        on_batch=lambda now, batch: told.append(("batch", (now - NINE) // SECOND, batch.rows)),
        on_event=lambda now, name, row: told.append(("event", row[3])),
        on_timer=lambda now: told.append(("timer", (now - NINE) // SECOND)),
        every="2s",
    )
    assert told == [
        ("event", 0),
        ("batch", 1, 1),
        ("event", 1),
        ("batch", 2, 1),
        ("timer", 2),
        ("event", 2),
        ("event", 3),
        ("batch", 4, 2),
        ("timer", 4),
    ]


def test_timers_come_without_rows_up_to_the_end(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE + 1, NINE + 130 * SECOND]))
    told: list[int] = []
    tape(tmp_path, T, end="09:04:30").run(on_timer=lambda now: told.append((now - NINE) // SECOND))
    assert told == [60, 120, 180, 240]
    with pytest.raises(ValueError, match="multiple of the interval"):
        tape(tmp_path, T).run(on_timer=print, every="1500ms")


def test_a_callback_can_end_the_replay(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE + n for n in range(10)]))
    found, told = tape(tmp_path, T), list[int]()

    def on_event(now: int, name: str, row: tuple[Any, ...]) -> None:
        told.append(row[3])
        if row[3] == 4:
            found.stop()

    found.run(on_event=on_event)
    assert told == [0, 1, 2, 3, 4]


# ── the clock ───────────────────────────────────────────────────────────────────────────────────


def test_the_clock_is_the_tapes_within_it_and_the_walls_outside(tmp_path: Path) -> None:
    import time
    from datetime import date, datetime

    store(tmp_path, T, table([NINE, NINE + SECOND + 7]))
    before = time.time_ns()
    assert before <= replay.now() <= time.time_ns()
    assert abs(replay.today() - datetime.now().astimezone().date()).days <= 1
    for now, _ in tape(tmp_path, T, tz="UTC"):
        assert replay.now() == now
        assert replay.today() == date(2024, 7, 2)
        assert (
            replay.instant().isoformat()
            == ["2024-07-02T09:00:01+00:00", "2024-07-02T09:00:02+00:00"][now > NINE + SECOND]
        )
    assert replay.now() >= before
    seen: list[int] = []
    tape(tmp_path, T).run(on_event=lambda now, name, row: seen.append(replay.now()))
    assert seen == [NINE, NINE + SECOND + 7]


def test_the_clock_of_a_task_is_set_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE, NINE + SECOND]))
    code = (
        "from openbell import replay, worker\n"
        "print(replay.instant(), replay.today())\n"
        "for now, _ in worker.context().replay('Market.Trade'): pass\n"
        "print(replay.instant(), replay.today(), now == replay.now())\n"
    )
    env = {
        **os.environ,
        "SIMULATION_DATE": DAY,
        "OPENBELL_DATA": f'{{"Market": "{tmp_path}/Market"}}',
        "OPENBELL_MODE": '{"kind": "replay", "speed": "max", "start": "05:00:00", "tz": "America/New_York"}',
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "2024-07-02 05:00:00-04:00 2024-07-02",
        "2024-07-02 05:00:02-04:00 2024-07-02 True",
    ]
    env["OPENBELL_MODE"] = '{"kind": "batch", "tz": "America/New_York"}'
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "2024-07-02 00:00:00-04:00 2024-07-02"


# ── settings that cannot be ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        ({"speed": 0.5}, "1 or more"),
        ({"speed": "fast"}, "1 or more"),
        ({"interval": "5 parsecs"}, "no duration"),
        ({"interval": 0}, "longer than nothing"),
        ({"buffer_rows": 0}, "1 or more"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings_: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tape(tmp_path, T, **settings_)


def test_a_table_that_is_not_on_the_tape(tmp_path: Path) -> None:
    store(tmp_path, T, table([NINE]))
    _, batch = next(iter(tape(tmp_path, T)))
    with pytest.raises(DataError, match=r"'Market.Quote' is not on this tape \(it has Market.Trade\)"):
        batch[Q]
    with pytest.raises(
        DataError, match=r"there is no column 'Prize' \(there are Timestamp, Sym, Price, Id\)"
    ):
        batch[T]["Prize"]
    with pytest.raises(ValueError, match="none of them twice"):
        Tape([T, T], DAY)
