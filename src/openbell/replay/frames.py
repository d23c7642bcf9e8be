"""Tables as lazy Polars frames: what batch mode sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from openbell.errors import DataError
from openbell.replay.layout import DATE, File, Folders, Table, values

_MAGIC = b"PAR1"
_LEAST = 12  # bytes of a Parquet file without anything in it


def frame(
    name: str,
    day: date | str | tuple[date | str | None, date | str | None] | None,
    folders: Folders | None = None,
    columns: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """The table `namespace.table` of a date, of a range (first, last), or of all dates (None).

    Rows are in file order. Keys in the paths below the date are columns; the date is one (`Date`) where
    more than one was asked for. Nothing but the ends of the files is read before it is collected. Raises
    DataError, naming the file or folder.
    """
    table = (folders or Folders.known()).table(name)
    one = isinstance(day, date | str)
    files = table.files(_date(day)) if isinstance(day, date | str) else _several(table, day)
    for file in files:
        check(file)
    found = _scan(table.name, files, dated=not one and files[0].day is not None)
    if columns is None:
        return found
    known = found.collect_schema().names()
    for column in columns:
        if column not in known:
            raise DataError(f"{files[0].path} has no column {column!r}", hint=f"it has {', '.join(known)}")
    return found.select(columns)


def _several(table: Table, days: tuple[date | str | None, date | str | None] | None) -> list[File]:
    first, last = days or (None, None)
    return table.between(_date(first), _date(last))


def _date(day: date | str | None) -> date | None:
    return date.fromisoformat(day) if isinstance(day, str) else day


def check(file: File) -> None:
    """Whether the file is whole: a write that was cut off has no end. Raises DataError."""
    try:
        with file.path.open("rb") as source:
            size = source.seek(0, 2)
            source.seek(max(0, size - len(_MAGIC)))
            ends = source.read() == _MAGIC
    except OSError as error:
        raise DataError(f"{file.path}: {(error.strerror or str(error)).lower()}") from None
    if size < _LEAST or not ends:
        raise DataError(f"{file.path} is no whole Parquet file: its end is missing", hint="write it anew")


def _scan(name: str, files: Sequence[File], *, dated: bool) -> pl.LazyFrame:
    """One frame over these files; the values in their paths are columns."""
    keys = values(files)
    paths = [str(file.path) for file in files]
    try:
        if not keys and not dated:
            return pl.scan_parquet(paths, hive_partitioning=False, glob=False)
        found = pl.scan_parquet(paths, hive_partitioning=False, glob=False, include_file_paths=_PATH)
        held = [key for key in keys if key in found.collect_schema()]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{name}: {paths[0]}: {error}") from None
    if held:
        raise DataError(f"{paths[0]} has the column {held[0]} inside as well as in its path")
    added = {_PATH: pl.Series(paths)}
    added |= {DATE: pl.Series([file.day for file in files])} if dated else {}
    added |= {key: pl.Series(column) for key, column in keys.items()}
    return found.join(pl.LazyFrame(added), on=_PATH, how="left", maintain_order="left").drop(_PATH)


_PATH = " path"
"""A column that is there only while the values of the paths are looked up."""
