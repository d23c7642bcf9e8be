"""Makes raw exports in `data/raw`: SYNTHETIC minute bars, as a trading platform would export real ones.

One file an instrument and UTC day, `ES_20251103.csv`: `yyyyMMdd HHmmss;Open;High;Low;Close;Volume`, UTC.
Futures trade from 17:00 to 16:00 Chicago time, Sunday to Friday, so the clocks' change in Chicago moves
the bars by an hour. The same seed makes the same bars of a day, whatever else is made.

    python generate.py [--from 2025-10-30] [--to 2025-11-06] [--seed 7] [--slowly SECONDS] [ES NQ ...]

Signals in `data/raw/logs` tell when an export has begun, how far it is, and when it is complete.
"""

import argparse
import json
import math
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from breakout.instruments import Instrument, instruments

RAW = Path("data/raw")
START = date(2025, 1, 1)  # where the walk of each price begins
LEVEL = {
    "ES": 6_000.0,
    "NQ": 21_000.0,
    "YM": 43_000.0,
    "CL": 70.0,
    "NG": 3.5,
    "GC": 2_700.0,
    "FDAX": 20_000.0,
}
DAILY = 0.011  # standard deviation of a day's move
MINUTE = timedelta(minutes=1)


def level(seed: int, name: str, day: date) -> float:
    """The price at the beginning of a UTC day."""
    moves = (
        Random(f"{seed}/{name}/{START + timedelta(days=n)}").gauss(0, DAILY)
        for n in range((day - START).days)
    )
    return LEVEL[name] * math.exp(math.fsum(moves))


def trades_at(instrument: Instrument, at: datetime) -> bool:
    """Whether the instrument trades in the minute that begins at this instant."""
    local = at.astimezone(instrument.zone)
    weekday, clock = local.weekday(), local.time()
    if instrument.opens > instrument.closes:  # from the evening before: Sunday evening to Friday afternoon
        evening = clock >= instrument.opens
        return (evening and weekday in (6, 0, 1, 2, 3)) or (clock < instrument.closes and weekday < 5)
    return weekday < 5 and instrument.opens <= clock < instrument.closes


def lines(instrument: Instrument, day: date, seed: int) -> list[str]:
    """The export of one UTC day: a walk from its first price to that of the next day."""
    random = Random(f"{seed}/{instrument.name}/{day}/minutes")
    first, last = (math.log(level(seed, instrument.name, one)) for one in (day, day + timedelta(days=1)))
    steps = [random.gauss(0, DAILY / math.sqrt(1440)) for _ in range(1440)]
    drift = (last - first - math.fsum(steps)) / 1440
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    digits = len(f"{instrument.tick}".partition(".")[2])
    found, price = [], first
    for minute, step in enumerate(steps):
        before, price = price, price + step + drift
        reach = abs(random.gauss(0, 0.0003)), abs(random.gauss(0, 0.0003))
        volume = 1 + int(abs(random.gauss(0, 300)))
        at = begin + minute * MINUTE
        if trades_at(instrument, at):
            logs = before, max(before, price) + reach[0], min(before, price) - reach[1], price
            ticks = (round(math.exp(one) / instrument.tick) * instrument.tick for one in logs)
            found.append(
                ";".join([f"{at:%Y%m%d %H%M%S}", *(f"{tick:.{digits}f}" for tick in ticks), str(volume)])
            )
    return found


def export(path: Path, text: list[str], seconds: float) -> None:
    """Write one export, in so many seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = 20 if seconds else 1
    with path.open("w") as file:
        for piece in range(pieces):
            part = text[piece * len(text) // pieces : (piece + 1) * len(text) // pieces]
            file.writelines(f"{line}\n" for line in part)
            file.flush()
            time.sleep(seconds / pieces)


def signal(what: str, at: datetime, **data: object) -> None:
    """Tell how far the export is, as platforms do: a file beside the exports."""
    target = RAW / "logs" / f"export_{what}_{at:%Y%m%d_%H%M%S_%f}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    draft.write_text(json.dumps({"export": at.isoformat(), **data}) + "\n")
    draft.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="SYNTHETIC minute bars as a trading platform would export them."
    )
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2025, 10, 30))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2025, 11, 6))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slowly", type=float, default=0, metavar="SECONDS", help="for each file")
    parser.add_argument("names", nargs="*", default=["ES", "NQ", "YM", "CL", "NG", "GC"])
    chosen = parser.parse_args()
    known, count, rows, begun = instruments(), 0, 0, datetime.now(UTC)
    signal("start", begun, instruments=chosen.names)
    for name in chosen.names:
        for n in range((chosen.last - chosen.first).days + 1):
            day = chosen.first + timedelta(days=n)
            if text := lines(known[name], day, chosen.seed):
                export(RAW / f"{name}_{day:%Y%m%d}.csv", text, chosen.slowly)
                count, rows = count + 1, rows + len(text)
        signal("progress", begun, instrument=name, files=count, rows=rows)
    signal("complete", begun, files=count, rows=rows)
    print(f"{RAW}: {count} synthetic exports of {', '.join(chosen.names)}, {rows:,} bars")


if __name__ == "__main__":
    main()
