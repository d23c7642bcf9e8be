"""Writes the market of this example: SYNTHETIC quotes within the day, consistent with real daily bars.

    python generate.py [FIRST LAST]

The daily bars are Quandl's WIKI prices (public domain). What lies between open, high, low and close is drawn
at random with a fixed seed: it shows how replays work, and says nothing about any market.
"""

import csv
import gzip
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

import openbell
from openbell.replay.synthetic import Bar, quotes

HERE = Path(__file__).parent
FIRST, LAST = date(2012, 7, 2), date(2012, 7, 13)  # with a half day, and a holiday


def daily() -> dict[date, dict[str, Bar]]:
    """The bars of each date, by ticker."""
    found: dict[date, dict[str, Bar]] = {}
    with gzip.open(HERE / "data" / "us_stocks_wiki.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            bar = Bar(*(float(row[name]) for name in ("Open", "High", "Low", "Close")))
            found.setdefault(date.fromisoformat(row["Date"]), {})[row["Ticker"]] = bar
    return found


def main(first: date = FIRST, last: date = LAST) -> None:
    bars = daily()
    for session in openbell.market("XNYS").sessions(first, last):
        begin, end = (int(at.timestamp()) * 10**9 for at in (session.open, session.close))
        folder = HERE / "data" / "market" / "Quote" / f"Date={session.date}"
        folder.mkdir(parents=True, exist_ok=True)
        table = quotes(bars[session.date], session.date, begin, end)
        table = table.replace_schema_metadata({"synthetic": "generated, consistent with daily bars"})
        pq.write_table(table, folder / "synthetic.parquet", compression="zstd", row_group_size=4096)


if __name__ == "__main__":
    main(*map(date.fromisoformat, sys.argv[1:]))
