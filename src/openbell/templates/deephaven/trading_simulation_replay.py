"""Mean reversion as quotes come in: buy below a band around the mean, sell above it, flat before the close.

The mean and the deviation decay with time. A listener sees, each second, the last quote of every symbol that
was quoted in it, and what it trades flows back into the graph through a table writer. Self-contained: on
Enterprise this file alone is the query.
"""

import os
import time

from deephaven import DHError, DynamicTableWriter, agg, dtypes, time_table
from deephaven.table_listener import listen
from deephaven.time import dh_now, dh_today, to_j_instant
from deephaven.updateby import cum_sum, ema_time, emstd_time
from deephaven_enterprise.client.session_manager import SessionManager

NAMESPACE = os.environ["OUTPUT_NAMESPACE"]
DECAY, WIDTH = os.environ["DECAY"], float(os.environ["WIDTH"])
LOT, LIMIT = int(os.environ["LOT"]), float(os.environ["LIMIT"])
PARTITION, PARTITIONS = int(os.environ["PARTITION_ID"]), int(os.environ["NUM_PARTITIONS"])

# The symbols of this partition: each is in exactly one. floorMod, because a hash may be negative; first by
# a prime, because those of short names are often even.
MINE = "Math.floorMod(Math.floorMod(Sym.hashCode(), 97), PARTITIONS) = PARTITION"

date = dh_today()
close = to_j_instant(f"{date}T{os.environ['CLOSE']} ET")
first, last = dh_now().plusSeconds(5 * 60), close.minusSeconds(10 * 60)

quotes = (
    db.live_table("Market", "Quote")
    .where([f"Date = `{date}`", MINE, "Bid <= Ask"])
    .update_view("Mid = (Bid + Ask) / 2")
)
signals = quotes.update_by(
    [ema_time("Timestamp", DECAY, "Mean = Mid"), emstd_time("Timestamp", DECAY, "Deviation = Mid")], "Sym"
).last_by("Sym")

writer = DynamicTableWriter(
    {"Timestamp": dtypes.Instant, "Sym": dtypes.string, "Size": dtypes.int64, "Price": dtypes.double}
)
trades = writer.table
held = {}
latest = {}


def trade(at, symbol, size, price):
    held[symbol] = held.get(symbol, 0) + size
    writer.write_row(at, symbol, size, price)


def decide(at, symbol, bid, ask, mean, deviation):
    """The rule, for the last quote of a second."""
    latest[symbol] = (at, bid, ask)
    position = held.get(symbol, 0)
    if not at.isBefore(last):
        if position:
            trade(at, symbol, -position, bid if position > 0 else ask)
    elif at.isBefore(first):
        return
    elif (bid + ask) / 2 < mean - WIDTH * deviation and (position + LOT) * ask <= LIMIT:
        trade(at, symbol, LOT, ask)
    elif (bid + ask) / 2 > mean + WIDTH * deviation and (position - LOT) * bid >= -LIMIT:
        trade(at, symbol, -LOT, bid)


def on_quotes(update, is_replay):
    columns = ["Timestamp", "Sym", "Bid", "Ask", "Mean", "Deviation"]
    for rows in (update.added(columns), update.modified(columns)):
        if rows:
            for at, *quote in zip(*(rows[name] for name in columns)):
                decide(to_j_instant(at), *quote)


handle = listen(signals, on_quotes)

# Profit: what is held, at the middle of its last quote, less what has been paid for it.
positions = trades.update_view("Value = Size * Price").agg_by(
    [agg.sum_(["Position = Size", "Paid = Value"]), agg.count_("Trades")], "Sym"
)
pnl = positions.natural_join(quotes.last_by("Sym"), "Sym", "Mid").update_view("PnL = Position * Mid - Paid")
minutes = pnl.snapshot_when(time_table("PT1m"), stamp_cols=["Minute = Timestamp"], history=True)

while dh_now() < close:
    time.sleep(10)

for symbol, position in sorted(held.items()):
    if position:  # not quoted any more: closed at its last quote
        at, bid, ask = latest[symbol]
        trade(at, symbol, -position, bid if position > 0 else ask)
time.sleep(1)  # what was written last arrives


def save(name, table):
    try:
        db.add_partitioned_table_schema(NAMESPACE, name, "Task", table)
    except DHError as error:
        if "already exists" not in str(error):
            raise
    db.add_table_partition(NAMESPACE, name, f"{date}_{PARTITION}", table)


run = trades.update_by(cum_sum("Position = Size"), "Sym").update_view(f"Date = `{date}`")
save("Trades", run.sort(["Timestamp", "Sym"]))
save(
    "PnL", pnl.update_view(f"Date = `{date}`").view(["Date", "Sym", "Trades", "Position", "PnL"]).sort("Sym")
)
save("Minutes", minutes.view(["Minute", "Sym", "Position", "PnL"]).sort(["Minute", "Sym"]))
print(pnl.view(["Sym", "Trades", "Position", "PnL"]).sort("Sym").to_string())

SessionManager().controller_client.stop_and_wait(__PERSISTENT_QUERY_SERIAL_NUMBER)
