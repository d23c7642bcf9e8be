"""Mean reversion on the whole of a date at once: the trades of trading_simulation_replay.py, in one pass.

The bands are columns; the last quote of every second stands for it, as a replay sees it; the rule goes
through the arrays of each symbol. Self-contained: on Enterprise this file alone is the query.
"""

import os

import numpy as np
import numpy.typing as npt
from deephaven import DHError, agg
from deephaven.time import to_j_instant
from deephaven.updateby import cum_sum, ema_time, emstd_time

NAMESPACE = os.environ["OUTPUT_NAMESPACE"]
DECAY, WIDTH = os.environ["DECAY"], float(os.environ["WIDTH"])
LOT, LIMIT = int(os.environ["LOT"]), float(os.environ["LIMIT"])
PARTITION, PARTITIONS = int(os.environ["PARTITION_ID"]), int(os.environ["NUM_PARTITIONS"])

# The symbols of this partition: each is in exactly one. floorMod, because a hash may be negative; first by
# a prime, because those of short names are often even.
MINE = "Math.floorMod(Math.floorMod(Sym.hashCode(), 97), PARTITIONS) = PARTITION"

date = os.environ["SIMULATION_DATE"]  # on Enterprise a batch lives in the real today
first = to_j_instant(f"{date}T09:35 ET")
last = to_j_instant(f"{date}T{os.environ['CLOSE']} ET").minusSeconds(10 * 60)


Doubles, Longs = npt.NDArray[np.float64], npt.NDArray[np.int64]


def sizes(
    phase: npt.NDArray[np.int32], bid: Doubles, ask: Doubles, mean: Doubles, deviation: Doubles
) -> Longs:
    """What is bought (negative: sold) at each quote of a symbol. `phase`: 0 too early, 1 on, 2 close out."""
    found = np.zeros(len(bid), np.int64)
    held = 0
    for n in range(len(bid)):
        middle = (bid[n] + ask[n]) / 2
        if phase[n] == 2:
            found[n] = -held
        elif phase[n] == 0:
            continue
        elif middle < mean[n] - WIDTH * deviation[n] and (held + LOT) * ask[n] <= LIMIT:
            found[n] = LOT
        elif middle > mean[n] + WIDTH * deviation[n] and (held - LOT) * bid[n] >= -LIMIT:
            found[n] = -LOT
        held += found[n]
    found[-1] -= held  # not quoted any more: closed at its last quote
    return found


quotes = (
    db.historical_table("Market", "Quote")
    .where([f"Date = `{date}`", MINE, "Bid <= Ask"])
    .sort("Timestamp")
    .update_view("Mid = (Bid + Ask) / 2")
)
signals = (
    quotes.update_by(
        [ema_time("Timestamp", DECAY, "Mean = Mid"), emstd_time("Timestamp", DECAY, "Deviation = Mid")], "Sym"
    )
    .update_view(["Second = upperBin(Timestamp, SECOND)"])
    .last_by(["Sym", "Second"])
    .update(["Phase = Timestamp >= last ? 2 : Timestamp < first ? 0 : 1"])
)
trades = (
    signals.view(["Sym", "Timestamp", "Phase", "Bid", "Ask", "Mean", "Deviation"])
    .group_by("Sym")
    .update("Size = sizes(Phase, Bid, Ask, Mean, Deviation)")
    .view(["Sym", "Timestamp", "Bid", "Ask", "Size"])
    .ungroup()
    .where("Size != 0")
    .view(["Timestamp", "Sym", "Size", "Price = Size > 0 ? Ask : Bid"])
    .sort(["Timestamp", "Sym"])
)
# Profit: what is held, at the middle of its last quote, less what has been paid for it.
positions = trades.update_view("Value = Size * Price").agg_by(
    [agg.sum_(["Position = Size", "Paid = Value"]), agg.count_("Trades")], "Sym"
)
pnl = positions.natural_join(quotes.last_by("Sym"), "Sym", "Mid").update_view("PnL = Position * Mid - Paid")


def save(name, table):
    try:
        db.add_partitioned_table_schema(NAMESPACE, name, "Task", table)
    except DHError as error:
        if "already exists" not in str(error):
            raise
    db.add_table_partition(NAMESPACE, name, f"{date}_{PARTITION}", table)


save("Trades", trades.update_by(cum_sum("Position = Size"), "Sym").update_view(f"Date = `{date}`"))
save(
    "PnL", pnl.update_view(f"Date = `{date}`").view(["Date", "Sym", "Trades", "Position", "PnL"]).sort("Sym")
)
print(pnl.view(["Sym", "Trades", "Position", "PnL"]).sort("Sym").to_string())
