"""Local dates have 23, 24 or 25 hours, and states turn exactly where these begin and end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from openbell.market import Market, MarketState, calendars, market
from openbell.market.markets import Market as Built
from openbell.market.schedule import Closure, Session
from tests.market.asked import DAY, TICK
from tests.market.oracle import midnight

HOUR = timedelta(hours=1)
ZONES = sorted({str(market(name).tz) for name in calendars()} | {"Australia/Lord_Howe", "Africa/Cairo"})
FIRST, LAST = date(2007, 1, 1), date(2027, 12, 31)


@lru_cache(maxsize=128)
def midnights(zone: ZoneInfo, first: date, last: date) -> list[datetime]:
    """The first instants of these dates. Searched for only where the clock is moved that night."""
    found = []
    before = None
    for n in range((last - first).days + 1):
        day = first + n * DAY
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
        offset = noon.utcoffset()
        moved = offset != before
        found.append(midnight(day, zone) if moved else noon.astimezone(UTC) - 12 * HOUR)
        before = offset
    return found


class Noon:
    """A calendar of any zone: every second date has a session of one minute at noon."""

    def __init__(self, zone: str, first: date, last: date) -> None:
        self.name = self.sources = self.digest = zone
        self.tz = ZoneInfo(zone)
        self.valid_from, self.valid_until = first, last
        self.before = None

    def closure(self, day: date) -> Closure | None:
        return Closure(day, "holiday") if day.toordinal() % 2 else None

    def session(self, day: date) -> Session | None:
        return None if self.closure(day) else self.usual(day)

    def usual(self, day: date) -> Session:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.tz).astimezone(UTC)
        return Session(day, noon, noon + timedelta(minutes=1))


def changes(zone: ZoneInfo, first: date, last: date) -> dict[date, timedelta]:
    """The dates on which the clock is moved, and their lengths, by the offsets of their two midnights."""
    found = midnights(zone, first, last + DAY)
    lengths = {first + n * DAY: b - a for n, (a, b) in enumerate(pairwise(found))}
    return {day: length for day, length in lengths.items() if length != 24 * HOUR}


@pytest.mark.parametrize("zone", ZONES)
def test_every_local_date_is_as_long_as_its_clock_says(zone: str) -> None:
    """Each closed date is a HOLIDAY from its midnight to the next one, between two dates with sessions."""
    schedule = Noon(zone, FIRST, LAST)
    asked = Built(zone, schedule)
    moved = changes(schedule.tz, FIRST, LAST)
    assert all(22 * HOUR < length < 26 * HOUR for length in moved.values())
    days = {day + n * DAY for day in moved for n in range(-2, 3)} | {date(2012, 2, 28), date(2024, 2, 29)}
    for day in sorted(days):
        if FIRST + 2 * DAY < day < LAST - 2 * DAY and schedule.closure(day):
            check_closed_date(asked, day, moved.get(day, 24 * HOUR))
    if zone == "Australia/Lord_Howe":
        assert set(moved.values()) == {23 * HOUR + 30 * timedelta(minutes=1), 24 * HOUR + HOUR / 2}


def check_closed_date(asked: Market, day: date, length: timedelta) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=asked.tz)
    found = asked.moment(noon)
    assert found.state is MarketState.HOLIDAY
    assert found.since == midnight(day, asked.tz)
    assert found.until - found.since == length, day
    assert asked.state(found.since - TICK) is asked.state(found.until) is MarketState.OVERNIGHT
    last = asked.session(noon)
    assert last == day - DAY
    assert {one.session for one in asked.transitions(found.since - TICK, found.until + TICK)} == {last}


def test_the_zones_of_the_calendars_move_their_clocks() -> None:
    """The test above is about something: hours lost and won, and clocks moved at midnight."""
    assert len(ZONES) > 40
    lengths = {zone: set(changes(ZoneInfo(zone), FIRST, LAST).values()) for zone in ZONES}
    assert lengths["Europe/London"] == lengths["America/New_York"] == {23 * HOUR, 25 * HOUR}
    assert not lengths["Asia/Tokyo"]
    assert not lengths["UTC"]
    for zone, day in (("America/Sao_Paulo", date(2018, 11, 4)), ("America/Santiago", date(2024, 9, 8))):
        assert midnight(day, ZoneInfo(zone)).astimezone(ZoneInfo(zone)).hour == 1


@pytest.mark.parametrize("name", calendars())
def test_dates_decide_exactly_between_their_midnights(name: str) -> None:
    """From 2007 on: the first and the last second of each date, outside of windows."""
    numpy: Any = pytest.importorskip("numpy")
    asked = market(name)
    first, last = max(FIRST, asked.valid_from + 10 * DAY), asked.valid_until - 10 * DAY
    seconds = [int(at.timestamp()) for at in midnights(asked.tz, first, last + DAY)]
    starts = numpy.array(seconds[:-1], dtype="int64")
    ends = numpy.array(seconds[1:], dtype="int64") - 1
    open_days = set(asked.dates(first, last))
    trades = numpy.array([first + n * DAY in open_days for n in range(len(starts))])
    for instants in (starts, ends):
        states = asked.states(instants * 10**9)
        assert not ((states == MarketState.OVERNIGHT) & ~trades).any()
        assert not ((states == MarketState.HOLIDAY) & trades).any()
    assert lengths_are_sound(starts, ends)


def lengths_are_sound(starts: Any, ends: Any) -> bool:
    """The clock moves by an hour; by half of one in Caracas, and zones change their minds."""
    hours = (ends + 1 - starts) / 3600
    return bool(((hours >= 23) & (hours <= 25)).all())
