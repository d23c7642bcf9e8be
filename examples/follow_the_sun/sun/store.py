"""Tables of the desk: `out/<market>/<table>/<session>.parquet`, each there whole, or not at all."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

FEED, OUT = Path("feed"), Path("out")


def table(market: str, name: str, session: date) -> Path:
    """Where a table of a session is."""
    return OUT / market / name / f"{session}.parquet"


def write(market: str, name: str, session: date, rows: pl.DataFrame) -> None:
    """Put a table in place in one step; one that is there already is replaced."""
    path = table(market, name, session)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    rows.write_parquet(draft)
    draft.replace(path)


def read(market: str, name: str, session: date) -> pl.DataFrame:
    """A table of a session."""
    path = table(market, name, session)
    if not path.exists():
        raise SystemExit(f"{path} is not there: the job that makes it has not run for {session}")
    return pl.read_parquet(path)


def history(market: str, name: str, sessions: Sequence[date]) -> pl.DataFrame:
    """The tables of several sessions, one after the other."""
    return pl.concat([read(market, name, session) for session in sessions])


def newest(market: str, name: str, session: date) -> date | None:
    """The last session, up to this one, of which there is such a table."""
    known = (date.fromisoformat(path.stem) for path in (OUT / market / name).glob("[0-9]*.parquet"))
    return max((day for day in known if day <= session), default=None)
