"""A store as files that other tools read: a line of JSON for each row, or Parquet (extra `data`)."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from openbell.errors import UsageError
from openbell.store.upkeep import TABLES, rows

_BATCH = 10_000  # rows
FORMATS = ("jsonl", "parquet")


def export(database: Path, folder: Path, form: str = "jsonl") -> dict[str, int]:
    """Write every table to `FOLDER/<table>.<form>`. Returns how many rows each has.

    A file is there as a whole or not at all. Raises `UsageError` without the extra that Parquet takes.
    """
    if form == "parquet":
        _want_the_extra()
    write = _jsonl if form == "jsonl" else _parquet
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for table in TABLES:
        path = folder / f"{table}.{form}"
        draft = path.with_suffix(".tmp")
        counts[table] = write(draft, database, table)
        draft.replace(path)
    return counts


def _jsonl(path: Path, database: Path, table: str) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows(database, table):
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def _want_the_extra() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError("Parquet takes the extra `data`", hint='pip install "openbell[data]"') from None


def _parquet(path: Path, database: Path, table: str) -> int:
    """Columns of the kinds that the tables have; what holds JSON stays text."""
    import pyarrow as pa
    from pyarrow import parquet

    from openbell.store import tables

    kinds = {
        "INTEGER": pa.int64(),
        "FLOAT": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "INSTANT": pa.timestamp("us", "UTC"),
    }
    columns = {column.name: column.type for column in tables.metadata.tables[table].c}
    instants = [name for name, kind in columns.items() if isinstance(kind, tables.Instant)]
    fields = [
        (name, kinds["INSTANT"] if name in instants else kinds.get(str(kind), pa.string()))
        for name, kind in columns.items()
    ]
    schema, count, found = pa.schema(fields), 0, rows(database, table, raw=True)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := [_typed(row, columns, instants) for row in islice(found, _BATCH)]:
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
    return count


def _typed(row: dict[str, Any], columns: dict[str, Any], instants: list[str]) -> dict[str, Any]:
    """The row as Python values: SQLite knows neither instants nor truth values."""
    flags = (name for name, kind in columns.items() if str(kind) == "BOOLEAN" and row[name] is not None)
    found = {name: row[name] for name in columns}
    found |= {name: datetime.fromisoformat(row[name]) for name in instants if row[name]}
    return found | {name: bool(row[name]) for name in flags}
