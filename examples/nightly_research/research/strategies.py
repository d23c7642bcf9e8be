"""Rules that say, from what was known at a close, what to hold from then on; and what they would have earned.

A rule is an expression over the indicators of one stock: 1 to hold it, 0 to stay in cash, null while
it cannot say. What it says at a close is held from the next session on.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

TOP = 2  # stocks that the momentum rule holds


def sma_cross() -> pl.Expr:
    """An equal part in each stock whose average of 50 sessions is above that of 200."""
    return (pl.col("SMA_50") > pl.col("SMA_200")) / pl.col("Listed")


def momentum() -> pl.Expr:
    """On the first session of a month: the strongest over the year before the last month, if they rose."""
    chosen = ((pl.col("Rank") <= TOP) & (pl.col("Momentum") > 0)) / TOP
    return pl.when("Month_Turns").then(chosen).forward_fill().over("Ticker")


def mean_reversion() -> pl.Expr:
    """An equal part in each stock: bought below its lower Bollinger band, sold at the middle."""
    low, mid = pl.col("Close") < pl.col("Band_Low"), pl.col("Close") >= pl.col("Band_Mid")
    signal = pl.when(low).then(1.0).when(mid).then(0.0)
    return signal.forward_fill().over("Ticker") / pl.col("Listed")


RULES: dict[str, Callable[[], pl.Expr]] = {
    "sma_cross": sma_cross,
    "momentum": momentum,
    "mean_reversion": mean_reversion,
}
STRATEGIES = ["buy_and_hold", *RULES]


def grown_up(metrics: pl.DataFrame) -> pl.DataFrame:
    """The rows of stocks that are old enough for every rule.

    With what a rule cannot see from one stock: how many are `Listed` on the date, its `Rank` by momentum.
    """
    month = pl.col("Date").dt.month()
    turns = metrics.with_columns(Month_Turns=(month != month.shift(1)).over("Ticker"))
    old = turns.filter(pl.col("SMA_200").is_not_null() & pl.col("Momentum").is_not_null())
    rank = pl.col("Momentum").rank(descending=True)
    return old.with_columns(Listed=pl.len().over("Date"), Rank=rank.over("Date"))


def holdings(name: str, metrics: pl.DataFrame) -> pl.DataFrame:
    """Date and, a column each ticker, the part of the money that is in it during that session.

    `metrics`: indicators of all stocks, one after the other. All strategies begin with the same session:
    the first one before which a rule could speak.
    """
    old = grown_up(metrics)
    if not old.height:
        raise ValueError("no stock has the year of prices that the rules look back on")
    start = old["Date"].min()
    wide = _wide(metrics, "Close")
    if name == "buy_and_hold":
        parts = _bought_once(wide, start)
    else:
        said = old.select("Date", "Ticker", Part=RULES[name]())
        parts = _wide(said, "Part").join(wide.select("Date"), on="Date", how="right")
        parts = parts.select(
            pl.col("Date"),
            *[
                pl.col(ticker).shift(1) if ticker in parts.columns else pl.lit(None, pl.Float64).alias(ticker)
                for ticker in wide.columns[1:]
            ],
        )
    return parts.filter(pl.col("Date") > start).fill_null(0.0)


def _bought_once(closes: pl.DataFrame, start: object) -> pl.DataFrame:
    """Equal amounts of every stock that is listed at the close of `start`, and never a trade again."""
    paid = closes.filter(pl.col("Date") == start).row(0, named=True)
    listed = [ticker for ticker in closes.columns[1:] if paid[ticker] is not None]
    worth = closes.select("Date", *[pl.col(ticker).shift(1) / paid[ticker] for ticker in listed])
    total = pl.sum_horizontal(listed)
    never = [pl.lit(0.0).alias(ticker) for ticker in closes.columns[1:] if ticker not in listed]
    return worth.with_columns(pl.col(listed) / total, *never).select(closes.columns)


def backtest(parts: pl.DataFrame, metrics: pl.DataFrame, cost: float) -> pl.DataFrame:
    """Date, Return (after costs), Turnover and Cost of each session, all as parts of the money at its start.

    Between sessions holdings drift with their prices; what differs from that is traded, at `cost`.
    """
    moves = _wide(metrics, "Return").join(parts.select("Date"), on="Date", how="semi").fill_null(0.0)
    weight, move = (frame.drop("Date").to_numpy() for frame in (parts, moves))
    gross = (weight * move).sum(axis=1)
    drifted = weight * (1 + move) / (1 + gross)[:, None]
    before = np.vstack([np.zeros(weight.shape[1]), drifted[:-1]])
    turnover = np.abs(weight - before).sum(axis=1)
    return pl.DataFrame(
        {
            "Date": parts["Date"],
            "Return": gross - cost * turnover,
            "Turnover": turnover,
            "Cost": cost * turnover,
        }
    )


def _wide(metrics: pl.DataFrame, column: str) -> pl.DataFrame:
    return metrics.pivot("Ticker", index="Date", values=column, sort_columns=True).sort("Date")
