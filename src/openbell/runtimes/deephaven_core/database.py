"""`db` of a worker of Enterprise, over tables of Parquet files in folders `Date=YYYY-MM-DD/<key>=<value>`.

What a script writes is read by every other worker, Python or Deephaven, and the other way round. Files
appear whole or not at all; a retry replaces its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from openbell.errors import DataError
from openbell.replay.layout import DATE, SUFFIX, Table, written
from openbell.runtimes.deephaven_core.machine import java
from openbell.runtimes.deephaven_core.settings import Settings
from openbell.runtimes.deephaven_core.timeline import Timeline

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SCHEMA = "_schema.json"
_AT = "__AvailableAt"


class Database:
    """The tables of a project, as a worker of Enterprise finds them."""

    def __init__(self, settings: Settings, timeline: Timeline) -> None:
        self._settings = settings
        self._timeline = timeline

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def live_table(self, namespace: str, table_name: str, is_blink: bool = False) -> Any:
        """The table of the script's date: in a replay as it arrives, else as a whole."""
        if is_blink:
            raise DataError("blink tables are not there on a laptop", hint="`is_blink=True` is Enterprise's")
        name = f"{namespace}.{table_name}"
        table = self._settings.folders.table(name)
        day, found = self._settings.day, None
        if table.dates() and day is not None:
            table.files(day)  # raises, naming the nearest date
            found = _read(table).where(f"{DATE} = `{day}`")
        else:
            found = _read(table)
        found = self._with_instants(found)
        return self._replayed(name, found) if self._settings.replay else found

    def historical_table(self, namespace: str, table_name: str) -> Any:
        """The whole table, every date of it; `Date` is a partitioning column."""
        name = f"{namespace}.{table_name}"
        return self._with_instants(_read(self._settings.folders.table(name)))

    def _with_instants(self, table: Any) -> Any:
        """Timestamps without a zone are UTC's: queries and replays need instants."""
        kinds = _kinds(table)
        wrong = [column for column, kind in kinds.items() if kind == "java.time.LocalDateTime"]
        return table.update_view([f"{one} = toInstant({one}, 'UTC')" for one in wrong]) if wrong else table

    def _replayed(self, name: str, table: Any) -> Any:
        from deephaven.table import Table as Deephaven

        column = self._timestamps(name, table)
        rows = table.where(f"!isNull({column})")
        if lost := table.size - rows.size:
            _say(f"{name}: {lost} rows without {column} are left out")
        if self._settings.sorted:
            rows = rows.sort(column)
        at = column
        if wait := self._settings.available_after.get(name):
            rows, at = rows.update_view(f"{_AT} = {column} + {wait}L"), _AT
        arriving = Deephaven(self._timeline.replay(name, rows.j_table, at, _last(rows, at)))
        return arriving.drop_columns(_AT) if at == _AT else arriving

    def _timestamps(self, name: str, table: Any) -> str:
        """The column of timestamps: the one that is named, `Timestamp`, or the only one there is."""
        kinds = _kinds(table)
        instants = [column for column, kind in kinds.items() if kind == "java.time.Instant"]
        wanted = self._settings.timestamp_columns.get(name)
        found = wanted or (
            "Timestamp" if "Timestamp" in instants else instants[0] if len(instants) == 1 else ""
        )
        if found in instants:
            return found
        told = (
            f"{name} has no timestamp column {wanted!r}"
            if wanted
            else f"{name}: which column is its timestamp?"
        )
        hint = f"`timestamp_columns: {{{name}: column}}`; instants are: {', '.join(instants) or 'none'}"
        raise DataError(told, hint=hint)

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def add_partitioned_table_schema(
        self, namespace: str, table_name: str, column_partition: str, table: Any
    ) -> None:
        """Make a table of results, with the columns of this one. Raises when it exists."""
        folder = self._folder(namespace, table_name)
        kinds = {column: kind for column, kind in _kinds(table).items() if column != column_partition}
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{os.getpid()}")
        draft.write_text(json.dumps({"partition": column_partition, "columns": kinds}, indent=1) + "\n")
        made = _linked(draft, folder / _SCHEMA)
        draft.unlink()
        if not made:
            raise _error(f"Table {namespace}.{table_name} already exists")

    def add_table_partition(
        self, namespace: str, table_name: str, column_partition_value: str, table: Any
    ) -> None:
        """Write the rows as this partition of the table; a file of an earlier attempt is replaced."""
        folder = self._folder(namespace, table_name)
        name = f"{namespace}.{table_name}"
        schema = self._schema(name, folder)
        key = schema["partition"]
        rows = table.drop_columns(key) if key in _kinds(table) else table
        _check(name, _kinds(rows), schema["columns"])
        target = folder / f"{key}={written(column_partition_value)}" / f"part-{self._settings.part}{SUFFIX}"
        target.parent.mkdir(exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{os.getpid()}{SUFFIX}")
        try:
            from deephaven import parquet

            parquet.write(
                rows.snapshot() if rows.is_refreshing else rows, str(draft), compression_codec_name="ZSTD"
            )
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise

    def delete_partitioned_table(self, namespace: str, table_name: str) -> None:
        """Take a table of results away, all of its partitions. Raises when it does not exist."""
        folder = self._folder(namespace, table_name)
        gone = folder.with_name(f".{folder.name}.{os.getpid()}.deleted")
        if not _renamed(folder, gone):
            raise _error(f"Table {namespace}.{table_name} does not exist: {folder}")
        shutil.rmtree(gone)

    def _folder(self, namespace: str, table_name: str) -> Path:
        """Where a table of results lies. The folders of `data:` are never written to."""
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(table_name):
            raise _error(f"{namespace}.{table_name} cannot be a table: names are of letters, digits, `_.-`")
        if not self._settings.folders.output:
            raise DataError("there is no folder for results", hint="by hand, set OPENBELL_OUTPUT")
        return Path(self._settings.folders.output, namespace, table_name)

    def _schema(self, name: str, folder: Path) -> dict[str, Any]:
        if not (folder / _SCHEMA).is_file():
            raise _error(f"Table {name} does not exist: add_partitioned_table_schema comes first")
        found: dict[str, Any] = json.loads((folder / _SCHEMA).read_text())
        return found


def _read(table: Table) -> Any:
    """The table of these files, with the keys of their paths as partitioning columns."""
    from deephaven import parquet
    from deephaven.parquet import ParquetFileLayout

    table.between(None, None)  # raises for one without files, or with files of different keys
    return parquet.read(str(table.folder), file_layout=ParquetFileLayout.KV_PARTITIONED)


def _kinds(table: Any) -> dict[str, str]:
    """The Java type of each column, by name."""
    columns = table.j_table.getDefinition().getColumnsArray()
    return {str(one.getName()): str(one.getDataType().getName()) for one in columns}


def _last(rows: Any, column: str) -> int | None:
    """The timestamp of the last row in nanoseconds; None without rows."""
    if not rows.size:
        return None
    key = rows.j_table.getRowSet().lastRowKey()
    found = rows.j_table.getColumnSource(column).get(key)
    return int(java("io.deephaven.time.DateTimeUtils").epochNanos(found))


def _check(name: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise when the columns are not those of the table."""
    if dict(found) == dict(wanted):
        return
    wrong = [f"{one} is missing" for one in wanted if one not in found]
    wrong += [f"{one} is none of its columns" for one in found if one not in wanted]
    wrong += [
        f"{one} is {found[one]}, not {wanted[one]}"
        for one in found
        if wanted.get(one, found[one]) != found[one]
    ]
    raise _error(f"Table {name} has other columns: {'; '.join(wrong) or 'in another order'}")


def _linked(source: Path, target: Path) -> bool:
    """Whether the file has got this name: of several that want it, one does."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    return True


def _renamed(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except FileNotFoundError:
        return False
    return True


def _error(told: str) -> Exception:
    """What a script may expect to catch. Not made in a handler: it would take that error for its cause."""
    from deephaven import DHError

    return DHError(message=told)  # type: ignore[no-any-return]


def _say(told: str) -> None:
    sys.stderr.write(told + "\n")
