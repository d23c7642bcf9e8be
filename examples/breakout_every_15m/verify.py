"""Verification: each bar of an export stands in the Parquet file as it was sent.

It reads the export by itself, and not as the translator has: what one of them gets wrong, the other sees.
By hand: python verify.py data/raw/ES_20251103.csv [ZONE]
"""

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from breakout.export import instrument_of
from breakout.files import read
from breakout.instruments import named
from openbell.worker import Context


class NotVerified(Exception):
    """Bars of an export are not there as they were sent."""


def translated(ctx: Context) -> None:
    """What has to pass before the translation of a file is a success, and the file is archived."""
    verify(Path(ctx.params["file"]), ctx.params["export_zone"])


def verify(raw: Path, zone: str) -> None:
    """Raises `NotVerified`, with the first bar that is not there."""
    instrument = named(instrument_of(raw))
    expected = sent(raw, ZoneInfo(zone))
    there: dict[datetime, tuple[float, ...]] = {}
    for year in {at.astimezone(instrument.zone).year for at in expected}:
        for at, *values in read(Path(f"data/processed/{instrument.name}_{year}.parquet")).iter_rows():
            there[at] = tuple(map(float, values))
    wrong = [at for at, values in expected.items() if there.get(at) != values]
    if wrong or not expected:
        told = f"{len(wrong)} of {len(expected)} bars are not there as they were sent"
        raise NotVerified(f"{raw.name}: {told}, the first: {min(wrong, default=None)}")
    print(f"{raw.name}: {len(expected):,} bars verified")


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


if __name__ == "__main__":
    verify(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "UTC")
