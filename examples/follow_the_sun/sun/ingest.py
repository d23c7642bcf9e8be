"""Ingestion: what the vendor has sent of a session, checked, into the desk's tables."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from sun.store import FEED, table, write

COVERAGE = 0.9  # of the symbols of the session before


def ingest_prices(market: str, sessions: Sequence[date]) -> int:
    """Prices of these sessions, as far as they are not there yet; the last one anew. Returns the rows."""
    rows = _of(market, "prices", sessions)
    _check(market, rows, sessions[-1])
    return _store(market, "prices", rows, sessions)


def ingest_factors(market: str, sessions: Sequence[date]) -> int:
    """Returns of the market's factors, likewise."""
    rows = _of(market, "factors", sessions)
    if bad := rows.filter(pl.any_horizontal(pl.exclude("Date").is_null())).height:
        raise SystemExit(f"feed of {market}: {bad} rows of factors without a value")
    return _store(market, "factors", rows, sessions)


def _of(market: str, name: str, sessions: Sequence[date]) -> pl.DataFrame:
    path = FEED / market / f"{name}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is not there: `python synthesize.py` makes a synthetic feed")
    try:
        rows = pl.read_parquet(path).filter(pl.col("Date").is_between(sessions[0], sessions[-1]))
    except pl.exceptions.PolarsError as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None
    if missing := sorted(set(sessions) - set(rows["Date"])):
        raise SystemExit(f"{path} has nothing of {', '.join(map(str, missing[:3]))}")
    return rows


def _check(market: str, rows: pl.DataFrame, session: date) -> None:
    """Rows that cannot be, and symbols that have gone."""
    faults = {
        "without a value": pl.any_horizontal(pl.all().is_null()),
        "with a price that is not above zero": pl.min_horizontal("Open", "High", "Low", "Close") <= 0,
        "with a high below the low": pl.col("High") < pl.col("Low"),
        "that occur twice": pl.struct("Symbol", "Date").is_duplicated(),
    }
    for what, condition in faults.items():
        bad = rows.filter(condition)
        if bad.height:
            raise SystemExit(
                f"feed of {market}: {bad.height} prices {what}, the first: {bad.row(0, named=True)}"
            )
    count = rows.group_by("Date").len().sort("Date")["len"]
    if len(count) > 1 and count[-1] < COVERAGE * count[-2]:
        raise SystemExit(
            f"feed of {market}: {count[-1]} symbols on {session}, {count[-2]} on the session before"
        )


def _store(market: str, name: str, rows: pl.DataFrame, sessions: Sequence[date]) -> int:
    wanted = [day for day in sessions if day == sessions[-1] or not table(market, name, day).exists()]
    for day in wanted:
        write(market, name, day, rows.filter(pl.col("Date") == day))
    return rows.filter(pl.col("Date").is_in(wanted)).height
