"""Overlays and composites against the oracle, and against what their words say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openbell.errors import OverlayError
from openbell.market import Market, MarketState, Overlay, calendars, market
from tests.market.asked import DAY, EPOCH, TICK, near, sky, verdict
from tests.market.oracle import unsure

PLACES = ["XNYS", "XLON", "XTKS", "XHKG", "XASX", "XNZE", "XTAE", "XSAU", "BVMF", "XSGO", "AIXK"]
BASE = date(2024, 9, 2)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@st.composite
def entries(draw: st.DrawFn, asked: Market) -> dict[str, Any]:
    """One overlay that can hold on its date: within a local day, sessions elsewhere stay untouched."""
    day = BASE + draw(st.integers(0, 60)) * DAY
    times = sorted(draw(st.sets(st.integers(9 * 60, 17 * 60), min_size=4, max_size=4)))
    opened, begin, end, closed = map(clock, times)
    kind = draw(st.sampled_from(["closed", "hours", "breaks", "no breaks"]))
    if kind == "closed":
        assume(asked.is_session(day))
        return {"date": day, "closed": True, "reason": "a storm"}
    hours: dict[str, Any] = {"date": str(day), "open": opened, "close": closed}
    if not asked.is_session(day):
        hours["extra"] = True
    if kind != "hours":
        hours["breaks"] = [[begin, end]] if kind == "breaks" else []
    return hours


def local(asked: Market, at: datetime) -> str:
    return f"{at.astimezone(asked.tz):%H:%M}"


@given(st.sampled_from(PLACES), st.data())
@settings(max_examples=60)
def test_overlays_change_their_date_and_no_other(name: str, data: st.DataObject) -> None:
    base = market(name)
    entry = data.draw(entries(base))
    day = date.fromisoformat(str(entry["date"]))
    try:
        asked = market(name, overlays=[entry])
    except OverlayError:  # hours that leave a break of the calendar outside
        assert "breaks" not in entry
        assert base.is_session(day)
        assert base.session_of(day).breaks
        return
    others = [one for one in base.sessions(BASE - 30 * DAY, BASE + 90 * DAY) if one.date != day]
    assert [one for one in asked.sessions(BASE - 30 * DAY, BASE + 90 * DAY) if one.date != day] == others
    if "closed" in entry:
        assert (closure := asked.closure(day)) is not None
        assert (closure.kind, str(closure)) == ("overlay", "a storm")
    else:
        told = asked.session_of(day)
        assert (local(asked, told.open), local(asked, told.close)) == (entry["open"], entry["close"])
        if "breaks" in entry:
            pauses = [[local(asked, edge) for edge in pause] for pause in told.breaks]
            assert pauses == entry["breaks"]
    around = sky(asked, day, day)
    for at in near(asked, day):
        if not unsure(around, at):
            assert verdict(asked, at) == around.verdict(at)


@given(st.sampled_from(PLACES), st.data())
@settings(max_examples=40)
def test_the_last_overlay_of_a_date_wins(name: str, data: st.DataObject) -> None:
    base = market(name)
    day = data.draw(st.dates(BASE, BASE + 60 * DAY).filter(base.is_session))
    first = {"date": day, "open": "10:00", "close": "12:00", "breaks": []}
    second = {"date": day, "open": "11:00", "close": "13:00", "breaks": []}
    away = {"date": day, "closed": True}
    assert market(name, overlays=[first, away]).closure(day)
    alone = market(name, overlays=[second]).session_of(day)
    for given_overlays in ([first, second], [away, first, second]):
        found = market(name, overlays=given_overlays).session_of(day)
        assert (found.open, found.close, found.breaks) == (alone.open, alone.close, alone.breaks)


def test_an_extra_session_on_a_weekend() -> None:
    saturday = date(2024, 9, 7)
    extra = {"date": saturday, "extra": True, "open": "10:00", "close": "12:00", "reason": "a drill"}
    asked = market("XLON", overlays=[extra])
    at = datetime(2024, 9, 7, 9, tzinfo=UTC)
    assert verdict(asked, at) == ("SESSION", saturday)
    assert verdict(asked, at - TICK) == verdict(asked, at - timedelta(hours=1)) == ("PRE_OPEN", saturday)
    assert verdict(asked, at - timedelta(hours=1) - TICK) == ("OVERNIGHT", date(2024, 9, 6))
    assert verdict(asked, at + timedelta(hours=5)) == ("OVERNIGHT", saturday)
    assert verdict(asked, at + timedelta(hours=24)) == ("HOLIDAY", saturday)
    assert asked.next_session(date(2024, 9, 6)).date == saturday
    assert asked.prev_session(date(2024, 9, 9)).date == saturday
    assert asked.digest != market("XLON").digest


def test_an_extra_session_has_the_usual_hours_unless_it_says_others() -> None:
    asked = market("XNYS", overlays=[{"date": "2024-07-04", "extra": True}])
    found = asked.session_of(date(2024, 7, 4))
    assert (local(asked, found.open), local(asked, found.close)) == ("09:30", "16:00")


def test_a_range_closes_every_session_in_it() -> None:
    closed = Overlay(date(2024, 9, 2), date(2024, 9, 13), closed=True, reason="flood")
    asked = market("XTAE", overlays=[closed])
    assert asked.dates(date(2024, 9, 1), date(2024, 9, 15)) == [date(2024, 9, 1), date(2024, 9, 15)]
    assert verdict(asked, datetime(2024, 9, 10, 10, tzinfo=UTC)) == ("HOLIDAY", date(2024, 9, 1))
    saturday = asked.closure(date(2024, 9, 7))
    assert saturday is not None
    assert saturday.kind == "weekend"


def test_what_was_not_known_yet_does_not_count() -> None:
    told = datetime(2023, 9, 1, 0, 0, tzinfo=UTC)
    overlay = {"date": "2024-09-03", "closed": True, "known_at": told.isoformat()}
    before, since = (market("XHKG", overlays=[overlay], as_of=told + n * TICK) for n in (-1, 0))
    assert before.is_session(date(2024, 9, 3))
    assert not since.is_session(date(2024, 9, 3))


def test_an_overlay_that_changes_nothing_is_told() -> None:
    notes = market("XNYS", overlays=[{"date": "2024-07-04", "closed": True}]).notes()
    assert any("2024-07-04" in note for note in notes)
    assert not any("2024-07" in note for note in market("XNYS").notes())


def test_states_that_only_overlays_bring_are_possible() -> None:
    pause = {"date": "2015-07-02", "breaks": [["12:00", "13:00"]]}
    assert MarketState.BREAK in market("XNYS", overlays=[pause]).possible()
    closed = {"date": "2024-07-02", "closed": True}
    assert MarketState.HOLIDAY in market("24-7", overlays=[closed]).possible()


def test_a_provider_is_asked_for_its_calendar() -> None:
    asked_for: list[str] = []

    def vendor(calendar: str) -> Iterator[dict[str, Any]]:
        asked_for.append(calendar)
        yield {"date": date(2024, 9, 3), "closed": True}

    assert not market("US_EQ", overlays=vendor).is_session(date(2024, 9, 3))
    assert asked_for == ["XNYS"]


def test_an_evening_that_opens_early_belongs_to_the_next_session() -> None:
    """Overlays with `-1` reach into the date before, as futures do."""
    overlay = {"date": "2024-09-03", "open": "22:00-1", "close": "16:00"}
    asked = market("XNYS", overlays=[overlay])
    at = datetime(2024, 9, 3, 2, tzinfo=UTC)
    assert verdict(asked, at) == ("SESSION", date(2024, 9, 3))
    assert verdict(asked, at - TICK) == ("PRE_OPEN", date(2024, 9, 3))


# ── composites ───────────────────────────────────────────────────────────────────────────────────────

PAIRS = [
    ("XLON", "XPAR"),
    ("XNYS", "XLON"),
    ("XTKS", "XHKG"),
    ("XHKG", "XSHG"),
    ("XETR", "XHEL"),
    ("XTAE", "XETR"),
    ("XASX", "XTKS"),
    ("XNYS", "BVMF"),
    ("XTAE", "XLON"),
    ("XNZE", "XASX"),
]
DATES = st.dates(date(2001, 6, 1), date(2026, 6, 1))


@given(st.sampled_from(PAIRS), DATES)
@settings(max_examples=80)
def test_any_and_all_are_what_their_members_make_them(pair: tuple[str, str], day: date) -> None:
    members = [market(name) for name in pair]
    either, both = (market(f"{word}({', '.join(pair)})") for word in ("any", "all"))
    noon = datetime(day.year, day.month, day.day, tzinfo=UTC)
    edges = {edge for member in members for edge in near(member, day, 2)}
    for at in [*edges, noon, noon + timedelta(hours=9), noon + timedelta(hours=20)]:
        trading = [member.state(at) is MarketState.SESSION for member in members]
        assert (either.state(at) is MarketState.SESSION) == any(trading), at
        assert (both.state(at) is MarketState.SESSION) == all(trading), at


@given(st.sampled_from(PAIRS), st.sampled_from(["any", "all"]), DATES)
@settings(max_examples=60)
def test_the_oracle_agrees_on_composites(pair: tuple[str, str], word: str, day: date) -> None:
    asked = market(f"{word}({pair[0]},{pair[1]})")
    around = sky(asked, day, day)
    for at in near(asked, day):
        if not unsure(around, at):
            assert verdict(asked, at) == around.verdict(at), at


@pytest.mark.parametrize("name", ["XNYS", "XHKG", "XTKS"])
@pytest.mark.parametrize("word", ["any", "all"])
def test_one_member_or_the_same_twice_change_nothing(name: str, word: str) -> None:
    year = date(2024, 1, 1), date(2024, 12, 31)
    for composite in (f"{word}({name})", f"{word}({name}, {name})", f" any( all({name}) ,{name} ) "):
        assert market(composite).sessions(*year) == market(name).sessions(*year)


def test_london_and_paris_on_the_day_of_the_funeral() -> None:
    at = datetime(2022, 9, 19, 10, tzinfo=UTC)
    assert market("any(XLON, XPAR)").state(at) is MarketState.SESSION
    assert market("all(XLON, XPAR)").state(at) is MarketState.HOLIDAY
    assert market("all(US_EQ, EU_EQ)").dates(date(2022, 9, 16), date(2022, 9, 20)) == [
        date(2022, 9, 16),
        date(2022, 9, 20),
    ]


def test_the_overlap_of_new_york_and_london_is_longer_between_their_summer_times() -> None:
    both = market("all(XNYS, XLON)")
    for day, hours in ((date(2024, 3, 8), 2), (date(2024, 3, 11), 3), (date(2024, 4, 2), 2)):
        found = both.session_of(day)
        assert found.close - found.open == timedelta(hours=hours)


@pytest.mark.parametrize("name", calendars())
def test_a_composite_with_itself_has_its_states(name: str) -> None:
    twice, once = market(f"any({name}, {name})"), market(name)
    start = datetime(2024, 9, 27, tzinfo=UTC)
    instants = [((start - EPOCH) // TICK + n * 17 * 60 * 10**6) * 1000 for n in range(800)]
    assert twice.states(instants) == once.states(instants)
    assert twice.labels(instants) == once.labels(instants)


@pytest.mark.parametrize("pair", [("24-7", "XASX"), ("24-7", "XNZE"), ("CMES", "XNZE"), ("FX", "XNZE")])
def test_members_that_meet_under_two_labels(pair: tuple[str, str]) -> None:
    """Wellington opens on the evening before, as UTC or Chicago count: on the other's label of yesterday."""
    members = [market(name) for name in pair]
    either, both = (market(f"{word}({', '.join(pair)})") for word in ("any", "all"))
    for hour in range(15 * 24):
        at = datetime(2024, 1, 4, tzinfo=UTC) + timedelta(hours=hour)
        trading = [member.state(at) is MarketState.SESSION for member in members]
        assert (both.state(at) is MarketState.SESSION) == all(trading), at
        assert (either.state(at) is MarketState.SESSION) == any(trading), at
    found = either.sessions(date(2024, 1, 4), date(2024, 1, 19))
    assert all(a.close <= b.open for a, b in pairwise(found))
