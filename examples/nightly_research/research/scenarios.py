"""What the book of today would lose: in moves that we think up, and in those that have happened."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from research.desk import Stress, Window
from research.measures import YEAR, beta
from research.prices import span

YOUNGEST = 60  # returns from which a beta is believed


def wide_returns(prices: pl.DataFrame) -> pl.DataFrame:
    """Date, one column of returns a ticker, and `Market`: the mean of those that were listed."""
    wide = prices.pivot("Ticker", index="Date", values="Return", sort_columns=True).sort("Date")
    return wide.with_columns(Market=pl.mean_horizontal(pl.exclude("Date"))).drop_nulls("Market")


def betas(returns: pl.DataFrame, tickers: list[str]) -> dict[str, float]:
    """The beta of each stock to the market over the last year, or as much of it as there is."""
    found = {}
    for ticker in tickers:
        known = returns.tail(YEAR).select(ticker, "Market").drop_nulls()
        if known.height < YOUNGEST:
            told = f"{ticker} has {known.height} returns in the last year, and a beta needs {YOUNGEST}"
            raise ValueError(f"{told}: load more history")
        found[ticker] = beta(known[ticker], known["Market"])
    return found


def stressed(
    stresses: list[Stress], values: dict[str, float], sensitivity: dict[str, float], session: date
) -> pl.DataFrame:
    """Each stress for each holding. `values`: what is held, in dollars."""
    return _rows(
        [
            ("stress", one.name, session, session, ticker, one.stocks.get(ticker, b * one.market), False)
            for one in stresses
            for ticker, b in sensitivity.items()
        ],
        values,
    )


def relived(
    windows: list[Window],
    returns: pl.DataFrame,
    values: dict[str, float],
    sensitivity: dict[str, float],
    kind: str = "history",
) -> pl.DataFrame:
    """Each window of history for each holding, as if it came again tomorrow.

    A stock that was not listed then moves by its beta of today with the market (`Proxy`).
    """
    rows = []
    for window in windows:
        days = returns.filter((pl.col("Date") > window.start) & (pl.col("Date") <= window.end))
        if not days.height or window.start < span(returns)[0]:
            continue  # not in this history
        for ticker, b in sensitivity.items():
            proxy = days[ticker].null_count() > 0
            moves = days["Market"] * b if proxy else days[ticker]
            shock = float((1 + moves).product()) - 1
            rows.append((kind, window.name, window.start, window.end, ticker, shock, proxy))
    return _rows(rows, values)


def worst_windows(
    lengths: list[int], returns: pl.DataFrame, values: dict[str, float], sensitivity: dict[str, float]
) -> list[Window]:
    """For each length in sessions, the stretch of history in which the book of today would have lost most."""
    before = returns["Date"].shift(1)
    found = []
    for length in lengths:
        losses = pl.sum_horizontal(
            ((1 + pl.col(ticker).fill_null(pl.col("Market") * b)).log().rolling_sum(length).exp() - 1)
            * values[ticker]
            for ticker, b in sensitivity.items()
        )
        pnl = returns.select(losses.alias("PnL"))["PnL"]
        valid = pnl[length:]  # the first return of all has no date before it
        if not len(valid):
            continue
        last = length + int(valid.arg_min() or 0)
        name = f"worst {length} session{'s' if length > 1 else ''}"
        found.append(Window(name, before[last - length + 1], returns["Date"][last]))
    return found


def _rows(rows: Sequence[tuple[object, ...]], values: dict[str, float]) -> pl.DataFrame:
    schema = {
        "Kind": pl.String,
        "Scenario": pl.String,
        "From": pl.Date,
        "To": pl.Date,
        "Ticker": pl.String,
        "Shock": pl.Float64,
        "Proxy": pl.Boolean,
    }
    return (
        pl.DataFrame(rows, schema, orient="row")
        .with_columns(Value=pl.col("Ticker").replace_strict(values, return_dtype=pl.Float64, default=None))
        .with_columns(PnL=pl.col("Value") * pl.col("Shock"))
    )
