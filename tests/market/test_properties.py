"""What holds at every instant of every calendar, and that a slow oracle sees the same."""

from __future__ import annotations

import random
from array import array
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openbell.market import Market, MarketState, calendars, market
from tests.market.asked import DAY, TICK, inside, moments, names, near, ns, sky, utc, verdict
from tests.market.oracle import unsure

BORDER = 2**23
windows = st.one_of(st.sampled_from([0, 1, 60, 90, 600, 900, 720, 1440]), st.integers(0, 1440)).map(
    lambda minutes: timedelta(minutes=minutes)
)


def agrees(asked: Market, day: date) -> None:
    """The market and the oracle say the same on both sides of all edges around a date."""
    around = sky(asked, day, day)
    for at in near(asked, day):
        if not unsure(around, at):
            assert verdict(asked, at) == around.verdict(at), (asked, at)


@pytest.mark.parametrize("name", calendars())
def test_the_oracle_agrees(name: str) -> None:
    asked = market(name)
    dice = random.Random(name)
    span = (asked.valid_until - asked.valid_from).days
    for _ in range(8):
        agrees(asked, asked.valid_from + dice.randrange(45, span - 10) * DAY)


@given(moments())
def test_the_oracle_agrees_anywhere(asked: tuple[Market, datetime]) -> None:
    place, at = asked
    around = sky(place, at.date(), at.date())
    if not unsure(around, at):
        assert verdict(place, at) == around.verdict(at)


@given(names, windows, windows, st.data())
@settings(max_examples=80)
def test_the_oracle_agrees_under_other_windows(
    name: str, pre_open: timedelta, post_close: timedelta, data: st.DataObject
) -> None:
    asked = market(name, pre_open=pre_open, post_close=post_close)
    agrees(asked, data.draw(inside(asked)))


@given(names, windows, windows, st.data())
@settings(max_examples=60)
def test_windows_touch_their_session_and_share_a_gap(
    name: str, pre_open: timedelta, post_close: timedelta, data: st.DataObject
) -> None:
    asked = market(name, pre_open=pre_open, post_close=post_close)
    one = asked.next_session(data.draw(inside(asked)))
    after = asked.next_session(one.date)
    gap, both = after.open - one.close, pre_open + post_close
    closed, over = asked.window(one.date, "post_close")
    begins, opened = asked.window(after.date, "pre_open")
    assert (closed, opened) == (one.close, after.open)
    if gap >= both:
        assert (over - closed, opened - begins) == (post_close, pre_open)
    else:
        assert over == begins
        assert (over - closed) % timedelta(minutes=1) == timedelta()
        assert abs((over - closed) - gap * (post_close / both)) < timedelta(minutes=1)
        assert over - closed <= post_close
        assert opened - begins <= pre_open
    assert asked.window(one.date, MarketState.SESSION) == (one.open, one.close)
    for state, (start, end) in (("POST_CLOSE", (closed, over)), ("PRE_OPEN", (begins, opened))):
        if start < end:
            assert {verdict(asked, at)[0] for at in (start, end - TICK)} == {state}


@given(names, st.data())
def test_every_instant_has_a_state_and_a_label_that_never_goes_back(name: str, data: st.DataObject) -> None:
    asked = market(name)
    start = datetime(asked.valid_from.year, 6, 1, tzinfo=UTC)
    end = datetime(asked.valid_until.year, 6, 1, tzinfo=UTC)
    instants = sorted(data.draw(st.lists(st.integers(ns(start), ns(end)), min_size=2, max_size=30)))
    found = [verdict(asked, utc(instant)) for instant in instants]
    assert {state for state, _ in found} <= {state.name for state in MarketState}
    labels = [label for _, label in found]
    assert labels == sorted(labels)
    assert all(asked.is_session(label) for label in labels)


@given(moments())
def test_the_next_transition_is_later_and_a_change_and_the_first_one(asked: tuple[Market, datetime]) -> None:
    place, at = asked
    found = place.next_transition(at)
    assert found.at > at
    assert (found.state.name, found.session) == verdict(place, found.at) != verdict(place, at)
    for n in range(1, 9):
        assert verdict(place, at + (found.at - at) * (n / 9)) == verdict(place, at)
    assert verdict(place, found.at - TICK) == verdict(place, at)
    assert place.next_transition(found.at).at > found.at
    assert place.next_transition(found.at - TICK) == found


