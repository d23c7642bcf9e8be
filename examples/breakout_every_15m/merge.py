"""Merger: the daily files of each instrument and session into one a month, and a summary of them all.

`data/analyzer_runs/ES1/2025/ES1_an_2025_11.parquet`, `data/analyzer_runs/summary_2025_11.{parquet,csv}`.
"""

import re
from collections import defaultdict
from pathlib import Path

import polars as pl

from breakout.files import read, write
from openbell import worker

RUNS = Path("data/analyzer_runs")
DAILY = re.compile(r"(?P<name>\w+?)_an_(?P<month>\d{4}_\d{2})_\d{2}")


def summary(trades: pl.DataFrame) -> pl.DataFrame:
    """By instrument, session and slot: how many trades, how they ended, and what they came to."""
    won, lost = pl.col("PnL").filter(pl.col("PnL") > 0).sum(), -pl.col("PnL").filter(pl.col("PnL") < 0).sum()
    taken = pl.col("Direction") != 0
    return (
        trades.group_by("Instrument", "Session", "Slot")
        .agg(
            Days=pl.len(),
            Trades=taken.sum(),
            Wins=(pl.col("Result") == "win").sum(),
            Losses=(pl.col("Result") == "loss").sum(),
            Points=pl.col("Points").sum().round(6),
            PnL=pl.col("PnL").sum().round(2),
            Profit_Factor=pl.when(lost > 0).then(won / lost).round(4),
        )
        .sort("Instrument", "Session", "Slot")
    )


def main() -> None:
    months = defaultdict(list)
    for path in sorted(RUNS.glob("*/*/*.parquet")):
        if match := DAILY.fullmatch(path.stem):
            months[match["month"], match["name"], path.parent].append(path)
    if not months:
        raise SystemExit(f"there is nothing in {RUNS} to merge")
    merged = defaultdict(list)
    for (month, name, folder), paths in sorted(months.items()):
        rows = pl.concat([read(path) for path in paths]).sort("Date", "Slot")
        write(folder / f"{name}_an_{month}.parquet", rows)
        merged[month].append(rows)
    for month, tables in merged.items():
        total = summary(pl.concat(tables))
        write(RUNS / f"summary_{month}.parquet", total)
        total.write_csv(RUNS / f"summary_{month}.csv", time_format="%H:%M")
        names, trades, dollars = total["Instrument"].n_unique(), total["Trades"].sum(), total["PnL"].sum()
        print(f"{month}: {names} instruments, {trades} trades, {dollars:,.2f} dollars")
    worker.result(months=len(merged), files=len(months))


if __name__ == "__main__":
    main()
