"""Verification: each bar of an export stands in the Parquet file as it was sent. Exit status 0 says so.

It reads the export by itself, and not as the translator has: what one of them gets wrong, the other sees.
"""

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from breakout.export import instrument_of
from breakout.instruments import named


def sent(raw: Path, zone: ZoneInfo) -> dict[datetime, tuple[float, ...]]:
    """The bars of the export by their instant."""
    found: dict[datetime, tuple[float, ...]] = {}
    seen: dict[str, int] = {}
    with raw.open(newline="") as file:
        for stamp, *values in csv.reader(file, delimiter=";"):
            fold = min(1, seen.setdefault(stamp, 0))  # an hour that comes twice: first the earlier one
            seen[stamp] += 1
            at = datetime.strptime(stamp, "%Y%m%d %H%M%S").replace(tzinfo=zone, fold=fold)
            found[at.astimezone(UTC)] = tuple(map(float, values))
    return found


def main() -> None:
    raw, zone = Path(sys.argv[1]), ZoneInfo(sys.argv[2] if len(sys.argv) > 2 else "UTC")
    instrument = named(instrument_of(raw))
    expected = sent(raw, zone)
    years = {at.astimezone(instrument.zone).year for at in expected}
    stored = pl.concat(
        pl.read_parquet(f"data/processed/{instrument.name}_{year}.parquet") for year in sorted(years)
    )
    there = {row[0]: tuple(map(float, row[1:])) for row in stored.iter_rows()}
    wrong = [at for at, values in expected.items() if there.get(at) != values]
    if wrong or not expected:
        told = f"{len(wrong)} of {len(expected)} bars are not there as they were sent"
        raise SystemExit(f"{raw.name}: {told}, the first: {min(wrong, default=None)}")
    print(f"{raw.name}: {len(expected):,} bars verified")


if __name__ == "__main__":
    main()
