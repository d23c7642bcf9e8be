"""Disorder within the buffer is repaired, beyond it is an error; bad data is named, with file and row."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.errors import DataError
from tests.replay.days import DAY, NINE, SECOND, delivered, ids, same, store, table, tape, ticks

T = "Market.Trade"


def in_order(times: list[int]) -> list[int]:
    """The oracle: positions by time, equal ones as they stand."""
    return [n for _, n in sorted((time, n) for n, time in enumerate(times))]


def farthest(times: list[int]) -> int:
    """The oracle: how far apart the two rows out of order are that are farthest apart."""
    return max((j - i for j, b in enumerate(times) for i, a in enumerate(times[:j]) if a > b), default=0)


@settings(max_examples=200)
@given(
    steps=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    buffer_rows=st.integers(1, 12),
    group=st.integers(1, 15),
)
def test_what_the_buffer_repairs_and_what_it_does_not(
    steps: list[int], buffer_rows: int, group: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the row groups: an error exactly when two rows out of order are more than the buffer apart."""
    root = tmp_path_factory.mktemp("day")
    times = [NINE + step * SECOND for step in steps]
    store(root, T, table(times), group=group)
    found = tape(root, T, buffer_rows=buffer_rows)
    if farthest(times) <= buffer_rows:
        assert ids(found, T) == in_order(times)
    else:
        with pytest.raises(DataError, match=f"more than {buffer_rows} rows after"):
            ids(found, T)


def test_a_larger_day_in_disorder(tmp_path: Path) -> None:
    rows = ticks(4, 5000)
    draw = random.Random(4)
    shuffled = sorted(range(5000), key=lambda n: n + draw.uniform(0, 60))
    mixed = rows.take(pa.array(shuffled))
    store(tmp_path, T, mixed, group=100)
    found, _ = delivered(tape(tmp_path, T, buffer_rows=150))
    times = mixed["Timestamp"].cast(pa.int64()).to_pylist()
    assert same(found[T], mixed.take(pa.array(in_order(times))))
    with pytest.raises(DataError):
        delivered(tape(tmp_path, T, buffer_rows=20))


def test_the_error_names_file_row_and_both_times(tmp_path: Path) -> None:
    times = [NINE + n * SECOND for n in range(100)]
    times[70] = NINE + 10 * SECOND + 5
    folder = store(tmp_path, T, table(times), group=9)
    with pytest.raises(DataError) as caught:
        ids(tape(tmp_path, T, buffer_rows=50), T)
    told = str(caught.value)
    assert f"{folder / 'part-000.parquet'}, row 70" in told
    assert "2024-07-02T09:00:10.000000005Z" in told
    assert "50 rows after row 19 with 2024-07-02T09:00:19.000000000Z" in told
    assert "buffer_rows" in told
    assert ids(tape(tmp_path, T, buffer_rows=59), T)[10:12] == [10, 70]


def test_file_order_where_sorting_is_not_wanted(tmp_path: Path) -> None:
    """A row that is out of order is known no earlier than those before it."""
    store(tmp_path, T, table([NINE, NINE + 5 * SECOND, NINE + SECOND, NINE + 7 * SECOND]), group=2)
    found = [
        ((now - NINE) // SECOND, batch[T]["Id"].tolist()) for now, batch in tape(tmp_path, T, sorted=False)
    ]
    assert found == [(1, [0]), (6, [1, 2]), (8, [3])]


# ── bad data ────────────────────────────────────────────────────────────────────────────────────


def test_a_null_timestamp_is_an_error_with_its_row(tmp_path: Path) -> None:
    rows = table([NINE + n for n in range(100)])
    stamps = pa.array([None if n == 77 else NINE + n for n in range(100)], pa.timestamp("ns", "UTC"))
    folder = store(tmp_path, T, rows.set_column(0, "Timestamp", stamps), group=10)
    with pytest.raises(DataError) as caught:
        ids(tape(tmp_path, T), T)
    assert str(caught.value) == f"{folder / 'part-000.parquet'}, row 77: the column Timestamp is null"
    with pytest.raises(DataError, match="row 77"):
        ids(tape(tmp_path, T, where=["IBM"]), T)  # row 77 is one of IBM


@pytest.mark.parametrize("size", [0, 4, 500, -9])
def test_a_file_that_was_cut_off_is_named_and_left_alone(tmp_path: Path, size: int) -> None:
    folder = store(tmp_path, T, ticks(1, 500), cuts=(250,))
    path = folder / "part-001.parquet"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match="cannot be read") as caught:
        ids(tape(tmp_path, T), T)
    assert str(path) in str(caught.value)
    assert path.exists()


