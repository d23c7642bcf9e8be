"""What a strategy has earned, in numbers, and which was best."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from research import measures


def assess(name: str, curve: pl.DataFrame, scenarios: pl.DataFrame) -> dict[str, Any]:
    """Measures of one strategy. `curve`: Date, Return after costs, Turnover, Cost."""
    returns = curve["Return"]
    fall = measures.drawdown(returns)
    growth = measures.growth(returns)
    return {
        "strategy": name,
        "total": measures.total(returns),
        "growth": growth,
        "volatility": measures.volatility(returns),
        "sharpe": measures.sharpe(returns),
        "sortino": measures.sortino(returns),
        "drawdown": fall,
        "calmar": growth / -fall if fall else 0.0,
        "turnover": float(curve["Turnover"].sum()) * measures.YEAR / curve.height,
        "costs": float(curve["Cost"].sum()),
        "scenarios": _through(curve, scenarios),
    }


def _through(curve: pl.DataFrame, scenarios: pl.DataFrame) -> dict[str, float]:
    """Its return in each window of history that lies within the backtest."""
    windows = scenarios.filter((pl.col("Kind") != "stress") & (pl.col("From") >= curve["Date"].min()))
    return {
        name: measures.total(curve.filter((pl.col("Date") > start) & (pl.col("Date") <= end))["Return"])
        for name, start, end in windows.select("Scenario", "From", "To")
        .unique(maintain_order=True)
        .iter_rows()
    }


def ranking(assessed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Best Sharpe ratio first; of equal ones, the shallower fall, then the name."""
    order = sorted(assessed, key=lambda one: (-one["sharpe"], -one["drawdown"], one["strategy"]))
    return [{"rank": rank, **one} for rank, one in enumerate(order, 1)]