@given(moments())
def test_a_moment_is_a_stretch_between_two_changes(asked: tuple[Market, datetime]) -> None:
    place, at = asked
    found = place.moment(at)
    assert (found.state.name, found.session) == verdict(place, at)
    assert found.since <= at < found.until == place.next_transition(at).at
    assert verdict(place, found.since) == verdict(place, at) != verdict(place, found.since - TICK)
    assert (found.closure is not None) == (found.state is MarketState.HOLIDAY)
    if found.closure:
        assert found.closure == place.closure(at.astimezone(place.tz).date())


@given(moments())
def test_the_next_change_of_state_skips_what_only_turns_to_the_next_session(
    asked: tuple[Market, datetime],
) -> None:
    place, at = asked
    if len(place.possible()) > 1:
        found = place.next_state_change(at)
        assert found.state is not place.state(at)
        between = list(place.transitions(at, found.at))
        assert all(one.state is place.state(at) for one in between)


@pytest.mark.parametrize("name", calendars())
def test_transitions_come_once_and_in_order_over_the_borders_of_pieces(name: str) -> None:
    """Somewhere inside, time is cut into pieces of 2**23 seconds. Nobody should notice."""
    asked = market(name)
    first = datetime(asked.valid_from.year, 3, 1, tzinfo=UTC).timestamp() // BORDER + 1
    for n in range(int(first), int(first) + 100, 9):
        border = datetime.fromtimestamp(n * BORDER, UTC)
        if border.date() > asked.valid_until - 90 * DAY:
            break
        found = list(asked.transitions(border - 5 * DAY, border + 5 * DAY))
        assert all(a.at < b.at and a[1:] != b[1:] for a, b in pairwise(found))
        assert all((one.state.name, one.session) == verdict(asked, one.at) for one in found)
        assert asked.next_transition(border - TICK).at >= border
        around = sky(asked, border.date(), border.date())
        for at in (border - TICK, border, border + TICK):
            assert verdict(asked, at) == around.verdict(at)


@given(moments())
@settings(max_examples=50)
def test_transitions_are_what_repeated_questions_find(asked: tuple[Market, datetime]) -> None:
    place, at = asked
    found = list(islice(place.transitions(at), 12))
    for one in found:
        assert place.next_transition(at) == one
        at = one.at
    assert list(place.transitions(found[0].at, found[-1].at)) == found[1:-1]


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Market, list[int]]:
    """A calendar and instants in any order: anywhere, and around the edges of a week."""
    asked = market(draw(names))
    day = draw(inside(asked))
    start, end = ns(datetime(asked.valid_from.year, 6, 1, tzinfo=UTC)), ns(near(asked, day)[-1])
    anywhere = draw(st.lists(st.integers(min(start, end), max(start, end)), max_size=20))
    edges = draw(st.lists(st.sampled_from(near(asked, day)), min_size=1, max_size=40))
    found = [*anywhere, *(ns(edge) + draw(st.integers(-1, 1)) for edge in edges)]
    return asked, sorted(found) if draw(st.booleans()) else draw(st.permutations(found))


@given(crowds())
@settings(max_examples=60)
def test_lists_and_arrays_of_python_are_the_same_as_one_by_one(asked: tuple[Market, list[int]]) -> None:
    place, instants = asked
    states = [place.state_at_ns(instant) for instant in instants]
    labels = [place.session(utc(instant)) for instant in instants]
    assert states == [place.state(utc(instant)) for instant in instants]
    for sequence in (instants, tuple(instants), array("q", instants)):
        assert [MarketState(code) for code in place.states(sequence)] == states
        assert place.labels(sequence) == labels


