"""When triggers come: the core against a clerk who looks at every single minute (`openbell.sim.truth`)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.core.triggers import (
    AnchorTrigger,
    CronTrigger,
    IntervalTrigger,
    Occasion,
    SessionTrigger,
    Timed,
    next_after,
    upcoming,
)
from openbell.market import Market, market
from openbell.market.points import anchor
from openbell.sim import truth

ZONES = (
    "America/New_York",
    "Europe/London",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/Havana",  # midnight is skipped, and 00:00-01:00 repeated
    "Asia/Beirut",  # midnight is skipped, and 23:00-24:00 repeated
    "America/Santiago",  # the same, in the south
    "Africa/Cairo",
    "Pacific/Chatham",  # three quarters of an hour
    "Asia/Kathmandu",
    "America/St_Johns",
    "UTC",
)
MARKETS = ("XNYS", "XLON", "XTKS", "XHKG")
CHANGES = (
    date(2026, 3, 7),
    date(2026, 3, 8),
    date(2026, 3, 28),
    date(2026, 3, 29),
    date(2026, 4, 4),
    date(2026, 4, 5),
    date(2026, 4, 24),
    date(2026, 9, 6),
    date(2026, 9, 27),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 10, 30),
    date(2026, 11, 1),
)
"""Dates on or near which clocks change somewhere."""


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def came(trigger: Timed, start: datetime, end: datetime, of: Market | None = None) -> list[Occasion]:
    return list(takewhile(lambda occasion: occasion.at <= end, upcoming(trigger, of, start)))


def walls(trigger: Timed, zone: str, start: str, end: str) -> list[str]:
    """What the clock on the wall shows when it comes."""
    found = came(trigger, local(start, zone), local(end, zone))
    return [f"{occasion.at.astimezone(ZoneInfo(zone)):%m-%d %H:%M %z}" for occasion in found]


def agree(trigger: Timed, start: datetime, end: datetime, of: Market | None = None) -> None:
    """Core and clerk say the same of a stretch, and the core says it again from anywhere within."""
    expected = truth.due(trigger, of, start, end)
    found = came(trigger, start, end, of)
    assert [(one.at, one.session) for one in found] == expected
    for one, following in pairwise(found):
        assert next_after(trigger, of, one.at) == following
        assert next_after(trigger, of, one.at + (following.at - one.at) / 2) == following


# ── strategies ───────────────────────────────────────────────────────────────────────────────

zones = st.sampled_from(ZONES)
instants = st.builds(
    lambda day, minutes: datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from(CHANGES) | st.dates(date(2024, 1, 1), date(2027, 6, 1)),
    st.integers(-1440, 1440),
)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    wide = (
        st.tuples(number, number)
        .filter(lambda ends: ends[0] < ends[1])
        .map(lambda ends: f"{ends[0]}-{ends[1]}")
    )
    step = st.integers(1, max(1, (high - low) // 2))
    one = number.map(str) | span | st.builds(lambda a, b: f"{a}/{b}", wide, step)
    listed = st.lists(one, min_size=1, max_size=3).map(",".join)
    return st.just("*") | step.map(lambda n: f"*/{n}") | listed


@st.composite
def crons(draw: st.DrawFn) -> str:
    """Expressions that come often enough for a few days to tell anything."""
    minute, hour = draw(_field(0, 59)), draw(_field(0, 23) | st.sampled_from(["0", "1", "2", "3", "23"]))
    days = draw(st.sampled_from(["* * *", "* * 0", "* * 6,7", "* * mon-fri", "1,8,28-31 * sun", "*/2 * *"]))
    month = draw(st.sampled_from(["*", "*", "3,4,9-11", "mar-nov"]))
    day, _, weekday = days.split()
    return f"{minute} {hour} {day} {month} {weekday}"


INTERVALS = [1, 5, 7, 10, 15, 16, 20, 25, 30, 45, 60, 90, 120, 180, 240, 300, 360, 480, 720, 1440, 2000, 2880]


# ── against the clerk ────────────────────────────────────────────────────────────────────────


@given(expression=crons(), zone=zones, start=instants)
@settings(max_examples=50)
def test_crons(expression: str, zone: str, start: datetime) -> None:
    agree(CronTrigger(expression, zone), start, start + timedelta(days=2))


@given(minutes=st.sampled_from(INTERVALS), zone=zones, start=instants)
@settings(max_examples=30)
def test_intervals(minutes: int, zone: str, start: datetime) -> None:
    agree(IntervalTrigger(timedelta(minutes=minutes), zone), start, start + timedelta(days=2))


@given(
    seconds=st.integers(1, 7200),
    zone=zones,
    start=instants,
    asleep=st.timedeltas(timedelta(0), timedelta(days=1)),
)
@settings(max_examples=50)
def test_whatever_the_interval_it_is_strictly_later_and_not_by_more(
    seconds: int, zone: str, start: datetime, asleep: timedelta
) -> None:
    trigger = IntervalTrigger(timedelta(seconds=seconds), zone)
    found = [occasion.at for occasion in islice(upcoming(trigger, None, start + asleep), 5)]
    assert all(later > earlier for earlier, later in zip([start + asleep, *found], found, strict=False))
    assert found[0] - (start + asleep) <= timedelta(seconds=seconds) + timedelta(hours=1)


@given(
    states=st.sets(st.sampled_from(["pre_open", "session", "break", "post_close", "overnight"]), min_size=1),
    of=st.sampled_from(MARKETS),
    minutes=st.sampled_from([1, 7, 15, 60, 240]),
    start=instants,
)
@settings(max_examples=20)
def test_during(states: set[str], of: str, minutes: int, start: datetime) -> None:
    place = market(of)
    during = tuple(sorted(states))
    trigger = IntervalTrigger(timedelta(minutes=minutes), str(place.tz), during)
    agree(trigger, start, start + timedelta(days=4), place)


@given(of=st.sampled_from(MARKETS), start=instants)
@settings(max_examples=20)
def test_crons_during_a_session_belong_to_it(of: str, start: datetime) -> None:
    place = market(of)
    agree(
        CronTrigger("*/10 8-17 * * *", str(place.tz), ("session",)), start, start + timedelta(days=4), place
    )
    agree(CronTrigger("0 2 * * *", str(place.tz)), start, start + timedelta(days=9), place)


@given(of=st.sampled_from(MARKETS), start=instants)
@settings(max_examples=20)
def test_sessions(of: str, start: datetime) -> None:
    agree(SessionTrigger(), start, start + timedelta(days=30), market(of))


@given(
    of=st.sampled_from(MARKETS),
    which=st.sampled_from(["", "first session of week", "last session of month", "first session of quarter"]),
    shift=st.sampled_from(["", "next", "previous"]),
    event=st.sampled_from(["open", "close"]),
    offset=st.sampled_from(["", "+30m", "-90s", "+26h", "-3h", "+200h", "-100h"]),
    start=instants,
)
@settings(max_examples=60)
def test_points(of: str, which: str, shift: str, event: str, offset: str, start: datetime) -> None:
    text = " ".join(filter(None, (which, shift, event + offset)))
    agree(AnchorTrigger(text), start, start + timedelta(days=20), market(of))
    assert str(anchor(str(anchor(text)))) == str(anchor(text))
    assert anchor(str(anchor(text))) == anchor(text), "its text is not all of it"


# ── the words of the documentation ───────────────────────────────────────────────────────────

NEW_YORK = "America/New_York"


def test_on_the_night_that_has_two_a_fixed_time_comes_once() -> None:
    trigger = CronTrigger("30 1 * * *", NEW_YORK)
    found = walls(trigger, NEW_YORK, "2026-10-31T00:00", "2026-11-03T00:00")
    assert found == ["10-31 01:30 -0400", "11-01 01:30 -0400", "11-02 01:30 -0500"]


def test_nor_does_it_come_again_for_who_looks_in_between() -> None:
    trigger = CronTrigger("30 1 * * *", NEW_YORK)
    second = local("2026-11-01T01:10", NEW_YORK, fold=1)  # 01:30 was forty minutes ago, and will be again
    found = next_after(trigger, None, second)
    assert found is not None
    assert found.at == local("2026-11-02T01:30", NEW_YORK)


def test_on_the_night_that_has_none_a_fixed_time_comes_when_the_clocks_have_changed() -> None:
    trigger = CronTrigger("30 2 * * *", NEW_YORK)
    found = walls(trigger, NEW_YORK, "2026-03-07T00:00", "2026-03-10T00:00")
    assert found == ["03-07 02:30 -0500", "03-08 03:00 -0400", "03-09 02:30 -0400"]


def test_a_loop_goes_on_past_midnight() -> None:
    start = local("2026-11-20T23:50", NEW_YORK)
    trigger = IntervalTrigger(timedelta(minutes=15), NEW_YORK)
    found = [
        f"{one.at.astimezone(ZoneInfo(NEW_YORK)):%H:%M}" for one in islice(upcoming(trigger, None, start), 3)
    ]
    assert found == ["00:00", "00:15", "00:30"]


def test_a_loop_goes_by_real_time_when_the_clocks_change() -> None:
    trigger = IntervalTrigger(timedelta(minutes=30), NEW_YORK)
    found = walls(trigger, NEW_YORK, "2026-11-01T00:31", "2026-11-01T02:00")
    assert [text[6:11] for text in found] == ["01:00", "01:30", "01:00", "01:30", "02:00"]
    cron = CronTrigger("*/30 * * * *", NEW_YORK)
    assert walls(cron, NEW_YORK, "2026-11-01T00:31", "2026-11-01T02:00") == found


def test_four_hours_are_those_of_the_wall() -> None:
    trigger = IntervalTrigger(timedelta(hours=4), NEW_YORK)
    found = walls(trigger, NEW_YORK, "2026-10-31T21:00", "2026-11-01T13:00")
    assert [text[6:11] for text in found] == ["00:00", "04:00", "08:00", "12:00"]


def test_where_half_an_hour_is_changed() -> None:
    zone = "Australia/Lord_Howe"
    hourly = IntervalTrigger(timedelta(hours=1), zone)
    spring = walls(hourly, zone, "2026-10-04T00:30", "2026-10-04T04:00")
    assert [text[6:] for text in spring] == ["01:00 +1030", "03:00 +1100", "04:00 +1100"]
    autumn = walls(hourly, zone, "2026-04-05T00:30", "2026-04-05T03:00")
    assert [text[6:] for text in autumn] == ["01:00 +1100", "02:00 +1030", "03:00 +1030"]
    cron = CronTrigger("*/20 3 * * *", zone)
    assert [text[6:11] for text in walls(cron, zone, "2026-10-04T00:00", "2026-10-04T05:00")] == [
        "03:00",
        "03:20",
        "03:40",
    ]


@pytest.mark.parametrize("zone", ["America/Havana", "Asia/Beirut", "America/Santiago"])
def test_where_midnight_is_skipped(zone: str) -> None:
    day = {"America/Havana": "2026-03-08", "Asia/Beirut": "2026-03-29", "America/Santiago": "2026-09-06"}[
        zone
    ]
    start, end = f"{date.fromisoformat(day) - timedelta(days=1)}T12:00", f"{day}T12:00"
    daily = CronTrigger("0 0 * * *", zone)
    assert [text[6:11] for text in walls(daily, zone, start, end)] == ["01:00"]
    assert [text[6:11] for text in walls(CronTrigger("*/30 1 * * *", zone), zone, start, end)] == [
        "01:00",
        "01:30",
    ]
    assert walls(CronTrigger("*/30 0 * * *", zone), zone, start, end) == []
    twice = IntervalTrigger(timedelta(hours=12), zone)
    assert [text[6:11] for text in walls(twice, zone, start, end)] == ["01:00", "12:00"]


def test_hours_are_full_where_they_are_full_on_the_wall() -> None:
    hourly = IntervalTrigger(timedelta(hours=1), "Asia/Kolkata")
    found = next_after(hourly, None, instant("2026-11-20T04:00Z"))
    assert found is not None
    assert found.at == local("2026-11-20T10:00", "Asia/Kolkata")


def test_a_cron_that_comes_once_in_a_generation() -> None:
    found = next_after(CronTrigger("0 0 * 2 mon#5", "UTC"), None, instant("2026-01-01T00:00Z"))
    assert found is not None
    assert found.at == instant("2044-02-29T00:00Z")


def test_leap_days() -> None:
    found = next_after(CronTrigger("0 12 29 2 *", "UTC"), None, instant("2024-02-29T12:00Z"))
    assert found is not None
    assert found.at == instant("2028-02-29T12:00Z")


def test_half_days_close_early() -> None:
    found = came(
        AnchorTrigger("close+30m"), instant("2026-11-25T00:00Z"), instant("2026-11-28T00:00Z"), market("XNYS")
    )
    assert [(f"{one.at:%d %H:%M}", one.key) for one in found] == [
        ("25 21:30", "20261125T213000Z"),
        ("27 18:30", "20261127T183000Z"),
    ]


def test_the_last_session_of_a_month() -> None:
    trigger = AnchorTrigger("last session of month close+60m")
    found = came(trigger, instant("2026-04-01T00:00Z"), instant("2026-08-01T00:00Z"), market("XNYS"))
    assert [one.session for one in found] == [
        date(2026, 4, 30),
        date(2026, 5, 29),
        date(2026, 6, 30),
        date(2026, 7, 31),
    ]


def test_the_session_of_an_occasion_is_the_one_that_its_instant_belongs_to() -> None:
    place = market("XTKS")
    trigger = CronTrigger("0 2 * * 6", "Asia/Tokyo")
    found = next_after(trigger, place, instant("2026-11-19T00:00Z"))
    assert found is not None
    assert (found.at, found.session) == (instant("2026-11-20T17:00Z"), date(2026, 11, 20))


# ── keys, ends, and what there is not ────────────────────────────────────────────────────────


def test_modes_have_keys_of_their_own() -> None:
    start = instant("2026-11-20T00:00Z")
    place = market("XNYS")
    for plain, moded in (
        (CronTrigger("0 19 * * *", "UTC"), CronTrigger("0 19 * * *", "UTC", mode="daily")),
        (SessionTrigger(), SessionTrigger(mode="daily")),
        (AnchorTrigger("close"), AnchorTrigger("close", mode="daily")),
    ):
        one, other = next_after(plain, place, start), next_after(moded, place, start)
        assert one is not None
        assert other is not None
        assert other.key == f"{one.key}-daily"
        assert str(plain) != str(moded)


@pytest.mark.parametrize(
    "trigger",
    [
        SessionTrigger(),
        AnchorTrigger("close"),
        AnchorTrigger("last session of month next open"),
        CronTrigger("0 12 * * *", "UTC"),
        IntervalTrigger(timedelta(hours=1), "UTC"),
        IntervalTrigger(timedelta(hours=1), "UTC", ("session",)),
    ],
    ids=str,
)
def test_the_calendar_comes_to_an_end(trigger: Timed) -> None:
    place = market("XNYS")
    end = datetime.combine(place.valid_until, datetime.min.time(), UTC)
    last = came(trigger, end - timedelta(days=70), end + timedelta(days=70), place)
    assert last, "nothing before the end either"
    assert last[-1].at <= end + timedelta(days=10)
    assert next_after(trigger, place, last[-1].at) is None
    assert next_after(trigger, place, end + timedelta(days=400)) is None


def test_without_a_market_nothing_comes_that_needs_one() -> None:
    start = instant("2026-11-20T00:00Z")
    for trigger in (
        SessionTrigger(),
        AnchorTrigger("close"),
        IntervalTrigger(timedelta(hours=1), "UTC", ("session",)),
    ):
        assert next_after(trigger, None, start) is None


def test_the_longest_closure_is_looked_across() -> None:
    """Athens was closed from 29 June to 2 August 2015."""
    place = market("ASEX")
    found = next_after(AnchorTrigger("next open"), place, instant("2015-07-25T00:00Z"))
    assert found is not None
    assert (found.session, found.at.date()) == (date(2015, 6, 26), date(2015, 8, 3))
