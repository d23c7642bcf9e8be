"""A replay on the embedded engine: what arrives when, what ends it, and that two runs are the same."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.runtimes.conftest import OPEN, put, trades
from tests.runtimes.engine import Host, mode

pytestmark = pytest.mark.slow

_WATCH = """
    import time
    from deephaven.table_listener import listen
    from deephaven.time import dh_now, dh_today
    trades = db.live_table("Market", "Trade")
    seen = []
    def watch(update, is_replay):
        added = update.added()
        seen.append((str(dh_now()), [str(one) for one in added.get("Size", [])]))
    handle = listen(trades, watch)
    print("at first", trades.size, dh_now(), dh_today())
    time.sleep(0.05)
    print("later", trades.size, dh_now())
    print(seen[0], seen[-1], len(seen))
"""


def test_rows_arrive_when_their_time_has_come(host: Host, market: Path) -> None:
    told = host.play(_WATCH)
    assert told.code == 0, told.output
    assert told.lines == [
        "at first 0 2024-01-02T14:30:00Z 2024-01-02",
        "later 5 2024-01-02T14:30:05Z",
        "('2024-01-02T14:30:01Z', ['10']) ('2024-01-02T14:30:05Z', ['50']) 5",
    ]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({"speed": "max"}, 100), ({"speed": "max", "sleep_factor": 20}, 20), ({"speed": 60}, 60)],
)
def test_sleeping_is_simulated_time(host: Host, market: Path, settings: dict[str, Any], seconds: int) -> None:
    script = """
        import time
        from deephaven.time import dh_now
        start = dh_now()
        trades = db.live_table("Market", "Trade")
        for _ in range(4):
            time.sleep(0.25)
        print(dh_now().getEpochSecond() - start.getEpochSecond(), trades.size)
    """
    told = host.play(script, OPENBELL_MODE=mode(**settings))
    assert told.lines == [f"{seconds} {seconds}"], told.output


def test_a_replay_comes_to_what_a_batch_does_twice_the_same(host: Host, market: Path, tmp_path: Path) -> None:
    script = """
        import os, time
        from deephaven import agg, time_table, DynamicTableWriter, dtypes
        from deephaven.table_listener import listen
        trades = db.live_table("Market", "Trade") if MODE else db.historical_table("Market", "Trade")
        trades = trades.where("Date = `2024-01-02`")
        large = trades.where("Size > 100")
        stats = large.agg_by([agg.count_("N"), agg.sum_("Size"), agg.avg("Price")], "Sym")
        last = trades.last_by("Sym").view(["Sym", "Timestamp", "Last = Price"])
        both = stats.natural_join(last, "Sym").sort("Sym")
        if MODE:
            clock = time_table("PT10s")
            time.sleep(2)
            print(clock.size, trades.size)
        db.add_partitioned_table_schema("Out", "Stats", "Key", both)
        db.add_table_partition("Out", "Stats", "x", both)
    """
    files = []
    for number, kind in enumerate(("replay", "replay", "batch")):
        output = tmp_path / f"out{number}"
        text = script.replace("MODE", repr(kind == "replay"))
        told = host.play(text, OPENBELL_MODE=mode(kind), OPENBELL_OUTPUT=str(output))
        assert told.code == 0, told.output
        assert told.lines == (["20 120"] if kind == "replay" else [])
        [file] = output.rglob("*.parquet")
        files.append(file)
    first, second = (sha256(file.read_bytes()).hexdigest() for file in files[:2])
    assert first == second
    replay, batch = (pl.read_parquet(file) for file in files[1:])
    day = (
        trades(OPEN, 120)
        .filter(pl.col("Size") > 100)
        .group_by("Sym")
        .agg(pl.len(), pl.sum("Size"))
        .sort("Sym")
    )
    assert replay.select("Sym", "N", "Size").rows() == day.rows() == batch.select("Sym", "N", "Size").rows()
    assert replay["Last"].to_list() == batch["Last"].to_list()


def test_several_tables_share_the_clock(host: Host, market: Path) -> None:
    script = """
        import time
        trades, quotes = db.live_table("Market", "Trade"), db.live_table("Market", "Quote")
        for _ in range(3):
            time.sleep(0.3)
            print(trades.size, quotes.size)
    """
    told = host.play(script, OPENBELL_MODE=mode(timestamp_columns={"Market.Quote": "At"}))
    assert told.lines == ["30 30", "60 60", "90 60"], told.output


def test_a_table_can_be_known_later_than_its_timestamps(host: Host, market: Path) -> None:
    script = """
        import time
        trades, quotes = db.live_table("Market", "Trade"), db.live_table("Market", "Quote")
        time.sleep(0.4)
        print(trades.size, quotes.size, [column.name for column in trades.columns])
    """
    told = host.play(script, OPENBELL_MODE=mode(available_after=[["Market", "Trade", 30.0]]))
    assert told.lines == ["10 40 ['Date', 'Timestamp', 'Sym', 'Price', 'Size']"], told.output


def test_rows_before_the_start_are_there(host: Host, market: Path) -> None:
    script = """
        import time
        trades = db.live_table("Market", "Trade")
        print(trades.size)
        time.sleep(0.01)
        print(trades.size)
    """
    told = host.play(script, OPENBELL_MODE=mode(start="09:30:30"))
    assert told.lines == ["30", "31"], told.output


def test_disorder_and_nulls(host: Host, market: Path) -> None:
    frame = trades(OPEN, 60)
    holes = frame.with_columns(
        Timestamp=pl.when(pl.col("Size") % 200 == 0).then(None).otherwise(pl.col("Timestamp"))
    )
    put(market, "Mixed", OPEN, holes.reverse())
    script = """
        import time
        mixed = db.live_table("Market", "Mixed")
        time.sleep(1)
        print(mixed.size)
    """
    told = host.play(script)
    assert told.lines == ["Market.Mixed: 3 rows without Timestamp are left out", "57"], told.output

    put(market, "Mixed", OPEN, frame.reverse())
    told = host.play(script, OPENBELL_MODE=mode(sorted=False))
    assert told.code == 1
    assert "the replay of Market.Mixed failed at 2024-01-02 09:3" in told.output
    assert "`sorted: true` puts them in order" in told.output
    assert "57" not in told.lines


def test_an_empty_date_and_one_that_is_not_there(host: Host, market: Path) -> None:
    put(market, "Empty", OPEN, trades(OPEN, 0))
    script = """
        import time
        empty = db.live_table("Market", "Empty")
        time.sleep(0.1)
        print(empty.size)
        db.live_table("Market", "Trade")
    """
    told = host.play(script, SIMULATION_DATE="2024-01-02")
    assert (told.code, told.lines) == (0, ["0"])
    told = host.play(script, SIMULATION_DATE="2024-01-04")
    assert told.code == 1
    assert "Market.Empty has no data of 2024-01-04" in told.output
    assert "the nearest is 2024-01-02" in told.output


def test_what_has_not_arrived_at_the_end_of_the_script_still_does(host: Host, market: Path) -> None:
    script = """
        from deephaven.table_listener import listen
        from deephaven.time import dh_now
        trades = db.live_table("Market", "Trade")
        rows = []
        def watch(update, is_replay):
            rows.extend(update.added()["Size"])
            if len(rows) == 120:
                print(sum(rows), dh_now())
        handle = listen(trades, watch)
    """
    told = host.play(script)
    assert told.lines == [f"{sum(range(10, 1210, 10))} 2024-01-02T14:32:00Z"], told.output


_STOP = """
    from deephaven_enterprise.client.session_manager import SessionManager
    def stop():
        SessionManager().controller_client.stop_and_wait(__PERSISTENT_QUERY_SERIAL_NUMBER)