def test_a_file_that_is_spoiled_inside_is_named_with_the_row(tmp_path: Path) -> None:
    folder = store(tmp_path, T, ticks(1, 5000), group=500)
    path = folder / "part-000.parquet"
    data = bytearray(path.read_bytes())
    begin = pq.read_metadata(path).row_group(4).column(2).data_page_offset
    data[begin : begin + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cannot be read from row \d+ on") as caught:
        ids(tape(tmp_path, T), T)
    assert str(path) in str(caught.value)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    path = store(tmp_path, T, table([NINE])) / "part-000.parquet"
    for settings_, told in (
        ({"where": {"Symbol": ["IBM"]}}, "has no column 'Symbol' (it has Timestamp, Sym, Price, Id)"),
        ({"columns": {T: ["Ask"]}}, "has no column 'Ask'"),
        ({"timestamp_columns": {T: "Time"}}, "has no column 'Time'"),
        ({"timestamp_columns": {T: "Price"}}, "the column Price holds double, not timestamps"),
    ):
        with pytest.raises(DataError) as caught:
            ids(tape(tmp_path, T, **settings_), T)
        assert str(path) in str(caught.value)
        assert told in str(caught.value)


def test_which_column_tells_the_time(tmp_path: Path) -> None:
    stamps = table([NINE, NINE + SECOND])["Timestamp"]
    late = table([NINE + 9 * SECOND, NINE + 10 * SECOND])["Timestamp"]
    store(tmp_path, "Market.One", pa.table({"When": stamps, "Id": [0, 1]}))
    store(tmp_path, "Market.Two", pa.table({"When": stamps, "Then": late, "Id": [0, 1]}))
    store(tmp_path, "Market.Three", pa.table({"Timestamp": late, "When": stamps, "Id": [0, 1]}))
    store(tmp_path, "Market.None", pa.table({"Id": [0, 1]}))
    store(tmp_path, "Market.Int", pa.table({"Timestamp": [NINE, NINE + SECOND], "Id": [0, 1]}))

    def first(name: str, **columns: str) -> int:
        found = tape(
            tmp_path, name, timestamp_columns={f"Market.{key}": value for key, value in columns.items()}
        )
        return (next(iter(found))[0] - NINE) // SECOND

    assert first("Market.One") == first("Market.Int") == 1
    assert first("Market.Three") == 10
    assert first("Market.Three", Three="When") == 1
    assert first("Market.Two", Two="Then") == 10
    with pytest.raises(DataError, match="several timestamp columns"):
        first("Market.Two")
    with pytest.raises(DataError, match="no timestamp column"):
        first("Market.None")


def test_files_of_other_columns_are_told_apart(tmp_path: Path) -> None:
    folder = store(tmp_path, T, table([NINE]))
    pq.write_table(table([NINE + 1]).drop_columns(["Price"]), folder / "part-001.parquet")
    with pytest.raises(DataError, match="has other columns") as caught:
        ids(tape(tmp_path, T), T)
    assert "nothing instead of Price: double" in str(caught.value)


def test_a_column_that_the_path_holds_as_well(tmp_path: Path) -> None:
    folder = store(tmp_path, T, table([NINE]))
    (folder / "Sym=IBM").mkdir()
    (folder / "part-000.parquet").rename(folder / "Sym=IBM" / "x.parquet")
    with pytest.raises(DataError, match="has the column Sym inside as well as in its path"):
        ids(tape(tmp_path, T), T)


def test_a_date_and_a_namespace_that_are_not_there(tmp_path: Path) -> None:
    folder = store(tmp_path, T, table([NINE]), day="2024-07-01")
    with pytest.raises(DataError) as caught:
        ids(tape(tmp_path, T), T)
    assert f"{folder.parent}/Date={DAY} does not exist" in str(caught.value)
    with pytest.raises(DataError, match="there is no namespace 'Elsewhere'"):
        list(tape(tmp_path, "Elsewhere.Trade", data={"Market": str(tmp_path / "Market")}))


def test_only_rows_that_are_wanted_are_looked_at(tmp_path: Path) -> None:
    """Row groups whose symbols are all others are not decoded: what is spoiled there does not matter."""
    rows = table([NINE + n for n in range(200)], ["AAPL"] * 100 + ["IBM"] * 100)
    path = store(tmp_path, T, rows, group=100) / "part-000.parquet"
    data = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    for n in range(group.num_columns):
        begin = group.column(n).dictionary_page_offset or group.column(n).data_page_offset
        data[begin : begin + 8] = bytes(8)
    path.write_bytes(data)
    assert ids(tape(tmp_path, T, where=["IBM"]), T) == list(range(100, 200))
    with pytest.raises(DataError):
        ids(tape(tmp_path, T), T)
