"""The engine is started once for all tests of it: it takes seconds, and half a gigabyte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Desk
from tests.runtimes.engine import MISSING, Host, mode

DAY = datetime(2024, 1, 2, tzinfo=UTC)
OPEN = DAY + timedelta(hours=14, minutes=30)
"""Half past nine in New York."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if MISSING:
        pytest.skip(MISSING)
    host = Host(tmp_path_factory.mktemp("engine"))
    yield host
    host.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder in which commands are given."""
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def host(engine: Host, tmp_path: Path) -> Host:
    """The engine with folders of its own: `data/Market`, and `output`."""
    shutil.rmtree(engine.folder / "output", ignore_errors=True)
    engine.env = {
        "SIMULATION_DATE": "2024-01-02",
        "OPENBELL_DATA": json.dumps({"Market": str(tmp_path / "Market")}),
        "OPENBELL_OUTPUT": str(tmp_path / "output"),
        "OPENBELL_MODE": mode(),
    }
    return engine


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Two dates of trades, one a second, and a minute of quotes on the first."""
    for number in range(2):
        first = OPEN + timedelta(days=number)
        put(tmp_path / "Market", "Trade", first, trades(first, 120))
    put(tmp_path / "Market", "Quote", OPEN, trades(OPEN, 60).rename({"Price": "Bid", "Timestamp": "At"}))
    return tmp_path / "Market"


def trades(first: datetime, rows: int) -> pl.DataFrame:
    """A trade a second from a second after `first` on, of three symbols in turn."""
    seconds = range(1, rows + 1)
    return pl.DataFrame(
        {
            "Timestamp": [first + timedelta(seconds=second) for second in seconds],
            "Sym": ["ABC"[second % 3] for second in seconds],
            "Price": [100.0 + second / 10 for second in seconds],
            "Size": [second * 10 for second in seconds],
        },
        schema_overrides={"Timestamp": pl.Datetime("ns", "UTC")},
    )


def put(folder: Path, table: str, day: datetime, frame: pl.DataFrame, name: str = "part-0.parquet") -> Path:
    target = folder / table / f"Date={day.date()}" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(target, compression="zstd")
    return target
