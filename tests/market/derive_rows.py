"""Writes rows.csv: states and labels of markets as the exchanges' own rules and other libraries have them.

Run by hand, in an environment with pandas_market_calendars and exchange_calendars:

    python -m tests.market.derive_rows

Hours and closures of the dates in question come from facts.txt; sessions around them from
pandas_market_calendars. Where the two disagree about a date, facts.txt holds and the difference is told.
The oracle of this folder turns sessions into states. Nothing in here, nor in the oracle, is openbell's.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.market.oracle import Day, Sky, midnight

HERE = Path(__file__).parent
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)

SOURCES = {  # whose week it is, and where
    "XNYS": ("NYSE", "America/New_York"),
    "US_EQ": ("NYSE", "America/New_York"),
    "XLON": ("LSE", "Europe/London"),
    "XPAR": ("XPAR", "Europe/Paris"),
    "XETR": ("XETR", "Europe/Berlin"),
    "XTKS": ("JPX", "Asia/Tokyo"),
    "ASIA_EQ": ("JPX", "Asia/Tokyo"),
    "XHKG": ("XHKG", "Asia/Hong_Kong"),
    "XSHG": ("SSE", "Asia/Shanghai"),
    "XASX": ("XASX", "Australia/Sydney"),
    "XNZE": ("XNZE", "Pacific/Auckland"),
    "XBOM": ("BSE", "Asia/Kolkata"),
    "XSAU": ("XSAU", "Asia/Riyadh"),
    "XTAE": ("XTAE", "Asia/Jerusalem"),
    "BVMF": ("BVMF", "America/Sao_Paulo"),
    "XTSE": ("TSX", "America/Toronto"),
    "CMES": ("CME Globex Equity", "America/Chicago"),
    "XNYM": ("CMEGlobex_EnergyAndMetals", "America/Chicago"),
    "FX": ("", "America/New_York"),
    "24-7": ("", "UTC"),
}
WEEKS = {"FX": "1111100", "24-7": "1111111"}  # markets whose hours leave nothing to look up
HOURS = {"FX": "<17:00-17:00", "24-7": "00:00-24:00"}


class Fact(NamedTuple):
    """What is known of one date of one market."""

    market: str
    day: date
    hours: str
    why: str


def facts() -> list[Fact]:
    found = []
    for line in (HERE / "facts.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            market, day, hours, why = line.split("  ", 3)
            found.append(Fact(market, date.fromisoformat(day), hours, why))
    return found


def session(label: date, hours: str, zone: ZoneInfo) -> Day | None:
    """A session from `09:00-11:30 12:30-15:00`, `<17:00-16:00` or `closed`."""
    if hours == "closed":
        return None
    edges = [wall(label, text, zone) for part in hours.split() for text in part.split("-")]
    return Day(label, edges[0], edges[-1], tuple(zip(edges[1:-1:2], edges[2:-1:2], strict=True)))


def wall(day: date, text: str, zone: ZoneInfo) -> datetime:
    if text.startswith("<"):
        return wall(day - DAY, text[1:], zone)
    if text == "24:00":
        return wall(day + DAY, "00:00", zone)
    return datetime.combine(day, time.fromisoformat(text), zone).astimezone(UTC)


def around(market: str, day: date) -> list[Day]:
    """The sessions from two weeks before a date to two weeks after it, as other libraries have them."""
    source, place = SOURCES[market]
    span = [day + n * DAY for n in range(-14, 15)]
    if not source:
        days = [label for label in span if WEEKS[market][label.weekday()] == "1"]
        return [one for label in days if (one := session(label, HOURS[market], ZoneInfo(place)))]
    return list(library(source, span[0], span[-1]))


def library(source: str, first: date, last: date) -> Iterator[Day]:
    calendars: Any = import_module("pandas_market_calendars")
    for label, row in calendars.get_calendar(source).schedule(first, last).iterrows():
        at = {name: moment.to_pydatetime().astimezone(UTC) for name, moment in row.items()}
        begin, end = at.get("break_start"), at.get("break_end")
        pause = ((begin, end),) if begin and end and begin < end < at["market_close"] else ()
        yield Day(label.date(), at["market_open"], at["market_close"], pause)


def rows(fact: Fact, known: dict[tuple[str, date], Fact]) -> Iterator[tuple[str, str, str, str, str]]:
    zone = ZoneInfo(SOURCES[fact.market][1])
    found = {one.label: one for one in around(fact.market, fact.day)}
    told = found.get(fact.day)
    for (market, day), other in known.items():
        if market == fact.market and abs(day - fact.day) <= 14 * DAY:
            found.pop(day, None)
            if (said := session(day, other.hours, zone)) is not None:
                found[day] = said
    if told != found.get(fact.day):
        print(f"{fact.market} {fact.day}: facts {found.get(fact.day)}, library {told}", file=sys.stderr)
    sky = Sky([found[label] for label in sorted(found)], zone)
    for at in sorted(set(probes(fact.day, sky))):
        state, label = sky.verdict(at)
        yield fact.market, stamp(at), state, str(label), fact.why


def probes(day: date, sky: Sky) -> Iterator[datetime]:
    """Instants worth asking about: the edges of this date and of its session, and just before them."""
    start, end = midnight(day, sky.zone), midnight(day + DAY, sky.zone)
    here = [n for n, one in enumerate(sky.days) if one.label == day]
    edges = [start, end]
    for n in here:
        one = sky.days[n]
        edges += [sky.pre_begins(n), one.open, *(edge for pause in one.breaks for edge in pause), one.close]
        edges.append(sky.post_ends(n))
        yield one.open - SECOND
        yield one.close - SECOND
        yield one.open + (one.close - one.open) / 3 // SECOND * SECOND
    for edge in edges:
        yield edge
        yield edge - TICK
    yield start + timedelta(hours=12)
    yield end + timedelta(hours=3)


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def main() -> None:
    warnings.simplefilter("ignore")  # pandas_market_calendars warns about itself
    every = facts()
    known = {(fact.market, fact.day): fact for fact in every}
    with (HERE / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("market", "instant", "state", "label", "why"))
        for fact in every:
            writer.writerows(rows(fact, known))


if __name__ == "__main__":
    main()
