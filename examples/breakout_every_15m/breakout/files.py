"""Files that are there whole, or not at all, and that two processes do not write at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl


def write(path: Path, rows: pl.DataFrame) -> bool:
    """Put a table in place in one step. Nothing is touched where it is the same already; returns whether."""
    if path.exists() and read(path).equals(rows):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    rows.write_parquet(draft)
    with draft.open("rb") as file:
        os.fsync(file)  # raw files are archived on the strength of this one
    draft.replace(path)
    return True


def read(path: Path) -> pl.DataFrame:
    """A table. Leaves with the file's name when it cannot be read.

    The file is opened once: by its name polars opens it twice, and another process may put a new one in
    place in between.
    """
    try:
        return pl.read_parquet(path.read_bytes())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time for this file. The kernel frees the lock with its holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
