"""Writes the market of this example: SYNTHETIC quotes within the day, consistent with real daily bars.

    python generate.py

`data/daily.csv` holds daily bars of Quandl's WIKI prices (public domain). What lies between open, high, low
and close is drawn at random with a fixed seed: it shows how replays work, and says nothing about any market.
"""

import csv
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

import openbell
from openbell.replay.synthetic import Bar, quotes

HERE = Path(__file__).parent


def main() -> None:
    bars: dict[date, dict[str, Bar]] = {}
    with (HERE / "data" / "daily.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            bar = Bar(*(float(row[name]) for name in ("Open", "High", "Low", "Close")))
            bars.setdefault(date.fromisoformat(row["Date"]), {})[row["Ticker"]] = bar
    for day, found in bars.items():
        session = openbell.market("XNYS").session_of(day)
        begin, end = (int(at.timestamp()) * 10**9 for at in (session.open, session.close))
        folder = HERE / "data" / "market" / "Quote" / f"Date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        table = quotes(found, day, begin, end)
        table = table.replace_schema_metadata({"synthetic": "generated, consistent with daily bars"})
        pq.write_table(table, folder / "synthetic.parquet", compression="zstd", row_group_size=4096)


if __name__ == "__main__":
    main()
