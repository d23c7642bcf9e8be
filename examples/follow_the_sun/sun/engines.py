"""Engines: from features to signals, from signals to a universe, from a universe to a book."""

import numpy as np
import polars as pl

from sun.features import YEAR

RECENT = 5  # sessions of the reversal; momentum looks at the others of the window
CLIP = 2.0  # standard deviations beyond which a score counts no more
LEAST_TRADED = 5_000_000  # a day, in the market's currency
MOST_VOLATILE = 0.60  # a year


def signals(windows: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Symbol, Momentum, Reversal, Calm (z-scores across the market), Signal (their mean)."""
    window = pl.col("Window").list
    raw = windows.join(profiles, on="Symbol").select(
        "Symbol",
        Momentum=window.head(window.len() - RECENT).list.sum(),
        Reversal=-window.tail(RECENT).list.sum(),
        Calm=-pl.col("Idiosyncratic"),
    )
    scores = pl.exclude("Symbol")
    scored = raw.with_columns(((scores - scores.mean()) / scores.std()).clip(-CLIP, CLIP))
    return scored.with_columns(Signal=pl.mean_horizontal("Momentum", "Reversal", "Calm")).sort("Symbol")


def universe(signals: pl.DataFrame, profiles: pl.DataFrame, vols: pl.DataFrame) -> pl.DataFrame:
    """All symbols with their Signal, and why one is left out (`Out`; null for those that are in)."""
    known = profiles.join(vols, on="Symbol").join(signals, on="Symbol", how="left")
    reason = (
        pl.when(pl.col("Signal").is_null()).then(pl.lit("no signal"))
        .when(pl.col("Traded") < LEAST_TRADED).then(pl.lit("traded too little"))
        .when(pl.col("Ewma") > MOST_VOLATILE).then(pl.lit("too volatile"))
    )  # fmt: skip
    return known.select("Symbol", "Signal", "Ewma", "Beta_Market", Out=reason).sort("Symbol")


def book(universe: pl.DataFrame) -> pl.DataFrame:
    """Symbol, Weight: signal by volatility, without net exposure and without beta, 1 in all.

    What points along net exposure or beta is taken out (a projection), the rest is scaled.
    """
    inside = universe.filter(pl.col("Out").is_null())
    if inside.height < 3:
        raise SystemExit(f"{inside.height} symbols are left in the universe: too few for a book")
    wish = (inside["Signal"] / inside["Ewma"]).to_numpy()
    barred = np.column_stack([np.ones(len(wish)), inside["Beta_Market"].to_numpy()])
    along, *_ = np.linalg.lstsq(barred, wish, rcond=None)
    weight = wish - barred @ along
    return pl.DataFrame({"Symbol": inside["Symbol"], "Weight": weight / np.abs(weight).sum()})


def volatility_of(book: pl.DataFrame, moves: pl.DataFrame) -> float:
    """What the book's volatility would have been over these returns (Symbol, Date, Return), annualised."""
    daily = moves.join(book, on="Symbol").group_by("Date").agg((pl.col("Return") * pl.col("Weight")).sum())
    return float(daily.select(pl.col("Return").std() * YEAR**0.5).item())


def global_book(books: dict[str, pl.DataFrame], vols: dict[str, float], target: float) -> pl.DataFrame:
    """Market, Symbol, Weight: each market's book with the same risk, and `target` volatility in all.

    The markets' books are taken as uncorrelated, as they have neither net exposure nor beta.
    """
    each = target / len(books) ** 0.5
    return pl.concat(
        book.select(pl.lit(market).alias("Market"), "Symbol", pl.col("Weight") * (each / vols[market]))
        for market, book in sorted(books.items())
    )
