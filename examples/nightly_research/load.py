"""Data: the vendor's prices up to the session, checked, into the desk's store.

Parameter `days`: how many sessions back from this one (`1` for a night, `30`, or `all`). A feed that is
cut off, holds impossible rows, or does not reach the session, fails the step; the store stays as it is.
"""

from pathlib import Path

import polars as pl

import openbell as ob
from openbell import worker
from research.files import write
from research.prices import BadFeed, quality, read_feed, span, stored, update

FEED, STORE = Path("data/us_stocks_wiki.csv.gz"), Path("out/prices")


def main() -> None:
    ctx = worker.context()
    feed = read_feed(FEED)
    first, last = span(feed)
    session = ctx.session or last
    if session not in feed["Date"]:
        raise BadFeed(f"{FEED} has no prices of {session}: it reaches from {first} to {last}")

    sessions = [one.date for one in ob.market("XNYS").sessions(first, session)]
    days = ctx.params.get("days", "all")
    since = first if days == "all" else sessions[-int(days) :][0]
    rows = feed.filter(pl.col("Date").is_between(since, session))
    changed = update(STORE, rows)
    report = quality(stored(STORE, session), sessions)
    write(Path(f"out/quality/{session}.json"), report)

    print(f"{since} to {session}: {rows.height:,} rows, {changed:,} of them new or different")
    for what, found in report["findings"].items():
        print(f"  {what}: {len(found)}")
    worker.result(rows=rows.height, changed=changed, findings=sum(map(len, report["findings"].values())))


if __name__ == "__main__":
    main()