@given(crowds())
@example((market("XNYS"), [ns(datetime(2024, 7, 2, 13, 30, tzinfo=UTC)) - 1]))
@settings(max_examples=60)
def test_arrays_of_numpy_are_the_same_as_one_by_one(asked: tuple[Market, list[int]]) -> None:
    numpy: Any = pytest.importorskip("numpy")
    place, instants = asked
    states = [int(place.state_at_ns(instant)) for instant in instants]
    labels = [place.session(utc(instant)) for instant in instants]
    integers = numpy.array(instants, dtype="int64")
    for given_array in (integers, integers.view("datetime64[ns]"), numpy.repeat(integers, 2)[::2]):
        found = place.states(given_array)
        assert (found.dtype, found.shape) == (numpy.uint8, given_array.shape)
        assert found.tolist() == states
        assert place.labels(given_array).astype(object).tolist() == labels
    micro = integers.view("datetime64[ns]").astype("datetime64[us]")
    assert place.states(micro).tolist() == states  # edges are whole microseconds
    square = numpy.stack([integers, integers])
    assert place.states(square).tolist() == [states, states]
    assert place.labels(square).shape == square.shape


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "m", "h", "D"])
def test_every_unit_of_datetime64(unit: str) -> None:
    numpy: Any = pytest.importorskip("numpy")
    for name in ("XNYS", "XHKG", "CMES", "24-7"):
        instants = numpy.arange("2024-03-01", "2024-03-20", 7, dtype="datetime64[h]").astype(f"M8[{unit}]")
        expected = [int(market(name).state(at.replace(tzinfo=UTC))) for at in moments_of(instants)]
        assert market(name).states(instants).tolist() == expected


def moments_of(instants: Any) -> list[datetime]:
    return list(instants.astype("datetime64[us]").astype(object).tolist())


@pytest.mark.parametrize("name", calendars())
def test_a_whole_year_at_once(name: str) -> None:
    """Every 41 minutes of a year, in order and shuffled, against the oracle's edges."""
    numpy: Any = pytest.importorskip("numpy")
    asked = market(name)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    instants = ns(start) + numpy.arange(0, 366 * 1440, 41) * 60 * 10**9
    states, labels = asked.states(instants), asked.labels(instants)
    order = numpy.random.default_rng(7).permutation(len(instants))
    assert (asked.states(instants[order]) == states[order]).all()
    assert (asked.labels(instants[order]) == labels[order]).all()
    assert (numpy.diff(labels) >= numpy.timedelta64(0)).all()
    for n in range(0, len(instants), 97):
        assert (MarketState(int(states[n])).name, labels[n].item()) == verdict(asked, utc(int(instants[n])))


def test_no_instants_have_no_states() -> None:
    assert len(market("XNYS").states([])) == 0
    assert list(market("XNYS").labels([])) == []
    numpy: Any = pytest.importorskip("numpy")
    for empty in (numpy.array([], dtype="int64"), numpy.zeros((0, 3), dtype="datetime64[ns]")):
        assert market("XNYS").states(empty).shape == empty.shape
        assert market("XNYS").labels(empty).shape == empty.shape


# ── dates, zones, threads ────────────────────────────────────────────────────────────────────────────


@given(names, st.data())
def test_sessions_before_and_after_a_date(name: str, data: st.DataObject) -> None:
    asked = market(name)
    day = data.draw(inside(asked))
    after, before = asked.next_session(day), asked.prev_session(day)
    assert before.date < day < after.date
    assert asked.dates(before.date, after.date) == sorted(
        {before.date, after.date} | {label for label in (day,) if asked.is_session(label)}
    )
    assert asked.session_of(after.date) == after == asked.sessions(after.date, after.date)[0]
    assert asked.next_session(before.open).date == asked.next_session(before.date).date
    assert asked.session(after.open) == after.date


@given(moments(), st.sampled_from(["Asia/Kolkata", "America/New_York", "Pacific/Auckland", "UTC"]))
@settings(max_examples=50)
def test_the_zone_of_the_question_does_not_matter(asked: tuple[Market, datetime], zone: str) -> None:
    from zoneinfo import ZoneInfo

    place, at = asked
    local = at.astimezone(ZoneInfo(zone))
    assert verdict(place, local) == verdict(place, at)
    assert place.next_transition(local) == place.next_transition(at)
    assert place.moment(local) == place.moment(at)


def test_many_threads_ask_one_market() -> None:
    """Cursors and caches are shared: each answer is still about its own instant."""
    asked = market("XHKG", pre_open="59m")
    dice = random.Random(1)
    start = ns(datetime(2001, 1, 1, tzinfo=UTC))
    instants = [start + dice.randrange(26 * 365 * 86400) * 10**9 for _ in range(3000)]

    def ask(seed: int) -> dict[int, tuple[str, date, datetime]]:
        order = instants[:]
        random.Random(seed).shuffle(order)
        return {at: (*verdict(asked, utc(at)), asked.next_transition(utc(at)).at) for at in order}

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(ask, range(8))
    alone = market("XHKG", pre_open=timedelta(minutes=59))
    assert all(other == first for other in others)
    assert first == {at: (*verdict(alone, utc(at)), alone.next_transition(utc(at)).at) for at in instants}
