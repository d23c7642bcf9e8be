"""Analyzer: the breakouts of one instrument, a file for each session of each trading day.

`data/analyzer_runs/ES1/2025/ES1_an_2025_11_03.parquet`: ES, session 1. A day that has not ended yet is
analysed as far as it goes, and again when there is more of it.
"""

from pathlib import Path

import polars as pl

from breakout.analysis import analyse, trading_days
from breakout.files import read, write
from breakout.instruments import named
from openbell import worker

PROCESSED, RUNS = Path("data/processed"), Path("data/analyzer_runs")


def main() -> None:
    ctx = worker.context()
    instrument = named(ctx.params["instrument"])
    files = sorted(PROCESSED.glob(f"{instrument.name}_[0-9]*.parquet"))
    if not files:
        raise SystemExit(f"there are no bars of {instrument.name} in {PROCESSED}")
    days = trading_days(pl.concat([read(path) for path in files]), instrument)
    written = trades = 0
    for count, (day, bars) in enumerate(days.items(), 1):
        worker.progress(count, len(days), str(day))
        for session in instrument.sessions:
            found = analyse(day, bars, instrument, session, over=count < len(days))
            name = f"{instrument.name}{session.name}"
            written += write(RUNS / name / f"{day:%Y}" / f"{name}_an_{day:%Y_%m_%d}.parquet", found)
            trades += found.filter(pl.col("Direction") != 0).height
    print(f"{instrument.name}: {len(days)} trading days, {trades} trades, {written} files new or different")
    worker.result(days=len(days), trades=trades, written=written)


if __name__ == "__main__":
    main()
