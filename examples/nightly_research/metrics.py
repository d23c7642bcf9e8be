"""Metrics of one stock: its technical indicators day by day, and what its returns have been like.

One task a stock: one that fails leaves the others be.
"""

from pathlib import Path

import polars as pl

from openbell import worker
from research.files import newest, write
from research.indicators import technical
from research.prices import adjusted, span, stored
from research.profile import in_windows, last_indicators, statistics
from research.scenarios import wide_returns


def main() -> None:
    ctx = worker.context()
    symbol = ctx.params["symbol"]
    prices = adjusted(stored(Path("out/prices"), ctx.session))
    session = ctx.session or span(prices)[1]
    own = prices.filter(pl.col("Ticker") == symbol)
    if own.is_empty():
        known = ", ".join(prices["Ticker"].unique().sort())
        raise SystemExit(f"there are no prices of {symbol} up to {session}, only of {known}")

    scenarios = pl.read_parquet(newest(Path("out/scenarios"), session, ".parquet"))
    returns = wide_returns(prices)
    table = technical(own)
    stats = statistics(returns, symbol)
    folder = Path(f"out/metrics/{session}")
    write(folder / f"{symbol}.parquet", table)
    profile = {
        "symbol": symbol,
        "technical": last_indicators(table),
        "statistics": stats,
        "scenarios": in_windows(returns, symbol, scenarios),
    }
    write(folder / f"{symbol}.json", profile)

    print(symbol, "volatility {volatility:.1%}, Sharpe {sharpe:.2f}, beta {beta:.2f}".format_map(stats))
    worker.result(**{name: round(stats[name], 6) for name in ("volatility", "sharpe", "beta", "drawdown")})


if __name__ == "__main__":
    main()
