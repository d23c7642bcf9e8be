"""The same rules on the whole date at once: bands of all quotes, then only those that leave them.

Written apart from `Strategy`, so that the comparison of both says something. Only the recursion of the bands
is shared: it is the same arithmetic in the same order, to the last bit.
"""

import polars as pl

from openbell import worker
from strategy import CLOSE_OUT, Bands, close_of, mine, write


def simulate(quotes, close, decay, width, lot, limit):
    """(orders, executions) of a frame of quotes, in the order of time."""
    stop_at = close - CLOSE_OUT
    quotes = quotes.filter(pl.col("Ask") >= pl.col("Bid")).sort("Timestamp", maintain_order=True)
    price = (pl.col("Bid") + pl.col("Ask")) / 2
    quotes = quotes.with_columns(Time=pl.col("Timestamp").dt.epoch("ns"), Price=price).with_row_index("Row")
    by_symbol = quotes.partition_by("Sym", maintain_order=True)
    marked = [_marked(some, stop_at, decay, width) for some in by_symbol if some.height]
    if not marked:
        return [], []
    wanted = pl.concat(marked).sort("Row", maintain_order=True).select("Time", "Sym", "Bid", "Ask", "Signal")
    return _traded(wanted.iter_rows(), lot, limit)


def _marked(quotes, stop_at, decay, width):
    """The quotes of one symbol that matter: outside the bands, and the one at which it is closed out."""
    bands = Bands(decay)
    trading = quotes.filter(pl.col("Time") < stop_at)
    times, prices = trading["Time"].to_list(), trading["Price"].to_list()
    found = [bands.update(*pair) or (None, None) for pair in zip(times, prices, strict=True)]
    mean, deviation = (pl.Series([pair[n] for pair in found], dtype=pl.Float64) for n in (0, 1))
    price = trading["Price"]
    below, above = price < mean - width * deviation, price > mean + width * deviation
    signal = pl.select(pl.when(below).then(1).when(above).then(-1).otherwise(0)).to_series()
    outside = trading.with_columns(Signal=signal.fill_null(0).cast(pl.Int64)).filter(pl.col("Signal") != 0)
    last = quotes.filter(pl.col("Time") >= stop_at).head(1)
    last = last if last.height else quotes.tail(1)
    return pl.concat([outside, last.with_columns(Signal=pl.lit(9, pl.Int64))])


def _traded(candidates, lot, limit):
    """The signals that the limits allow, as orders and their executions."""
    position, orders, executions = {}, [], []
    for time, symbol, bid, ask, signal in candidates:
        held = position.get(symbol, 0)
        if signal == 9:
            size, reason = -held, "close-out"
        elif signal == 1:
            size, reason = lot * ((held + lot) * ask <= limit), "below the band"
        else:
            size, reason = -lot * ((held - lot) * bid >= -limit), "above the band"
        if size:
            position[symbol] = held + size
            number = len(orders)
            orders.append((time, number, symbol, size, reason))
            executions.append((time, number, symbol, size, ask if size > 0 else bid, position[symbol]))
    return orders, executions


def main():
    ctx = worker.context()
    quotes = ctx.table("Market", "Quote").select("Timestamp", "Sym", "Bid", "Ask").collect()
    symbols = mine(quotes["Sym"].unique().to_list(), ctx.partition, ctx.num_partitions)
    names = ("decay", "width", "lot", "limit")
    settings = {name: ctx.params[name] for name in names}
    write(ctx, *simulate(quotes.filter(pl.col("Sym").is_in(symbols)), close_of(ctx.date), **settings))


if __name__ == "__main__":
    main()
