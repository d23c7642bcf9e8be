"""Daily prices: the vendor's file, what is wrong with it, the desk's own store, adjusted prices.

The vendor's prices are as traded; beside them stands a close that is adjusted for splits and
dividends. The store keeps one Parquet file a year, so that a night's update touches one file.
"""

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from research.files import write

SCHEMA = {
    "Ticker": pl.String,
    "Date": pl.Date,
    "Open": pl.Float64,
    "High": pl.Float64,
    "Low": pl.Float64,
    "Close": pl.Float64,
    "Volume": pl.Int64,
    "Adj Close": pl.Float64,
}
PRICES = ["Open", "High", "Low", "Close", "Adj Close"]

SPLIT = 1.3  # a jump of the adjustment by more than this is a split; dividends move it by a few percent
JUMP = 0.25  # an adjusted return beyond this is worth a look


class BadFeed(Exception):
    """There are no prices that could be used; the message says where and why."""


def read_feed(path: Path) -> pl.DataFrame:
    """All rows of the vendor's file. Raises `BadFeed` for a file that is cut off or holds impossible rows."""
    try:
        text = gzip.decompress(path.read_bytes())
        rows = pl.read_csv(text, schema=SCHEMA, null_values=[""])
    except FileNotFoundError:
        raise BadFeed(f"{path}: there is no such file") from None
    except (EOFError, OSError) as error:
        raise BadFeed(f"{path}: the file is cut off or damaged: {error}") from None
    except pl.exceptions.PolarsError as error:
        raise BadFeed(f"{path}: {str(error).splitlines()[0]}") from None
    impossible = {
        "has no value in some column": pl.any_horizontal(pl.all().is_null()),
        "has a price that is not above zero": pl.any_horizontal(pl.col(PRICES) <= 0),
        "has a high below its low": pl.col("High") < pl.col("Low"),
        "occurs twice": pl.struct("Ticker", "Date").is_duplicated(),
    }
    for what, condition in impossible.items():
        bad = rows.with_row_index("line", offset=2).filter(condition)
        if bad.height:
            line, ticker, day = bad.row(0)[:3]
            more = f" (and {bad.height - 1} more)" if bad.height > 1 else ""
            raise BadFeed(f"{path}, line {line}: the row of {ticker} on {day} {what}{more}")
    return rows.sort("Ticker", "Date")


def span(rows: pl.DataFrame) -> tuple[date, date]:
    """The first and the last date."""
    return rows.select(pl.col("Date").min(), pl.col("Date").max().alias("Last")).row(0)


def with_changes(prices: pl.DataFrame) -> pl.DataFrame:
    """With the adjusted `Return` of each row, and the `Ratio` by which its adjustment has changed."""
    factor = pl.col("Adj Close") / pl.col("Close")
    return prices.with_columns(
        Return=pl.col("Adj Close").pct_change().over("Ticker"),
        Ratio=(factor / factor.shift(1)).over("Ticker"),
    )


def splits(prices: pl.DataFrame) -> pl.DataFrame:
    """Ticker, Date, Ratio of each split: 2.0 where one share became two."""
    jumped = (pl.col("Ratio") > SPLIT) | (pl.col("Ratio") < 1 / SPLIT)
    return with_changes(prices).filter(jumped).select("Ticker", "Date", pl.col("Ratio").round(2))


def quality(prices: pl.DataFrame, sessions: list[date]) -> dict[str, Any]:
    """What a person should know about these prices. `sessions`: when the market was open, in order."""
    calendar = pl.DataFrame({"Date": sessions})
    expected = prices.group_by("Ticker").agg(pl.col("Date").min().alias("Since")).join(calendar, how="cross")
    expected = expected.filter(pl.col("Date") >= pl.col("Since"))
    outside = (pl.max_horizontal("Open", "Close") > pl.col("High")) | (
        pl.min_horizontal("Open", "Close") < pl.col("Low")
    )
    changes = with_changes(prices)
    findings = {
        "splits": splits(prices),
        "jumps": changes.filter(pl.col("Return").abs() > JUMP).select(
            "Ticker", "Date", pl.col("Return").round(4)
        ),
        "missing sessions": expected.join(prices, on=["Ticker", "Date"], how="anti").select("Ticker", "Date"),
        "not a session": prices.join(calendar, on="Date", how="anti").select("Ticker", "Date"),
        "outside the day's range": prices.filter(outside).select("Ticker", "Date"),
        "without volume": prices.filter(pl.col("Volume") <= 0).select("Ticker", "Date"),
    }
    first, last = span(prices)
    return {
        "rows": prices.height,
        "first": first,
        "last": last,
        "tickers": prices["Ticker"].unique().sort().to_list(),
        "findings": {
            what: rows.sort("Ticker", "Date").to_dicts() for what, rows in findings.items() if rows.height
        },
    }


def update(store: Path, rows: pl.DataFrame) -> int:
    """Bring rows into the store, in place of those it has for the same ticker and date.

    Doing it again changes nothing. Returns how many rows are new or different.
    """
    changed = 0
    for (year,), fresh in rows.group_by(pl.col("Date").dt.year(), maintain_order=True):
        path = store / f"{year}.parquet"
        known = pl.read_parquet(path) if path.exists() else rows.clear()
        merged = pl.concat([known, fresh]).unique(["Ticker", "Date"], keep="last").sort("Ticker", "Date")
        if different := merged.join(known, on=merged.columns, how="anti").height:
            write(path, merged)
            changed += different
    return changed


def stored(store: Path, session: date | None) -> pl.DataFrame:
    """What the store holds up to a session (or in all), as traded. Raises `BadFeed` when that is nothing."""
    files = sorted(store.glob("*.parquet"))
    rows = pl.concat([pl.read_parquet(path) for path in files]) if files else pl.DataFrame(schema=SCHEMA)
    rows = rows.filter(pl.col("Date") <= session) if session else rows
    if rows.is_empty():
        raise BadFeed(f"{store} holds no prices{f' up to {session}' if session else ''}: load.py loads some")
    return rows.sort("Ticker", "Date")


def adjusted(prices: pl.DataFrame) -> pl.DataFrame:
    """Ticker, Date, Open, High, Low, Close, Volume, Return as somebody saw them on the last of these dates.

    Splits and dividends of later dates are unknown on that date: the adjustment is taken back to it, so
    that the last close is the one that was traded.
    """
    factor = pl.col("Adj Close") / pl.col("Close")
    seen = (factor / factor.last()).over("Ticker")
    return prices.with_columns(pl.col("Open", "High", "Low", "Close") * seen).select(
        "Ticker",
        "Date",
        "Open",
        "High",
        "Low",
        "Close",
        "Volume",
        pl.col("Close").pct_change().over("Ticker").alias("Return"),
    )
