"""One stock in numbers: over the last year, over all its history, and in the windows of the scenarios."""

from typing import Any

import polars as pl

from research import measures
from research.scenarios import YOUNGEST

LEVELS = (0.95, 0.99)


def last_indicators(table: pl.DataFrame) -> dict[str, Any]:
    """The newest value of each indicator."""
    return table.drop("Ticker", "Volume", "Return").row(-1, named=True)


def statistics(returns: pl.DataFrame, ticker: str) -> dict[str, Any]:
    """Measures of the last year, the deepest fall of all its history, correlations with the other stocks.

    `returns`: Date, a column a ticker, `Market`.
    """
    year = returns.tail(measures.YEAR)
    own = year[ticker].drop_nulls()
    if len(own) < YOUNGEST:
        raise ValueError(f"{ticker} has {len(own)} returns in the last year; {YOUNGEST} are needed")
    pairs = {
        other: year.select(ticker, pl.col(other).alias("Other")).drop_nulls() for other in year.columns[1:]
    }
    return {
        "returns": len(own),
        "growth": measures.growth(own),
        "volatility": measures.volatility(own),
        "sharpe": measures.sharpe(own),
        "sortino": measures.sortino(own),
        "drawdown": measures.drawdown(own),
        "drawdown of all its history": measures.drawdown(returns[ticker].drop_nulls()),
        "beta": measures.beta(pairs["Market"][ticker], pairs["Market"]["Other"]),
        **{f"value at risk {level:.0%}": measures.value_at_risk(own, level) for level in LEVELS},
        **{f"shortfall {level:.0%}": measures.shortfall(own, level) for level in LEVELS},
        "correlations": {
            other: measures.correlation(pair[ticker], pair["Other"])
            for other, pair in pairs.items()
            if other != ticker and pair.height >= YOUNGEST
        },
    }


def in_windows(returns: pl.DataFrame, ticker: str, scenarios: pl.DataFrame) -> list[dict[str, Any]]:
    """How the stock went through each window of history; not those before it was listed."""
    found = []
    windows = scenarios.filter(pl.col("Kind") != "stress").unique("Scenario", maintain_order=True)
    for name, start, end in windows.select("Scenario", "From", "To").iter_rows():
        own = returns.filter((pl.col("Date") > start) & (pl.col("Date") <= end))[ticker]
        if own.null_count() == 0:
            found.append(
                {
                    "scenario": name,
                    "total": measures.total(own),
                    "drawdown": measures.drawdown(own),
                    "volatility": measures.volatility(own) if len(own) > 1 else None,
                }
            )
    return found
