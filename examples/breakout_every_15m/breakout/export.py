"""The platform's export: `yyyyMMdd HHmmss;Open;High;Low;Close;Volume`, a line a minute, by its start."""

import re
from pathlib import Path

import polars as pl

PRICES = ["Open", "High", "Low", "Close"]
NAME = re.compile(r"(?P<instrument>[A-Za-z0-9]+)_(?P<day>\d{8})(?:\.\w+)?\.csv")


class BadExport(Exception):
    """An export that cannot be used; the message names the file, the line and the fault."""


def instrument_of(path: Path) -> str:
    """What the platform calls the instrument: `XAUUSD_20140507.Bid.csv` is of XAUUSD."""
    if match := NAME.fullmatch(path.name):
        return match["instrument"]
    raise BadExport(f"{path.name} is not named as an export is: INSTRUMENT_yyyyMMdd.csv")


def bars(path: Path, zone: str = "UTC") -> pl.DataFrame:
    """Time (UTC), Open, High, Low, Close, Volume, in order, a minute once (the last line of it counts).

    `zone`: that of the stamps. Where its clocks are set back, the hour that comes twice is told apart by
    the order of the lines; a stamp in the hour that they skip is a fault.
    """
    text = path.read_text()
    if not text.endswith("\n"):
        raise BadExport(f"{path.name}, line {text.count(chr(10)) + 1} is cut off: the export is not complete")
    lines = pl.DataFrame({"Line": text.splitlines()}).with_row_index("Number", offset=1)
    fields = pl.col("Line").str.split(";")
    split = lines.with_columns(
        pl.when(fields.list.len() == 6)
        .then(fields)
        .list.to_struct(fields=["Stamp", *PRICES, "Volume"])
        .struct.unnest()
    )
    rows = split.with_columns(
        pl.col("Stamp").str.to_datetime("%Y%m%d %H%M%S", strict=False),
        pl.col(*PRICES).cast(pl.Float64, strict=False),
        pl.col("Volume").cast(pl.Int64, strict=False),
    )
    nothing = pl.any_horizontal(pl.exclude("Number", "Line").is_null())
    _refuse(path, rows, nothing | ~pl.all_horizontal(pl.col(PRICES).is_finite()), "is not a bar")
    _refuse(path, rows, pl.any_horizontal(pl.col(PRICES) <= 0), "has a price that is not above zero")
    reach = (pl.col("High") < pl.max_horizontal("Open", "Close")) | (
        pl.col("Low") > pl.min_horizontal("Open", "Close")
    )
    _refuse(path, rows, reach, "has an open or a close outside its high and low")
    placed = rows.with_columns(Time=_in_utc(zone))
    _refuse(path, placed, pl.col("Time").is_null(), f"is stamped in an hour that {zone} skips")
    return placed.unique("Time", keep="last").sort("Time").select("Time", *PRICES, "Volume")


def _in_utc(zone: str) -> pl.Expr:
    """The stamps as instants: where an hour comes twice, a stamp is the earlier one when it first occurs."""
    again = pl.int_range(pl.len()).over("Stamp") > 0
    which = pl.when(again).then(pl.lit("latest")).otherwise(pl.lit("earliest"))
    local = pl.col("Stamp").dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _refuse(path: Path, rows: pl.DataFrame, condition: pl.Expr, what: str) -> None:
    bad = rows.filter(condition)
    if bad.height:
        more = f" (and {bad.height - 1} more)" if bad.height > 1 else ""
        raise BadExport(f"{path.name}, line {bad['Number'][0]} {what}: {bad['Line'][0][:80]!r}{more}")
