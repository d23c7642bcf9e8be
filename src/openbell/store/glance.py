"""The few rows that health follows from, read by SQLite's own driver.

`status` is asked every few seconds, by people and by probes, and SQLAlchemy alone takes 150 ms to import.
Nothing is written here. A test holds the answers against those of the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbell.core.durations import Durations
from openbell.core.freshness import Dataset
from openbell.core.health import Brief, Missed
from openbell.core.states import RunState
from openbell.errors import StoreError

if TYPE_CHECKING:
    from openbell.core.state import RunRecord

_BRIEF = "SELECT id, state, opened_at, closed_at, session, paused, overdue FROM runs"
_NEWEST_FIRST = "ORDER BY opened_at DESC, number DESC, id DESC"
_COMPARED = 3  # ended runs whose tasks tell how long such tasks take
_MOST = 2_000  # tasks of each of them
_INSTANTS = frozenset({"opened_at", "overdue", "since", "decided_at", "started_at", "not_before"})


class Glance:
    """A look at the database of a project. Raises `StoreError` when it cannot be read."""

    def __init__(self, database: Path) -> None:
        _bring_up_to_date(database)
        self._connection = open_database(database)
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        self._connection.close()

    @property
    def schema(self) -> str:
        """The version of its tables."""
        return str(self._one("SELECT version_num FROM alembic_version"))

    def last(self) -> int:
        """Number of the newest journal entry."""
        return int(self._one("SELECT coalesce(max(seq), 0) FROM journal"))

    def names(self) -> list[str]:
        """The pipelines of which something has run."""
        return [row["name"] for row in self._rows("SELECT DISTINCT name FROM runs ORDER BY name")]

    def runs(self, name: str, limit: int) -> list[Brief]:
        """Runs of a pipeline, newest first."""
        return [
            _brief(row) for row in self._rows(f"{_BRIEF} WHERE name = ? {_NEWEST_FIRST} LIMIT ?", name, limit)
        ]

    def last_success(self, name: str) -> Brief | None:
        """The newest run of a pipeline that has succeeded."""
        query = f"{_BRIEF} WHERE name = ? AND state = ? {_NEWEST_FIRST} LIMIT 1"
        return next((_brief(row) for row in self._rows(query, name, RunState.SUCCEEDED.value)), None)

    def under_way(self) -> Iterator[RunRecord]:
        """The runs that have not ended, with their tasks, oldest first. Their inputs are left out."""
        for row in self._rows("SELECT * FROM runs WHERE closed_at IS NULL ORDER BY opened_at, id"):
            yield self._record(row)

    def durations(self, name: str) -> dict[str, Durations]:
        """How long tasks have taken in the last ended runs of a pipeline, by step."""
        found: dict[str, Durations] = {}
        ended = "SELECT id FROM runs WHERE name = ? AND closed_at IS NOT NULL"
        for run in self._rows(f"{ended} {_NEWEST_FIRST} LIMIT ?", name, _COMPARED):
            query = "SELECT step, elapsed FROM attempts WHERE run = ? AND elapsed IS NOT NULL LIMIT ?"
            for row in self._rows(query, run["id"], _MOST):
                found.setdefault(row["step"], Durations()).add(row["elapsed"])
        return found

    def missed(self, name: str) -> Missed | None:
        """The last occasion of a pipeline that no run answers for."""
        query = "SELECT last, reason, at FROM misses WHERE pipeline = ? ORDER BY at DESC, first DESC LIMIT 1"
        for row in self._rows(query, name):
            return Missed(row["last"], row["reason"], datetime.fromisoformat(row["at"]))
        return None

    def datasets(self) -> dict[str, Dataset]:
        """The last success of each data set."""
        query = "SELECT name, at, run, step, session FROM datasets"
        return {row["name"]: Dataset(*_values(row, {"at"}).values()) for row in self._rows(query)}

    def open_alerts(self) -> int:
        """How many alerts nobody has seen to."""
        unseen = "topic <> 'success' AND acknowledged_at IS NULL AND resolved_at IS NULL"
        return int(self._one(f"SELECT count(*) FROM alerts WHERE {unseen}"))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _record(self, run: sqlite3.Row) -> RunRecord:
        from openbell.store.loader import build

        by_run = "FROM {} WHERE run = ?"
        columns = "step, cell, state, tries, base, not_before, kind, flags"
        groups = [_values(row) for row in self._rows(f"SELECT * {by_run.format('groups')}", run["id"])]
        tasks = (
            tuple(_values(row).values())
            for row in self._rows(f"SELECT {columns} {by_run.format('tasks')}", run["id"])
        )
        ended = "SELECT step, elapsed FROM attempts WHERE run = ? AND elapsed IS NOT NULL"
        live = self._rows("SELECT * FROM attempts WHERE run = ? AND ended_at IS NULL", run["id"])
        last = self._one("SELECT max(ended_at) FROM attempts WHERE run = ?", run["id"])
        return build(
            _values(run),
            groups,
            tasks,
            map(_values, live),
            ((row["step"], row["elapsed"]) for row in self._rows(ended, run["id"])),
            datetime.fromisoformat(last) if last else None,
        )

    def _rows(self, query: str, *values: Any) -> Sequence[sqlite3.Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the store could not be read: {error}") from error

    def _one(self, query: str, *values: Any) -> Any:
        return self._rows(query, *values)[0][0]


def open_database(database: Path) -> sqlite3.Connection:
    """A connection that reads only. Raises `StoreError`."""
    try:
        connection = sqlite3.connect(
            f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None
        )
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise StoreError(f"the store {database.name} cannot be opened: {error}") from error
    return connection


def _bring_up_to_date(database: Path) -> None:
    """Tables of an older openbell are brought up to date. What is wrong is told as the store tells it."""
    newest = max(path.name[:4] for path in (Path(__file__).parent / "migrations" / "versions").glob("0*.py"))
    try:
        with open_database(database) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.close()
        if found is not None and found[0] == newest:
            return
    except (sqlite3.Error, StoreError):
        pass
    from openbell.store.sql import SqlStore

    SqlStore(f"sqlite:///{database}").close()


def _brief(row: sqlite3.Row) -> Brief:
    known = _values(row, {"opened_at", "closed_at", "overdue"})
    return Brief(**{**known, "state": RunState(known["state"])})


def _values(row: sqlite3.Row, instants: frozenset[str] | set[str] = _INSTANTS) -> dict[str, Any]:
    """The columns of a row, instants as such."""
    found: dict[str, Any] = dict(row)
    for name in instants & found.keys():
        found[name] = datetime.fromisoformat(found[name]) if found[name] else None
    return found
