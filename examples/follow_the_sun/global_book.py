"""The book of all markets: the newest book of each, with the same risk.

A market that was closed on this session gives the book of its last one; one that is missing for longer
fails the step, by name.
"""

import polars as pl

import openbell as ob
from openbell import worker
from sun.engines import global_book, volatility_of
from sun.store import newest, read, write

MARKETS = ["ASIA_EQ", "EU_EQ", "US_EQ"]
TARGET = 0.08  # volatility a year


def main() -> None:
    ctx = worker.context()
    if ctx.session is None:
        raise SystemExit("the global book belongs to a session: openbell run ... --date YYYY-MM-DD")
    books, vols, of = {}, {}, {}
    for market in MARKETS:
        clock = ob.market(market)
        due = ctx.session if clock.closure(ctx.session) is None else clock.prev_session(ctx.session).date
        day = newest(market, "book", ctx.session)
        if day != due:
            raise SystemExit(f"{market} has no book of its session {due}; the newest is of {day}")
        books[market] = read(market, "book", day)
        vols[market] = volatility_of(books[market], read(market, "returns", day))
        of[market] = str(day)
    book = global_book(books, vols, TARGET)
    write("GLOBAL", "book", ctx.session, book)
    gross = book.group_by("Market").agg(pl.col("Weight").abs().sum()).sort("Market")
    for market, weight in gross.iter_rows():
        print(f"{market:<8} book of {of[market]}: gross {weight:.2f}")
    worker.result(gross=round(gross["Weight"].sum(), 6), names=book.height, **of)


if __name__ == "__main__":
    main()
