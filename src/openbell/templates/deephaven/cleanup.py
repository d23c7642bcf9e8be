"""Removes the tables of results of this example; the market stays. On a laptop: `cleanup.yaml`."""

from deephaven import DHError

TABLES = {
    "Simple": ("ReplayStatus", "BatchStatus"),
    "SimReplay": ("Trades", "PnL", "Minutes"),
    "SimBatch": ("Trades", "PnL"),
}

for namespace, names in TABLES.items():
    for name in names:
        try:
            db.delete_partitioned_table(namespace, name)
            print(f"removed {namespace}.{name}")
        except DHError:
            print(f"{namespace}.{name} is not there")