"""


def test_a_script_ends_its_own_query(host: Host, market: Path, tmp_path: Path) -> None:
    told = host.play(
        _STOP + "    print('before')\n    stop()\n    print('never')",
        OPENBELL_STOPPED=str(tmp_path / "stopped"),
    )
    assert (told.code, told.lines) == (0, ["before"])
    assert (tmp_path / "stopped").exists()
    told = host.play(_STOP.replace("SERIAL_NUMBER)", "SERIAL_NUMBER + 1)") + "    stop()")
    assert told.code == 1
    assert "a script on a laptop can end itself only" in told.output


def test_a_listener_ends_the_query(host: Host, market: Path) -> None:
    script = (
        _STOP
        + """
    from deephaven.table_listener import listen
    from deephaven.time import dh_now
    import time
    trades = db.live_table("Market", "Trade")
    def watch(update, is_replay):
        if max(update.added()["Size"]) == 500:
            print("enough", dh_now())
            stop()
    handle = listen(trades, watch)
    time.sleep(60)
    print("never")
    """
    )
    told = host.play(script)
    assert "enough 2024-01-02T14:30:50Z" in told.lines
    assert told.code == 0, told.output
    assert "never" not in told.lines


def test_a_table_that_fails_in_the_graph_fails_the_task(host: Host, market: Path) -> None:
    script = """
        import time
        from deephaven import empty_table
        trades = db.live_table("Market", "Trade")
        symbols = empty_table(1).update("Sym = `A`")
        joined = symbols.natural_join(trades, "Sym", "Price")
        try:
            while True:
                time.sleep(1)
        except Exception as error:
            print("swallowed", error)
        print("never")
    """
    told = host.play(script)
    assert told.code == 1
    assert "failed in the update graph at 2024-01-02 09:30:0" in told.output
    assert "duplicate right key" in told.output
    assert "never" not in told.output


def test_a_listener_that_fails_fails_the_task(host: Host, market: Path) -> None:
    script = """
        import time
        from deephaven.table_listener import listen
        trades = db.live_table("Market", "Trade")
        def watch(update, is_replay):
            raise ValueError("no")
        handle = listen(trades, watch)
        time.sleep(1)
        print("never")
    """
    told = host.play(script)
    assert told.code == 1
    assert "ValueError: no" in told.output
    assert "never" not in told.lines


def test_a_script_that_waits_for_ever_is_ended(host: Host, market: Path) -> None:
    script = """
        import time
        while True:
            time.sleep(3600)
    """
    told = host.play(script, OPENBELL_MODE=mode(interval=3600))
    assert told.code == 1
    assert "the script still waits at 2024-01-04 00:" in told.output
    assert "stop_and_wait" in told.output


def test_feedback_through_a_writer_is_the_same_every_time(host: Host, market: Path) -> None:
    script = """
        import time
        from deephaven import DynamicTableWriter, dtypes
        from deephaven.table_listener import listen
        trades = db.live_table("Market", "Trade")
        writer = DynamicTableWriter({"Sym": dtypes.string, "Held": dtypes.int64})
        held = writer.table.sum_by("Sym")
        def watch(update, is_replay):
            for symbol, size in zip(update.added()["Sym"], update.added()["Size"]):
                writer.write_row(symbol, int(size) + held.size)
        handle = listen(trades, watch)
        time.sleep(2)
        print(held.sort("Sym").to_string())
    """
    first, second = (host.play(script) for _ in range(2))
    assert first.code == 0, first.output
    assert first.output == second.output
    assert first.output.count("|") > 3


def test_naive_timestamps_are_utc(host: Host, market: Path) -> None:
    naive = trades(OPEN, 10).with_columns(pl.col("Timestamp").dt.replace_time_zone(None))
    put(market, "Naive", OPEN, naive)
    script = """
        import time
        naive = db.live_table("Market", "Naive")
        time.sleep(0.05)
        print(naive.size, db.historical_table("Market", "Naive").where("Date = `2024-01-02`").size)
    """
    told = host.play(script)
    assert told.lines == ["5 10"], told.output


def test_a_start_beyond_the_last_row(host: Host, market: Path) -> None:
    script = "    print(db.live_table('Market', 'Trade').size)"
    told = host.play(script, OPENBELL_MODE=mode(start="15:00:00"))
    assert told.lines == ["120"], told.output
