"""What is done to a database as a whole: checked, exported row by row, given back to the file system."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from openbell.errors import StoreError
from openbell.store.glance import open_database

TABLES = (
    "runs",
    "groups",
    "tasks",
    "attempts",
    "journal",
    "requests",
    "datasets",
    "consumed",
    "misses",
    "alerts",
    "outbox",
    "cursors",
    "fires",
)
"""What is exported, the parts of runs first."""

_JSON = frozenset({"definition", "data", "exit", "result", "request", "provenance", "past", "forced", "fire"})


def revision(database: Path) -> str:
    """The version of the tables; empty where there are none of ours."""
    with closing(open_database(database)) as connection:
        try:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        except (sqlite3.Error, TypeError):
            return ""


def damage(database: Path) -> Iterator[str]:
    """What SQLite finds wrong with the file, and rows that refer to rows that are not there."""
    with closing(open_database(database)) as connection:
        try:
            yield from (row[0] for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok")
            for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
                yield f"{table}: row {row} refers to a row of {parent} that is not there"
            for table in ("tasks", "attempts", "groups"):
                query = f"SELECT DISTINCT run FROM {table} WHERE run NOT IN (SELECT id FROM runs)"
                yield from (
                    f"{table}: rows of {run}, which is not there" for (run,) in connection.execute(query)
                )
        except sqlite3.Error as error:
            yield f"it cannot be read to its end: {error}"


def rows(database: Path, table: str, *, raw: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a table; columns that hold JSON as such, unless `raw`. Instants stay ISO text."""
    if table not in TABLES:
        raise ValueError(table)
    with closing(open_database(database)) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute(f"SELECT * FROM {table}"):
            found = dict(row)
            yield found if raw else {name: _value(name, value) for name, value in found.items()}


def _value(name: str, value: Any) -> Any:
    if name not in _JSON or not isinstance(value, str):
        return value
    return json.loads(value) if value else None


def compact(database: Path) -> int:
    """Give pages that are free back to the file system. Returns how many bytes that were.

    Nobody else may have it open to write. Raises `StoreError`.
    """
    before = database.stat().st_size
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(
            f"the store could not be compacted: {error}", hint="end what reads it, and try again"
        ) from error
    return before - database.stat().st_size
