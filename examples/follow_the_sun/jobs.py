"""The nine jobs of a market's day. The name of the step is the name of the job.

By hand: OPENBELL_STEP=run_books OPENBELL_SESSION=2025-12-02 OPENBELL_PARAMS='{"market": "US_EQ"}' python jobs.py
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import openbell as ob
import polars as pl
from openbell import worker
from sun import engines, features, ingest
from sun.store import history, read, write

HISTORY = 120  # returns that the features look back on

Result = dict[str, Any]


def ingest_prices(market: str, sessions: Sequence[date]) -> Result:
    return {"rows": ingest.ingest_prices(market, sessions)}


def ingest_factors(market: str, sessions: Sequence[date]) -> Result:
    return {"rows": ingest.ingest_factors(market, sessions)}


def compute_returns(market: str, sessions: Sequence[date]) -> Result:
    moves = features.returns(history(market, "prices", sessions))
    write(market, "returns", sessions[-1], moves)
    today = moves.filter(pl.col("Date") == sessions[-1])["Return"]
    return {"rows": moves.height, "mean": round(float(today.mean()), 6)}


def compute_volatility(market: str, sessions: Sequence[date]) -> Result:
    vols = features.volatility(history(market, "prices", sessions))
    write(market, "volatility", sessions[-1], vols)
    return {"median": round(vols["Ewma"].median(), 6)}


def build_numeric_windows(market: str, sessions: Sequence[date]) -> Result:
    windows = features.numeric_windows(
        read(market, "returns", sessions[-1]), read(market, "volatility", sessions[-1])
    )
    write(market, "windows", sessions[-1], windows)
    return {"symbols": windows.height}


def update_profiles(market: str, sessions: Sequence[date]) -> Result:
    profiles = features.profiles(
        read(market, "returns", sessions[-1]),
        history(market, "factors", sessions),
        history(market, "prices", sessions),
    )
    write(market, "profiles", sessions[-1], profiles)
    return {"symbols": profiles.height, "fit": round(profiles["Fit"].median(), 6)}


def run_signals(market: str, sessions: Sequence[date]) -> Result:
    found = engines.signals(read(market, "windows", sessions[-1]), read(market, "profiles", sessions[-1]))
    write(market, "signals", sessions[-1], found)
    return {"strongest": found.sort("Signal")["Symbol"][-1]}


def run_universes(market: str, sessions: Sequence[date]) -> Result:
    tables = (read(market, name, sessions[-1]) for name in ("signals", "profiles", "volatility"))
    found = engines.universe(*tables)
    write(market, "universe", sessions[-1], found)
    return {"inside": found["Out"].null_count(), "outside": found.height - found["Out"].null_count()}


def run_books(market: str, sessions: Sequence[date]) -> Result:
    book = engines.book(read(market, "universe", sessions[-1]))
    write(market, "book", sessions[-1], book)
    vol = engines.volatility_of(book, read(market, "returns", sessions[-1]))
    return {"names": book.height, "volatility": round(vol, 6)}


JOBS: dict[str, Callable[[str, Sequence[date]], Result]] = {
    job.__name__: job
    for job in (
        ingest_prices, ingest_factors, compute_returns, compute_volatility, build_numeric_windows,
        update_profiles, run_signals, run_universes, run_books,
    )
}  # fmt: skip


def sessions_up_to(market: str, session: date) -> list[date]:
    """The sessions that the jobs look back on, this one last."""
    clock = ob.market(market)
    found = [session]
    while len(found) <= HISTORY:
        found.append(clock.prev_session(found[-1]).date)
    return found[::-1]


def main() -> None:
    ctx = worker.context()
    market = ctx.params["market"]
    if ctx.session is None:
        raise SystemExit("these jobs belong to a session: openbell run ... --date YYYY-MM-DD")
    result = JOBS[ctx.step](market, sessions_up_to(market, ctx.session))
    print(
        f"{market} {ctx.session} {ctx.step}: {', '.join(f'{name} {value}' for name, value in result.items())}"
    )
    worker.result(**result)


if __name__ == "__main__":
    main()
