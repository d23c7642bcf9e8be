"""The smallest replay worker: watches the quotes of its date arrive, writes a row, and ends its own query."""

import os
import time

from deephaven import DHError, new_table
from deephaven.column import int_col, long_col, string_col
from deephaven.time import dh_now, dh_today
from deephaven_enterprise.client.session_manager import SessionManager

NAMESPACE, TABLE = os.environ["OUTPUT_NAMESPACE"], "ReplayStatus"
date, partition = dh_today(), int(os.environ["PARTITION_ID"])

quotes = db.live_table("Market", "Quote").where(f"Date = `{date}`")
begun = str(dh_now())
time.sleep(30)  # 50 minutes of the day at a hundred times its speed

status = new_table(
    [
        string_col("Simulation", [os.environ["SIMULATION_NAME"]]),
        string_col("Date", [date]),
        int_col("Partition", [partition]),
        string_col("Begun", [begun]),
        string_col("Ended", [str(dh_now())]),
        long_col("Quotes", [quotes.size]),
    ]
)
try:
    db.add_partitioned_table_schema(NAMESPACE, TABLE, "Task", status)
except DHError as error:
    if "already exists" not in str(error):
        raise
db.add_table_partition(NAMESPACE, TABLE, f"{date}_{partition}", status)
print(f"{date}, partition {partition}: {quotes.size} quotes until {dh_now()}")

SessionManager().controller_client.stop_and_wait(__PERSISTENT_QUERY_SERIAL_NUMBER)
