"""Scenarios: what the book would lose if the market moved so, or moved as it has before."""

from pathlib import Path

import polars as pl

from openbell import worker
from research.desk import read_desk
from research.files import write
from research.prices import adjusted, span, stored
from research.scenarios import betas, relived, stressed, wide_returns, worst_windows


def main() -> None:
    ctx = worker.context()
    desk = read_desk()
    prices = adjusted(stored(Path("out/prices"), ctx.session))
    latest = span(prices)[1]
    session = ctx.session or latest

    closes = dict(prices.filter(pl.col("Date") == latest).select("Ticker", "Close").iter_rows())
    if unknown := sorted(set(desk.book) - set(closes)):
        raise SystemExit(f"the book holds {', '.join(unknown)}, and there is no price of that on {latest}")
    values = {ticker: shares * closes[ticker] for ticker, shares in desk.book.items()}

    returns = wide_returns(prices)
    sensitivity = betas(returns, list(desk.book))
    worst = worst_windows(desk.worst, returns, values, sensitivity)
    found = pl.concat(
        [
            stressed(desk.stresses, values, sensitivity, session),
            relived(desk.history, returns, values, sensitivity, "history"),
            relived(worst, returns, values, sensitivity, "worst"),
        ]
    )
    write(Path(f"out/scenarios/{session}.parquet"), found)

    print(f"{session}: the book is worth {sum(values.values()):,.0f} at the prices of {latest}")
    losses = found.group_by("Scenario", maintain_order=True).agg(pl.col("PnL").sum())
    for name, pnl in losses.iter_rows():
        print(f"  {name:<20} {pnl:>14,.0f}")
    deepest = losses.sort("PnL").row(0, named=True)
    worker.result(scenarios=losses.height, worst=deepest["Scenario"], worst_pnl=round(deepest["PnL"], 2))


if __name__ == "__main__":
    main()
