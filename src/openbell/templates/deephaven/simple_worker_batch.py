"""The smallest batch worker: looks at all quotes of its date, and writes a row about them."""

import os

from deephaven import DHError, new_table
from deephaven.column import int_col, long_col, string_col

NAMESPACE, TABLE = os.environ["OUTPUT_NAMESPACE"], "BatchStatus"
date, partition = os.environ["SIMULATION_DATE"], int(os.environ["PARTITION_ID"])

quotes = db.historical_table("Market", "Quote").where(f"Date = `{date}`")

status = new_table(
    [
        string_col("Simulation", [os.environ["SIMULATION_NAME"]]),
        string_col("Date", [date]),
        int_col("Partition", [partition]),
        long_col("Quotes", [quotes.size]),
    ]
)
try:
    db.add_partitioned_table_schema(NAMESPACE, TABLE, "Task", status)
except DHError as error:
    if "already exists" not in str(error):
        raise
db.add_table_partition(NAMESPACE, TABLE, f"{date}_{partition}", status)
print(f"{date}, partition {partition}: {quotes.size} quotes")
