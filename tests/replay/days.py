"""Seeded days of synthetic ticks, and an oracle that sorts them without the tape."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from openbell.replay import Tape

DAY = "2024-07-02"
NINE = 1_719_910_800_000_000_000
"""09:00 UTC of that day in nanoseconds."""
SECOND = 1_000_000_000
SYMBOLS = ("AAPL", "IBM", "MSFT", "GOOG")


def ticks(seed: int, count: int, spread: int = 600 * SECOND, grain: int = SECOND // 4) -> pa.Table:
    """Rows in order, many of equal times: timestamps are multiples of `grain`. `Id` numbers them."""
    draw = random.Random(seed)
    times = sorted(NINE + draw.randrange(spread // grain) * grain for _ in range(count))
    return table(
        times, [draw.choice(SYMBOLS) for _ in times], [round(draw.uniform(10, 20), 2) for _ in times]
    )


def table(
    times: Sequence[int], symbols: Sequence[str] | None = None, prices: Iterable[float] = ()
) -> pa.Table:
    """A table of these times, in this order."""
    return pa.table(
        {
            "Timestamp": pa.array(times, pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "Sym": pa.array(symbols or [SYMBOLS[n % 4] for n in range(len(times))]),
            "Price": pa.array(list(prices) or [float(n) for n in range(len(times))], pa.float64()),
            "Id": pa.array(range(len(times)), pa.int64()),
        }
    )


def store(
    root: Path, name: str, rows: pa.Table, *, group: int = 64, cuts: Sequence[int] = (), day: str = DAY
) -> Path:
    """Write rows as the table `namespace.name` below `root`, cut into files at these rows."""
    folder = root / name.replace(".", "/") / f"Date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    edges = [0, *cuts, rows.num_rows]
    for n, (low, high) in enumerate(pairwise(edges)):
        pq.write_table(rows.slice(low, high - low), folder / f"part-{n:03}.parquet", row_group_size=group)
    return folder


def tape(root: Path, *names: str, **settings: Any) -> Tape:
    """A tape over the tables below `root`, from nine o'clock on."""
    data = {name.partition(".")[0]: str(root / name.partition(".")[0]) for name in names}
    return Tape(names, DAY, **{"start": "09:00:00", "data": data, **settings})


def delivered(found: Tape) -> tuple[dict[str, pa.Table], list[int]]:
    """All that a tape delivers, put together by table, and the times of its batches."""
    parts: dict[str, list[pa.Table]] = {name: [] for name in found.tables}
    times = []
    for now, batch in found:
        times.append(now)
        for name in found.tables:
            parts[name].append(batch[name].arrow())
    empty = {name: found.schema(name).empty_table() for name in found.tables}
    return {name: pa.concat_tables([empty[name], *parts[name]]) for name in parts}, times


def ids(found: Tape, name: str) -> list[int]:
    return [number for _, batch in found for number in batch[name]["Id"].tolist()]


def expected(rows: pa.Table, symbols: Sequence[str] | None = None) -> pa.Table:
    """The oracle: Polars filters and sorts, stable."""
    frame = pl.DataFrame(rows)
    if symbols is not None:
        frame = frame.filter(pl.col("Sym").is_in(symbols))
    return frame.sort("Timestamp", maintain_order=True).to_arrow().cast(rows.schema)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal to the last byte, whatever the chunks."""
    return bool(one.combine_chunks().equals(other.combine_chunks()))


def nanos(rows: pa.Table) -> list[int]:
    found: list[int] = np.asarray(rows["Timestamp"].cast(pa.int64())).tolist()
    return found
