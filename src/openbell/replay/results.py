"""Results as partitioned tables: every axis of the matrix is a key of the path, a retry replaces its file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl

from openbell.errors import DataError
from openbell.replay.layout import DATE, SUFFIX, written

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def write(
    name: str,
    frame: Any,
    output: str | Path,
    *,
    day: date | None = None,
    keys: Mapping[str, Any] | None = None,
    run: str = "",
    step: str = "",
) -> Path:
    """Write a frame (Polars, Arrow, pandas, or columns by name) as the table `namespace.table`.

    `<output>/<namespace>/<table>/Date=<day>/<key>=<value>/part-<run, step>.parquet`. The file appears whole
    or not at all. One of an earlier request of the same pipeline and step at the same place is replaced.
    Raises DataError for a column that contradicts the path.
    """
    namespace, dot, table = name.partition(".")
    if not dot or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(table):
        raise DataError(f"{name!r} cannot be a table", hint="`namespace.table`, of letters, digits, `_.-`")
    places = ({DATE: day} if day else {}) | dict(keys or {})
    rows = _without(name, as_polars(frame), places)
    folder = Path(output, namespace, table, *(f"{key}={written(value)}" for key, value in places.items()))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"part-{_encoded(run, step)}{SUFFIX}"
    _atomically(rows, target)
    _supersede(target, run, step)
    return target


def as_polars(frame: Any) -> pl.DataFrame:
    """The frame as Polars has it."""
    match frame:
        case pl.DataFrame():
            return frame
        case pl.LazyFrame():
            return frame.collect()
        case Mapping():
            return pl.DataFrame(dict(frame))
        case _ if hasattr(frame, "__arrow_c_stream__"):
            return pl.DataFrame(frame)
        case _:
            found = pl.DataFrame(frame)
            if not found.width:
                raise TypeError(f"a table is written from a frame, not from {type(frame).__name__}")
            return found


def _without(name: str, rows: pl.DataFrame, places: Mapping[str, Any]) -> pl.DataFrame:
    """The rows without the columns that the path holds. These have to say the same."""
    for key, value in places.items():
        if key not in rows.columns:
            continue
        found = set(rows.get_column(key).cast(pl.String, strict=False).unique().to_list())
        if found - {str(value)}:
            told = f"{name}: the column {key} holds {', '.join(sorted(map(str, found))[:3])}"
            raise DataError(f"{told}, and this task writes {key}={value}", hint=f"leave {key} out")
        rows = rows.drop(key)
    return rows


def _atomically(rows: pl.DataFrame, target: Path) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        rows.write_parquet(draft, compression="zstd")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def _encoded(run: str, step: str) -> str:
    return quote("/".join(filter(None, (run, step))), safe="") or "by-hand"


def _supersede(target: Path, run: str, step: str) -> None:
    """Take away what earlier requests of this pipeline wrote here, and drafts of attempts that died.

    Runs that triggers opened have keys of their own (a session, an instant): theirs stand side by side.
    """
    pipeline, _, number = run.rpartition("/")
    if not number.isdigit():
        return
    for other in target.parent.glob("part-*" + SUFFIX):
        name, _, its_step = unquote(other.name[len("part-") : -len(SUFFIX)]).rpartition("/")
        its_pipeline, _, its_number = name.rpartition("/")
        same = its_pipeline == pipeline and its_step == step
        if same and its_number.isdigit() and int(its_number) < int(number):
            other.unlink(missing_ok=True)
    for draft in target.parent.glob(f".{target.name}.*"):
        draft.unlink(missing_ok=True)
