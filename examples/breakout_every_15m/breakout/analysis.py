"""Breakouts: after a slot, the first way out of the range before it is followed, to a target or a stop.

For each slot of a trading day: the range is the highest high and the lowest low from the session's
`range_from` up to the slot. From the slot on, one tick above it is bought, one tick below it is sold
short, whichever comes first. The target is the instrument's; the stop is the other side of the range, and
at most three targets away; what is left at the close goes at the last price.

A minute bar does not tell what came first in it. Where that matters the worse is taken: the stop before
the target, no target in the minute of the entry, a gap fills at the bar's open when that is worse.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl

from breakout.instruments import Instrument, Session

MINUTE = timedelta(minutes=1)
FARTHEST = 3  # targets between entry and stop, at most
COVERED = 0.5  # of a range's minutes have to be there


@dataclass(frozen=True)
class Trade:
    """What a slot came to. Prices are null where there was no trade; Points are per contract."""

    Date: date
    Instrument: str
    Session: str
    Slot: time
    Range_High: float | None = None
    Range_Low: float | None = None
    Direction: int = 0
    Entry_Time: datetime | None = None
    Entry: float | None = None
    Target: float | None = None
    Stop: float | None = None
    Exit_Time: datetime | None = None
    Exit: float | None = None
    Result: str = "no range"
    Points: float = 0.0
    Best: float = 0.0  # how far it went into profit, in points
    PnL: float = 0.0  # dollars of one contract


SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "Date": pl.Date, "Instrument": pl.String, "Session": pl.String, "Slot": pl.Time,
    "Range_High": pl.Float64, "Range_Low": pl.Float64, "Direction": pl.Int8,
    "Entry_Time": pl.Datetime("us", "UTC"), "Entry": pl.Float64, "Target": pl.Float64, "Stop": pl.Float64,
    "Exit_Time": pl.Datetime("us", "UTC"), "Exit": pl.Float64, "Result": pl.String,
    "Points": pl.Float64, "Best": pl.Float64, "PnL": pl.Float64,
}  # fmt: skip


def trading_days(bars: pl.DataFrame, instrument: Instrument) -> dict[date, pl.DataFrame]:
    """The bars by trading day, with `Local`: the time on the instrument's clocks.

    What trades in the evening, from `opens` on, belongs to the next day.
    """
    clock = pl.col("Time").dt.convert_time_zone(str(instrument.zone)).dt.replace_time_zone(None)
    local = bars.sort("Time").with_columns(Local=clock)
    evening = (pl.col("Local").dt.time() >= instrument.opens) & (instrument.opens > instrument.closes)
    dated = local.with_columns(Date=pl.col("Local").dt.date() + pl.duration(days=evening.cast(pl.Int64)))
    return {day: rows for (day,), rows in dated.group_by("Date", maintain_order=True)}


def analyse(
    day: date, bars: pl.DataFrame, instrument: Instrument, session: Session, *, over: bool = False
) -> pl.DataFrame:
    """The trades of one session of one trading day. `over`: there will be no more bars of it."""
    close = datetime.combine(day, instrument.closes)
    over = over or bars["Local"][-1] + MINUTE >= close
    trades = [trade(day, bars, instrument, session, slot, over=over) for slot in session.slots]
    return pl.DataFrame([asdict(one) for one in trades], SCHEMA)


def trade(
    day: date, bars: pl.DataFrame, instrument: Instrument, session: Session, slot: time, *, over: bool
) -> Trade:
    """What one slot came to."""
    start, at, close = (datetime.combine(day, one) for one in (session.range_from, slot, instrument.closes))
    before = bars.filter(pl.col("Local").is_between(start, at, closed="left"))
    after = bars.filter(pl.col("Local").is_between(at, close, closed="left"))
    found = Trade(day, instrument.name, session.name, slot)
    if not after.height and not over:
        return replace(found, Result="waiting")
    if not after.height or before.height < COVERED * (at - start) / MINUTE:
        return found
    top, bottom = before.select(pl.col("High").max(), pl.col("Low").min()).row(0)
    found = replace(found, Range_High=top, Range_Low=bottom)
    buy, sell = top + instrument.tick, bottom - instrument.tick
    out = after.with_row_index().filter((pl.col("High") >= buy) | (pl.col("Low") <= sell))
    if not out.height:
        return replace(found, Result="no breakout" if over else "waiting")
    first = out.row(0, named=True)
    bought = first["High"] >= buy and (first["Low"] > sell or buy - first["Open"] <= first["Open"] - sell)
    return _follow(found, after[first["index"] :], 1 if bought else -1, buy, sell, instrument, over)


def _follow(
    found: Trade, bars: pl.DataFrame, side: int, buy: float, sell: float, instrument: Instrument, over: bool
) -> Trade:
    """The trade from its entry, in the first of these bars, to its end.

    A short is followed as a long in prices below zero: `good` is the far end of a bar, `bad` the other.
    """
    opened, closed = side * bars["Open"].to_numpy(), side * bars["Close"].to_numpy()
    high, low = bars["High"].to_numpy(), bars["Low"].to_numpy()
    good, bad = (high, low) if side > 0 else (-low, -high)
    trigger, other = (buy, sell) if side > 0 else (-sell, -buy)
    entry = max(opened[0], trigger)
    target, stop = entry + instrument.target, max(other, entry - FARTHEST * instrument.target)
    stopped = _first(bad <= stop)
    won = _first((good >= target) & (np.arange(len(good)) > 0))
    if stopped <= won and stopped < len(bad):
        last, result = stopped, "loss"
        leave = min(opened[last], stop) if last else stop
    elif won < len(good):
        last, leave, result = won, target, "win"
    else:
        last, leave, result = len(closed) - 1, closed[-1], "close" if over else "open"
    points = round(float(leave - entry), 9)

    def price(value: float) -> float:
        return round(float(side * value), 9)

    return replace(
        found,
        Direction=side,
        Entry_Time=bars["Time"][0],
        Entry=price(entry),
        Target=price(target),
        Stop=price(stop),
        Exit_Time=bars["Time"][last] if result != "open" else None,
        Exit=price(leave) if result != "open" else None,
        Result=result,
        Points=points,
        Best=round(max(0.0, float(good[: last + 1].max() - entry)), 9),
        PnL=round(points * instrument.point_value, 2),
    )


def _first(happened: np.ndarray) -> int:
    """Where it first happens; the length where it never does."""
    return int(happened.argmax()) if happened.any() else len(happened)
