"""The nine jobs of a market's day, as the pipelines call them.

By hand: python jobs.py US_EQ 2025-12-02 run_books
"""

import json
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

import openbell as ob
from openbell.worker import Context, context
from sun import engines, features, ingest
from sun.store import history, read, write

HISTORY = 120  # returns that the features look back on

Result = dict[str, Any]


@dataclass(frozen=True)
class Day:
    """A session of a market, and those that the jobs look back on; it is the last of them."""

    market: str
    sessions: list[date]

    @classmethod
    def of(cls, ctx: Context) -> "Day":
        """The day that a task is about."""
        if ctx.session is None:
            raise SystemExit("these jobs belong to a session: openbell run ... --date YYYY-MM-DD")
        market, found = ctx.params["market"], [ctx.session]
        while len(found) <= HISTORY:
            found.append(ob.market(market).prev_session(found[-1]).date)
        return cls(market, found[::-1])

    def read(self, name: str) -> pl.DataFrame:
        """A table of this session."""
        return read(self.market, name, self.sessions[-1])

    def history(self, name: str) -> pl.DataFrame:
        """The tables of all these sessions."""
        return history(self.market, name, self.sessions)

    def write(self, name: str, rows: pl.DataFrame) -> None:
        """A table of this session is made, or made anew."""
        write(self.market, name, self.sessions[-1], rows)


def ingest_prices(ctx: Context) -> Result:
    day = Day.of(ctx)
    return {"rows": ingest.ingest_prices(day.market, day.sessions)}


def ingest_factors(ctx: Context) -> Result:
    day = Day.of(ctx)
    return {"rows": ingest.ingest_factors(day.market, day.sessions)}


def compute_returns(ctx: Context) -> Result:
    day = Day.of(ctx)
    moves = features.returns(day.history("prices"))
    day.write("returns", moves)
    today = moves.filter(pl.col("Date") == day.sessions[-1])
    return {"rows": moves.height, "mean": _mean(today["Return"])}


def compute_volatility(ctx: Context) -> Result:
    day = Day.of(ctx)
    vols = features.volatility(day.history("prices"))
    day.write("volatility", vols)
    return {"symbols": vols.height, "mean": _mean(vols["Ewma"])}


def build_numeric_windows(ctx: Context) -> Result:
    day = Day.of(ctx)
    windows = features.numeric_windows(day.read("returns"), day.read("volatility"))
    day.write("windows", windows)
    return {"symbols": windows.height}


def update_profiles(ctx: Context) -> Result:
    day = Day.of(ctx)
    found = features.profiles(day.read("returns"), day.history("factors"), day.history("prices"))
    day.write("profiles", found)
    return {"symbols": found.height, "fit": _mean(found["Fit"])}


def run_signals(ctx: Context) -> Result:
    day = Day.of(ctx)
    found = engines.signals(day.read("windows"), day.read("profiles"))
    day.write("signals", found)
    return {"symbols": found.height, "strongest": found.sort("Signal")["Symbol"][-1]}


def run_universes(ctx: Context) -> Result:
    day = Day.of(ctx)
    found = engines.universe(day.read("signals"), day.read("profiles"), day.read("volatility"))
    day.write("universe", found)
    return {"inside": found["Out"].null_count(), "outside": found["Out"].count()}


def run_books(ctx: Context) -> Result:
    day = Day.of(ctx)
    book = engines.book(day.read("universe"))
    day.write("book", book)
    return {"names": book.height, "volatility": round(engines.volatility_of(book, day.read("returns")), 6)}


def _mean(values: pl.Series) -> float:
    return round(float(values.mean() or 0.0), 6)  # type: ignore[arg-type]


if __name__ == "__main__":
    market, session, job = sys.argv[1:]
    told = {"OPENBELL_SESSION": session, "OPENBELL_PARAMS": json.dumps({"market": market})}
    print(globals()[job](context(told)))
