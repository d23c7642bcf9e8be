"""`db` over the project's Parquet tables: what one kind of worker writes, the other reads."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from openbell.replay import Folders, frame, write
from tests.runtimes.engine import Host, mode

pytestmark = pytest.mark.slow

_ADD = """
    from deephaven import empty_table, DHError
    rows = empty_table(ROWS).update(["Sym = `A` + i", "N = ii", "At = '2024-01-02T15:00:00Z' + ii * SECOND"])
    try:
        db.add_partitioned_table_schema("Sim", "Result", "Key", rows)
    except DHError as error:
        print("already exists" in str(error))
    db.add_table_partition("Sim", "Result", KEY, rows)
    print(db.historical_table("Sim", "Result").size)
"""


def add(host: Host, key: str, rows: int, **env: str) -> list[str]:
    text = _ADD.replace("ROWS", str(rows)).replace("KEY", repr(key))
    told = host.play(text, OPENBELL_MODE=mode("batch"), **env)
    assert told.code == 0, told.output
    return told.lines


def test_partitions_are_added_and_replaced(host: Host, tmp_path: Path) -> None:
    assert add(host, "2024-01-02_0", 3, OPENBELL_ATTEMPT="sim/1/worker/0#1") == ["3"]
    told = add(host, "2024-01-02_1", 4, OPENBELL_ATTEMPT="sim/1/worker/1#1")
    assert told == ["True", "7"]
    assert add(host, "2024-01-02_0", 5, OPENBELL_ATTEMPT="sim/1/worker/0#2")[-1] == "9"
    assert add(host, "2024-01-02_0", 2, OPENBELL_ATTEMPT="sim/2/worker/0#1")[-1] == "6"
    assert add(host, "2024-01-02_0", 1, OPENBELL_ATTEMPT="sim/2/worker/1#1")[-1] == "7"

    found = frame("Sim.Result", None, Folders({}, str(tmp_path / "output"))).collect()
    assert found.columns == ["Sym", "N", "At", "Key"]
    assert found["At"].dtype == pl.Datetime("ns", "UTC")
    assert sorted(found["Key"].to_list()) == ["2024-01-02_0"] * 3 + ["2024-01-02_1"] * 4
    assert not list((tmp_path / "output" / "Sim").glob(".*"))


def test_tables_of_plain_workers_are_read(host: Host, tmp_path: Path) -> None:
    rows = pl.DataFrame({"Sym": ["A", "B"], "N": [1, 2]})
    for day in (date(2024, 1, 2), date(2024, 1, 3)):
        write("Sim.Plain", rows, tmp_path / "output", day=day, keys={"partition": 1}, run="sim/1", step="w")
    script = """
        table = db.historical_table("Sim", "Plain")
        print([(column.name, column.data_type.j_name) for column in table.columns])
        print(table.where("Date = `2024-01-03`").size, table.size)
    """
    told = host.play(script, OPENBELL_MODE=mode("batch"))
    assert told.lines == [
        "[('Date', 'java.lang.String'), ('partition', 'int'), ('Sym', 'java.lang.String'), ('N', 'long')]",
        "2 4",
    ], told.output


def test_a_table_keeps_its_columns(host: Host) -> None:
    add(host, "x", 3)
    script = """
        from deephaven import empty_table
        rows = empty_table(1).update(["Sym = `A`", "N = i", "Other = 1"])
        db.add_table_partition("Sim", "Result", "y", rows)
    """
    told = host.play(script, OPENBELL_MODE=mode("batch"))
    assert told.code == 1
    wrong = "At is missing; Other is none of its columns; N is int, not long"
    assert f"Table Sim.Result has other columns: {wrong}" in told.output


def test_tables_are_deleted(host: Host, market: Path, tmp_path: Path) -> None:
    add(host, "x", 3)
    script = """
        from deephaven import DHError, empty_table
        db.delete_partitioned_table("Sim", "Result")
        for attempt in (
            lambda: db.delete_partitioned_table("Sim", "Result"),
            lambda: db.delete_partitioned_table("Market", "Trade"),
            lambda: db.delete_partitioned_table("..", "Market"),
            lambda: db.add_table_partition("Sim", "Result", "y", empty_table(1)),
        ):
            try:
                attempt()
            except DHError as error:
                print(str(error).partition(":")[0])
    """
    told = host.play(script, OPENBELL_MODE=mode("batch"))
    assert told.lines == [
        "Table Sim.Result does not exist",
        "Table Market.Trade does not exist",
        "...Market cannot be a table",
        "Table Sim.Result does not exist",
    ], told.output
    assert (market / "Trade").exists()
    assert list((tmp_path / "output" / "Sim").iterdir()) == []


def test_what_is_not_there_is_told(host: Host, market: Path) -> None:
    for call, said in {
        "db.live_table('Market', 'Trades')": "did you mean 'Trade'?",
        "db.historical_table('Markets', 'Trade')": "did you mean 'Market'?",
        "db.live_table('Market', 'Trade', is_blink=True)": "blink tables are not there on a laptop",
    }.items():
        told = host.play(call)
        assert told.code == 1
        assert said in told.output


def test_results_in_a_namespace_of_data_are_found(host: Host, market: Path, tmp_path: Path) -> None:
    script = """
        from deephaven import empty_table
        rows = empty_table(2).update("N = i")
        db.add_partitioned_table_schema("Market", "Signals", "Date", rows)
        db.add_table_partition("Market", "Signals", "2024-01-02", rows)
        print(db.live_table("Market", "Signals").size, db.historical_table("Market", "Trade").size)
    """
    told = host.play(script, OPENBELL_MODE=mode("batch"))
    assert told.lines == ["2 240"], told.output
    folders = Folders(json.loads(host.env["OPENBELL_DATA"]), str(tmp_path / "output"))
    assert frame("Market.Signals", date(2024, 1, 2), folders).collect()["N"].to_list() == [0, 1]
