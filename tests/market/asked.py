"""What the property tests ask with: instants of any calendar, and the sessions around them for the oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from openbell.market import Market, calendars, market
from tests.market.oracle import Day, Sky

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REACH = 45 * DAY
"""More than the longest closure: Athens in 2015."""

names = st.sampled_from(calendars())


def ns(at: datetime) -> int:
    return (at - EPOCH) // TICK * 1000


def utc(nanoseconds: int) -> datetime:
    return EPOCH + nanoseconds // 1000 * TICK


def sky(asked: Market, first: date, last: date) -> Sky:
    """The sessions of a market from well before a date to well after another one."""
    start, end = max(asked.valid_from, first - REACH), min(asked.valid_until, last + REACH)
    found = [Day(one.date, one.open, one.close, one.breaks) for one in asked.sessions(start, end)]
    return Sky(found, asked.tz, asked.windows.pre_open, asked.windows.post_close)


def verdict(asked: Market, at: datetime) -> tuple[str, date]:
    """State and label by the market itself."""
    return asked.state(at).name, asked.session(at)


def inside(asked: Market) -> st.SearchStrategy[date]:
    """Dates away from the bounds."""
    return st.dates(asked.valid_from + REACH, asked.valid_until - 10 * DAY)


@st.composite
def moments(draw: st.DrawFn) -> tuple[Market, datetime]:
    """A calendar, and an instant away from its bounds."""
    asked = market(draw(names))
    day = draw(inside(asked))
    seconds = draw(st.integers(0, 86400 * 10**6))
    return asked, datetime(day.year, day.month, day.day, tzinfo=UTC) + seconds * TICK


def near(asked: Market, day: date, days: int = 3) -> list[datetime]:
    """The edges around a date by the oracle, and the instants on both sides of each."""
    around = sky(asked, day, day)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    edges = [edge for edge in around.edges() if abs(edge - noon) <= days * DAY]
    return [edge + shift for edge in edges for shift in (-TICK, 0 * TICK, TICK)]
