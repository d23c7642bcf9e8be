"""Translator: one export into the instrument's Parquet file of the year.

Doing it again changes nothing: a minute is there once, the bars of the newest export count. The raw file
stays where it is: it is archived once `verify.py` has found each of its bars.
"""

from pathlib import Path

import polars as pl

from breakout.export import BadExport, bars, instrument_of
from breakout.files import alone, read, write
from breakout.instruments import named
from openbell import worker

PROCESSED = Path("data/processed")


def main() -> None:
    ctx = worker.context()
    raw = Path(ctx.params["file"])
    try:
        instrument = named(instrument_of(raw))
        fresh = bars(raw, ctx.params.get("export_zone", "UTC"))
    except FileNotFoundError:
        raise SystemExit(f"{raw} is not there") from None
    except BadExport as error:
        raise SystemExit(str(error)) from None

    year = pl.col("Time").dt.convert_time_zone(str(instrument.zone)).dt.year()
    for (number,), rows in fresh.group_by(year, maintain_order=True):
        path = PROCESSED / f"{instrument.name}_{number}.parquet"
        with alone(path):
            known = read(path) if path.exists() else rows.clear()
            merged = pl.concat([known, rows]).unique("Time", keep="last", maintain_order=True).sort("Time")
            write(path, merged)
        print(f"Saved: {path.name} ({merged.height:,} rows, {merged.height - known.height:,} of them new)")
    worker.result(instrument=instrument.name, bars=fresh.height)
    print("[SUCCESS] Data translation completed successfully!")


if __name__ == "__main__":
    main()
