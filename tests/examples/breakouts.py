"""Breakouts once more: minute by minute over the lines of the exports, without polars or numpy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

CHICAGO = ZoneInfo("America/Chicago")
ROUND = {"ES": (0.25, 10, 50), "NQ": (0.25, 50, 20), "YM": (1, 100, 5), "CL": (0.01, 0.5, 1000),
         "NG": (0.001, 0.05, 10_000), "GC": (0.1, 5, 100)}  # fmt: skip
"""Tick, target in points, dollars a point: as the exchanges have them, and the desk's targets."""

SLOTS = {"1": ("02:00", ["07:30", "08:00", "09:00"]), "2": ("08:00", ["09:30", "10:00", "10:30", "11:00"])}


@dataclass
class Minute:
    """A bar, by the clocks of Chicago."""

    at: datetime
    open: float
    high: float
    low: float
    close: float


def minutes(raw: list[Path]) -> dict[date, list[Minute]]:
    """By trading day: from 17:00 on the evening before to 16:00."""
    found: dict[datetime, Minute] = {}
    for path in raw:
        for line in path.read_text().splitlines():
            stamp, *prices = line.split(";")[:5]
            at = datetime.strptime(stamp, "%Y%m%d %H%M%S").replace(tzinfo=UTC).astimezone(CHICAGO)
            found[at] = Minute(at, *map(float, prices))
    days: dict[date, list[Minute]] = {}
    for at in sorted(found, key=datetime.timestamp):
        days.setdefault((at + timedelta(hours=7)).date(), []).append(found[at])
    return days


def clock(day: date, text: str) -> datetime:
    hour, minute = map(int, text.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=CHICAGO)


@dataclass
class Told:
    """What a slot has come to."""

    result: str
    side: int = 0
    entry: float | None = None
    entered: datetime | None = None
    left: float | None = None
    ended: datetime | None = None
    points: float = 0.0


def follow(name: str, day: date, bars: list[Minute], since: str, slot: str, *, last_day: bool) -> Told:
    """The state machine of one slot: waiting, in a trade, out."""
    tick, aim, _ = ROUND[name]
    begin, at, close = clock(day, since), clock(day, slot), clock(day, "16:00")
    ranged = [bar for bar in bars if begin <= bar.at < at]
    later = [bar for bar in bars if at <= bar.at < close]
    ended = not last_day or bars[-1].at + timedelta(minutes=1) >= close
    if not later and not ended:
        return Told("waiting")
    if not later or len(ranged) < (at - begin) / timedelta(minutes=2):
        return Told("no range")
    top, bottom = max(bar.high for bar in ranged) + tick, min(bar.low for bar in ranged) - tick
    told, stop, target = Told("no breakout" if ended else "waiting"), 0.0, 0.0
    for bar in later:
        if told.side == 0:
            up, down = bar.high >= top, bar.low <= bottom
            if up and (not down or top - bar.open <= bar.open - bottom):
                told.side, told.entry = 1, max(bar.open, top)
                stop, target = max(bottom, told.entry - 3 * aim), told.entry + aim
            elif down:
                told.side, told.entry = -1, min(bar.open, bottom)
                stop, target = min(top, told.entry + 3 * aim), told.entry - aim
            else:
                continue
            told.entered = bar.at
            if (told.side > 0 and bar.low <= stop) or (told.side < 0 and bar.high >= stop):
                told.result, told.left, told.ended = "loss", stop, bar.at
                break
            continue
        if told.side > 0 and bar.low <= stop:
            told.result, told.left = "loss", min(stop, bar.open)
        elif told.side < 0 and bar.high >= stop:
            told.result, told.left = "loss", max(stop, bar.open)
        elif (told.side > 0 and bar.high >= target) or (told.side < 0 and bar.low <= target):
            told.result, told.left = "win", target
        else:
            continue
        told.ended = bar.at
        break
    if told.side and told.left is None:
        told.result, told.left, told.ended = "close" if ended else "open", later[-1].close, later[-1].at
    if told.entry is not None and told.left is not None:
        told.points = told.side * (told.left - told.entry)
    return told
