"""Tables as they lie on disk, read lazily and written whole."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from openbell import worker
from openbell.errors import DataError
from openbell.replay import Folders, frame, write
from openbell.replay.layout import values

DAY = date(2024, 7, 2)


def put(root: Path, where: str, **columns: Any) -> Path:
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders({"Market": str(tmp_path / "market")}, str(tmp_path / "output"))


def rows(found: pl.LazyFrame) -> list[tuple[Any, ...]]:
    return found.collect().rows()


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def test_a_date_is_its_files_in_the_order_of_their_paths(tmp_path: Path, folders: Folders) -> None:
    put(tmp_path, "market/Trade/Date=2024-07-02/part-1.parquet", a=[3])
    put(tmp_path, "market/Trade/Date=2024-07-02/part-0.parquet", a=[2, 1])
    put(tmp_path, "market/Trade/Date=2024-07-03/part-0.parquet", a=[9])
    found = frame("Market.Trade", DAY, folders)
    assert isinstance(found, pl.LazyFrame)
    assert rows(found) == [(2,), (1,), (3,)]
    assert rows(frame("Market.Trade", "2024-07-03", folders)) == [(9,)]


def test_keys_below_the_date_are_columns(tmp_path: Path, folders: Folders) -> None:
    put(tmp_path, "market/Trade/Date=2024-07-02/Sym=A%2FB/part=1/x.parquet", a=[1])
    put(tmp_path, "market/Trade/Date=2024-07-02/Sym=__HIVE_DEFAULT_PARTITION__/part=2/x.parquet", a=[2])
    found = frame("Market.Trade", DAY, folders).collect()
    assert found.schema == {"a": pl.Int64, "Sym": pl.String, "part": pl.Int64}
    assert found.rows() == [(1, "A/B", 1), (2, None, 2)]


@pytest.mark.parametrize(
    ("texts", "typed"),
    [
        (["1", "20"], [1, 20]),
        (["1.5", "2"], [1.5, 2.0]),
        (["007", "8"], ["007", "8"]),
        (["30s", "60s"], ["30s", "60s"]),
        (["1", None], ["1", None]),
    ],
)
def test_values_of_paths_are_numbers_where_all_are(texts: list[str], typed: list[Any]) -> None:
    from openbell.replay.layout import File

    found = values([File(Path("x"), {"k": text}) for text in texts])["k"]
    assert found == typed
    assert [type(value) for value in found] == [type(value) for value in typed]


def test_several_dates_tell_which(tmp_path: Path, folders: Folders) -> None:
    for day in (1, 2, 3):
        put(tmp_path, f"market/Trade/Date=2024-07-0{day}/x.parquet", a=[day])
    assert rows(frame("Market.Trade", None, folders)) == [(n, date(2024, 7, n)) for n in (1, 2, 3)]
    assert rows(frame("Market.Trade", ("2024-07-02", None), folders).select("a")) == [(2,), (3,)]
    assert rows(frame("Market.Trade", (None, DAY), folders, ["a"])) == [(1,), (2,)]


def test_an_empty_file_is_an_empty_table(tmp_path: Path, folders: Folders) -> None:
    put(tmp_path, "market/Trade/Date=2024-07-02/x.parquet", a=pl.Series([], dtype=pl.Int64))
    assert frame("Market.Trade", DAY, folders).collect().shape == (0, 1)


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path, folders: Folders) -> None:
    path = put(tmp_path, "market/Trade/Date=2024-07-02/x.parquet", a=[1])
    for name, day, told in (
        ("Markt.Trade", DAY, "there is no namespace 'Markt' (did you mean 'Market'?)"),
        ("Market.Quote", DAY, f"{tmp_path}/market/Quote does not exist (there are: Trade)"),
        ("Market.Trade", date(2024, 7, 9), "Date=2024-07-09 does not exist (it has 1 dates"),
        ("Market.Trade", ("2025-01-01", None), "no data from 2025-01-01"),
        ("Trade", DAY, "'Trade' is no table"),
    ):
        with pytest.raises(DataError) as caught:
            frame(name, day, folders)
        assert told in str(caught.value)
    with pytest.raises(DataError) as caught:
        frame("Market.Trade", DAY, folders, ["b"])
    assert f"{path} has no column 'b' (it has a)" in str(caught.value)


@pytest.mark.parametrize("size", [0, 3, 100, -1])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, folders: Folders, size: int) -> None:
    path = put(tmp_path, "market/Trade/Date=2024-07-02/x.parquet", a=list(range(100)))
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(DataError, match="is no whole Parquet file") as caught:
        frame("Market.Trade", DAY, folders)
    assert str(path) in str(caught.value)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_written_reads_back_with_every_axis(folders: Folders) -> None:
    for partition in (0, 1):
        for decay in ("30s", "1/2"):
            keys = {"partition": partition, "decay": decay}
            write("Sim.Trades", {"pnl": [1.5]}, folders.output, day=DAY, keys=keys, run="sim/1", step="w")
    found = frame("Sim.Trades", DAY, folders).collect()
    assert found.columns == ["pnl", "partition", "decay"]
    assert sorted(found.rows()) == [(1.5, 0, "1/2"), (1.5, 0, "30s"), (1.5, 1, "1/2"), (1.5, 1, "30s")]


def test_a_retry_replaces_its_own_file_and_a_later_request_that_of_an_earlier_one(folders: Folders) -> None:
    def runs(run: str, step: str, value: int) -> Path:
        return write("Sim.T", {"a": [value]}, folders.output, day=DAY, run=run, step=step)

    first = runs("sim/1", "w", 1)
    assert runs("sim/1", "w", 2) == first
    assert rows(frame("Sim.T", DAY, folders)) == [(2,)]
    runs("sim/2", "w", 3)
    assert rows(frame("Sim.T", DAY, folders)) == [(3,)]
    runs("sim/2", "other", 4)
    runs("sim-two/1", "w", 5)
    runs("sim/2024-07-02T14:30Z", "w", 6)
    runs("sim/2024-07-02T14:45Z", "w", 7)
    assert sorted(rows(frame("Sim.T", DAY, folders))) == [(3,), (4,), (5,), (6,), (7,)]
    runs("sim/1", "w", 8)  # an old run that goes on does not take away what a newer one has written
    assert (3,) in rows(frame("Sim.T", DAY, folders))


def test_a_column_that_the_path_holds_has_to_say_the_same(folders: Folders) -> None:
    write("Sim.T", {"Date": ["2024-07-02"], "a": [1]}, folders.output, day=DAY)
    assert frame("Sim.T", DAY, folders).collect().columns == ["a"]
    with pytest.raises(DataError, match="the column partition holds 3, and this task writes partition=4"):
        write("Sim.T", {"partition": [3]}, folders.output, day=DAY, keys={"partition": 4})


@pytest.mark.parametrize("name", ["Sim", "Sim/x.T", ".T", "Sim.../x", "Sim."])
def test_a_table_has_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be a table"):
        write(name, {"a": [1]}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    write("Sim.T", {"a": [1]}, folders.output, day=DAY)

    def full(frame: pl.DataFrame, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="No space"):
        write("Sim.T", {"a": [2]}, folders.output, day=DAY)
    assert rows(frame("Sim.T", DAY, folders)) == [(1,)]
    assert [path.name for path in Path(folders.output).rglob("*") if path.is_file()] == [
        "part-by-hand.parquet"
    ]


def test_frames_of_others(folders: Folders) -> None:
    import numpy as np
    import pyarrow as pa

    for n, frame_ in enumerate((pl.LazyFrame({"a": [1]}), pa.table({"a": [1]}), {"a": np.array([1])})):
        write(f"Sim.T{n}", frame_, folders.output, day=DAY)
        assert rows(frame(f"Sim.T{n}", DAY, folders)) == [(1,)]


# ── through the context ─────────────────────────────────────────────────────────────────────────


def test_a_task_reads_its_date_and_writes_its_cell(tmp_path: Path) -> None:
    put(tmp_path, "market/Trade/Date=2024-07-02/x.parquet", a=[1])
    ctx = worker.context(
        {
            "SIMULATION_DATE": "2024-07-02",
            "OPENBELL_COORDINATES": '{"date": "2024-07-02", "partition": 3, "decay": "30s"}',
            "OPENBELL_DATA": f'{{"Market": "{tmp_path}/market"}}',
            "OPENBELL_OUTPUT": str(tmp_path / "output"),
            "OPENBELL_RUN_ID": "sim/7",
            "OPENBELL_STEP": "worker",
        }
    )
    assert rows(ctx.table("Market", "Trade")) == [(1,)]
    path = ctx.write("Sim", "Trades", ctx.table("Market", "Trade"))
    place = "output/Sim/Trades/Date=2024-07-02/partition=3/decay=30s/part-sim%2F7%2Fworker.parquet"
    assert path == tmp_path / place
    assert rows(ctx.table("Sim", "Trades")) == [(1, 3, "30s")]
    assert rows(ctx.table("Sim", "Trades", None, columns=["Date"])) == [(DAY,)]


def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    for name in ("polars", "pyarrow", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name='{name}')")
    code = "from openbell import worker; worker.context().table('a', 'b')"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'openbell[data]'" in done.stderr.splitlines()[-1]
