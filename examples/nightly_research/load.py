"""Data: the vendor's prices up to the session, checked, into the desk's store.

Parameter `days`: how many sessions back from this one (`1` for a night, `30`, or `all`). A feed that is
cut off, holds impossible rows, or does not reach the session, fails the step; the store stays as it is.
"""

from pathlib import Path

import openbell as ob
import polars as pl
from openbell import worker
from research.files import write
from research.prices import BadFeed, quality, read_feed, stored, update

FEED, STORE = Path("data/us_stocks_wiki.csv.gz"), Path("out/prices")


def main() -> None:
    ctx = worker.context()
    days = ctx.params.get("days", "all")
    try:
        feed = read_feed(FEED)
    except BadFeed as error:
        raise SystemExit(str(error)) from None
    session = ctx.session or feed["Date"].max()
    wanted = feed.filter(pl.col("Date") <= session)
    if wanted.is_empty() or wanted["Date"].max() != session:
        raise SystemExit(
            f"{FEED} has no prices of {session}: it reaches from {feed['Date'].min()} to {feed['Date'].max()}"
        )

    sessions = [one.date for one in ob.market("XNYS").sessions(wanted["Date"].min(), session)]
    if days != "all":
        wanted = wanted.filter(pl.col("Date") >= sessions[-int(days) :][0])
    changed = update(STORE, wanted)
    report = quality(stored(STORE, session), sessions)
    write(Path(f"out/quality/{session}.json"), report)

    print(
        f"{session}: {wanted.height:,} rows of {wanted['Ticker'].n_unique()} stocks, {changed:,} of them new or different"
    )
    for what in (
        "splits",
        "jumps",
        "missing sessions",
        "not a session",
        "outside the day's range",
        "without volume",
    ):
        if report[what]:
            print(f"  {what}: {len(report[what])}")
    worker.result(
        rows=wanted.height,
        changed=changed,
        splits=len(report["splits"]),
        missing=len(report["missing sessions"]),
    )


if __name__ == "__main__":
    main()
