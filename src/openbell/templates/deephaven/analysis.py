"""What the simulations have traded: profit by date and symbol, equity, and both modes side by side.

A script for Deephaven: on a laptop `analysis.yaml` runs it; on Enterprise it goes into a console.
"""

from deephaven import agg
from deephaven.plot.figure import Figure
from deephaven.updateby import cum_sum

KEYS = ["Date", "Timestamp", "Sym", "Size", "Price"]


def results(namespace, name):
    """A table of results; None where that simulation has not run."""
    try:
        return db.historical_table(namespace, name)
    except Exception as error:
        print(f"{namespace}.{name} is not there: {error}")
        return None


found = {mode: results(f"Sim{mode}", "Trades") for mode in ("Replay", "Batch")}
for mode, trades in found.items():
    if trades is None:
        continue
    pnl = results(f"Sim{mode}", "PnL")
    by_symbol = pnl.agg_by([agg.sum_(["Trades", "PnL"])], "Sym").sort("Sym")
    by_date = pnl.agg_by([agg.sum_(["Trades", "PnL"])], "Date").sort("Date")
    equity = by_date.update_by(cum_sum("Equity = PnL"))
    figure = Figure().plot_cat(series_name=mode, t=equity, category="Date", y="Equity").show()
    open_ones = pnl.where("Position != 0").size
    print(f"{mode}: {trades.size} trades, {open_ones} positions left open", by_symbol.to_string(), sep="\n")
    print(equity.to_string())

if all(found.values()):
    replay, batch = (trades.select_distinct(KEYS) for trades in found.values())
    both = replay.where_in(batch, KEYS).size
    print(
        f"{both} trades agree; the replay alone has {replay.size - both}, the batch alone {batch.size - both}"
    )
