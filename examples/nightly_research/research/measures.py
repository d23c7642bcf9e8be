"""Statistical measures of a series of simple daily returns. Rates are annualised with 252 sessions a year."""

import math

import polars as pl

YEAR = 252


def total(returns: pl.Series) -> float:
    """The compounded return of the whole series."""
    return float((1 + returns).product()) - 1


def growth(returns: pl.Series) -> float:
    """The compounded return of a year."""
    return float((1 + total(returns)) ** (YEAR / len(returns)) - 1)


def volatility(returns: pl.Series) -> float:
    """Standard deviation, annualised."""
    return _std(returns) * math.sqrt(YEAR)


def sharpe(returns: pl.Series) -> float:
    """Mean by standard deviation, annualised; 0 for a series that never moves. Cash earns nothing here."""
    spread = _std(returns)
    return _mean(returns) / spread * math.sqrt(YEAR) if spread else 0.0


def sortino(returns: pl.Series) -> float:
    """As `sharpe`, by the root mean square of the losses."""
    losses = math.sqrt(_mean(returns.clip(upper_bound=0) ** 2))
    return _mean(returns) / losses * math.sqrt(YEAR) if losses else 0.0


def drawdown(returns: pl.Series) -> float:
    """The deepest fall from a height, 0 or less."""
    wealth = (1 + returns).cum_prod()
    peak = wealth.cum_max().clip(lower_bound=1.0)  # the money at the start is a height too
    return min(float((wealth / peak - 1).min()), 0.0)  # type: ignore[arg-type]


def value_at_risk(returns: pl.Series, level: float) -> float:
    """The loss of the day that is worse than all but `1 - level` of them, as a positive fraction."""
    return -float(returns.sort()[_tail(returns, level) - 1])


def shortfall(returns: pl.Series, level: float) -> float:
    """The mean loss of that day and those that were worse (CVaR): never less than the value at risk."""
    return -_mean(returns.sort()[: _tail(returns, level)])


def beta(returns: pl.Series, market: pl.Series) -> float:
    """By how much the returns move when the market moves by one. The series are aligned."""
    return float(pl.select(pl.cov(returns, market)).item()) / float(market.var())  # type: ignore[arg-type]


def correlation(a: pl.Series, b: pl.Series) -> float:
    """Pearson's. The series are aligned."""
    return float(pl.select(pl.corr(a, b)).item())


def _tail(returns: pl.Series, level: float) -> int:
    """How many of the days belong to the tail: at least one."""
    return max(1, math.floor(len(returns) * (1 - level) + 1e-9))


def _mean(returns: pl.Series) -> float:
    return float(returns.mean() or 0.0)  # type: ignore[arg-type]


def _std(returns: pl.Series) -> float:
    return float(returns.std() or 0.0)  # type: ignore[arg-type]
