"""Features: numbers about each symbol, from prices and factors up to a session."""

import math

import numpy as np
import polars as pl

YEAR = 252
DECAY = 0.94  # of the exponentially weighted variance, a day
WINDOW = 60  # sessions of a numeric window
LIQUID = 20  # sessions over which traded value is averaged
FACTORS = ["Market", "Size", "Value"]


def returns(prices: pl.DataFrame) -> pl.DataFrame:
    """Symbol, Date, Return: simple daily returns."""
    change = pl.col("Close").pct_change().over("Symbol", order_by="Date")
    return prices.sort("Symbol", "Date").select("Symbol", "Date", Return=change).drop_nulls()


def volatility(prices: pl.DataFrame) -> pl.DataFrame:
    """Symbol, Ewma (of close to close), Parkinson (of the day's range): annualised, at the last session."""
    squares = returns(prices).with_columns(pl.col("Return") ** 2)
    weighted = squares.group_by("Symbol").agg(
        Ewma=(pl.col("Return").sort_by("Date").ewm_mean(alpha=1 - DECAY, adjust=True).last() * YEAR).sqrt()
    )
    span = (pl.col("High") / pl.col("Low")).log() ** 2
    ranged = prices.group_by("Symbol").agg(
        Parkinson=(span.sort_by("Date").tail(LIQUID).mean() / (4 * math.log(2)) * YEAR).sqrt()
    )
    return weighted.join(ranged, on="Symbol").sort("Symbol")


def numeric_windows(moves: pl.DataFrame, vols: pl.DataFrame) -> pl.DataFrame:
    """Symbol, Window: the last returns in units of the symbol's daily volatility, oldest first.

    A symbol with a hole in its window has none.
    """
    days = moves["Date"].unique().sort().tail(WINDOW)
    daily = pl.col("Ewma") / math.sqrt(YEAR)
    scaled = moves.filter(pl.col("Date").is_in(days.implode())).join(vols, on="Symbol")
    windows = (
        scaled.sort("Symbol", "Date")
        .group_by("Symbol", maintain_order=True)
        .agg(Window=pl.col("Return") / daily)
    )
    return windows.filter(pl.col("Window").list.len() == WINDOW)


def profiles(moves: pl.DataFrame, factors: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Symbol, its betas to the factors, Idiosyncratic volatility, Fit (R squared), Traded value a day.

    One least-squares regression for all symbols that have every session.
    """
    wide = moves.pivot("Symbol", index="Date", values="Return", sort_columns=True).sort("Date")
    wide = wide.select(column for column in wide if column.null_count() == 0)
    joined = wide.join(factors, on="Date").sort("Date")
    symbols = wide.columns[1:]
    y = joined.select(symbols).to_numpy()
    x = np.column_stack([np.ones(len(y)), joined.select(FACTORS).to_numpy()])
    loads, *_ = np.linalg.lstsq(x, y, rcond=None)
    rest = y - x @ loads
    freedom = len(y) - x.shape[1]
    fit = 1 - (rest**2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    found = pl.DataFrame(
        {
            "Symbol": symbols,
            **{f"Beta_{name}": loads[row] for row, name in enumerate(FACTORS, 1)},
            "Idiosyncratic": np.sqrt((rest**2).sum(axis=0) / freedom * YEAR),
            "Fit": fit,
        }
    )
    value = (pl.col("Close") * pl.col("Volume")).sort_by("Date").tail(LIQUID).mean()
    return found.join(prices.group_by("Symbol").agg(Traded=value), on="Symbol").sort("Symbol")
