"""Bad input: every error is openbell's own, says what is wrong, and what to do."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest

from openbell.errors import MarketError, NaiveInstant, OutOfBounds, OverlayError, UnknownMarket
from openbell.market import (
    Market,
    calendars,
    get_all_market_states,
    get_market_state,
    get_next_state_transition,
    market,
)
from tests.market.asked import DAY, TICK, ns

NYSE = market("XNYS")
AT = datetime(2024, 7, 2, 14, tzinfo=UTC)
NAIVE = AT.replace(tzinfo=None)
DATE = "2024-07-02"

ASKED: list[Callable[[Market, datetime], object]] = [
    lambda asked, at: asked.state(at),
    lambda asked, at: asked.session(at),
    lambda asked, at: asked.moment(at),
    lambda asked, at: asked.next_transition(at),
    lambda asked, at: asked.next_state_change(at),
    lambda asked, at: list(asked.transitions(at, AT)),
    lambda asked, at: list(asked.transitions(AT, at)),
    lambda asked, at: asked.next_session(at),
    lambda asked, at: asked.prev_session(at),
    lambda asked, at: get_market_state(asked.name, at),
    lambda asked, at: get_next_state_transition(asked.name, at),
    lambda asked, at: get_all_market_states(at, (asked.name,)),
]


class Nowhere(tzinfo):
    """A zone that does not know its offset: Python calls such a datetime naive."""

    def utcoffset(self, when: datetime | None) -> None:
        return None

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("at", [NAIVE, AT.replace(tzinfo=Nowhere())])
def test_naive_datetimes_are_refused(ask: Callable[[Market, datetime], object], at: datetime) -> None:
    with pytest.raises(NaiveInstant) as caught:
        ask(NYSE, at)
    assert "XNYS" in str(caught.value)
    assert "timezone.utc" in caught.value.hint


@pytest.mark.parametrize("at", ["2024-07-02T14:00Z", date(2024, 7, 2), 1719928800, None])
def test_what_is_no_datetime_is_a_mistake_of_the_program(at: Any) -> None:
    with pytest.raises((TypeError, MarketError), match="datetime"):
        NYSE.state(at)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────


def known(asked: Market, at: datetime) -> bool:
    try:
        asked.state(at)
    except OutOfBounds:
        return False
    return True


def bounds(asked: Market) -> tuple[datetime, datetime]:
    """The first instant that a market knows, and the first one that it does not know any more."""
    inside = datetime(2024, 7, 2, tzinfo=UTC)
    found = []
    for direction in (-1, 1):
        low, high = 0, 60 * 366 * 86400 * 10**6
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if known(asked, inside + direction * middle * TICK) else (low, middle)
        found.append(inside + direction * low * TICK)
    return found[0], found[1] + TICK


@pytest.mark.parametrize("name", calendars())
def test_the_first_and_the_last_instant_and_one_beyond(name: str) -> None:
    asked = market(name)
    first, end = bounds(asked)
    last = end - TICK
    assert first.date() - asked.valid_from <= 15 * DAY
    assert abs(end.date() - asked.valid_until) <= DAY
    assert asked.is_session(asked.session(last))
    assert asked.next_transition(first).at > first
    assert asked.states([ns(first), ns(last)]).tolist() == [asked.state(at) for at in (first, last)]
    assert asked.moment(first).since == first
    assert asked.moment(last).until == end
    for at in (first - TICK, end):
        for ask in (asked.state, asked.session, asked.moment, asked.next_transition):
            refused(lambda ask=ask, at=at: ask(at), asked)  # type: ignore[misc]
        for many in (asked.states, asked.labels):
            refused(lambda many=many, at=at: many([ns(at)]), asked)  # type: ignore[misc]
    refused(lambda: asked.next_transition(last), asked)


def refused(ask: Callable[[], object], asked: Market) -> None:
    with pytest.raises(OutOfBounds) as caught:
        ask()
    assert caught.value.hint
    assert (
        asked.calendar in str(caught.value) or asked.name in str(caught.value) or "24/" in str(caught.value)
    )
    years = {asked.valid_until.year, (asked.valid_until + DAY).year}  # local dates, UTC instants
    assert any(str(year) in str(caught.value) for year in years)


@pytest.mark.parametrize("name", ["XNYS", "24-7", "AIXK", "XSAU", "any(XNYS, XSAU)", "all(XNYS, 24-7)"])
@pytest.mark.parametrize("window", ["0m", "1h", "24h"])
def test_all_that_lies_between_the_bounds_is_known(name: str, window: str) -> None:
    asked = market(name, pre_open=window, post_close=window)
    first, end = bounds(asked)
    days = [*range(30), *range((end - first).days - 30, (end - first).days)]
    assert all(known(asked, first + n * DAY) for n in days)
    assert abs(first.date() - asked.valid_from) <= 2 * DAY


@pytest.mark.parametrize("ask", ASKED[:5])
@pytest.mark.parametrize(
    "at",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=12))),
        datetime(1969, 12, 31, tzinfo=UTC),
    ],
)
def test_instants_far_away(ask: Callable[[Market, datetime], object], at: datetime) -> None:
    refused(lambda: ask(NYSE, at), NYSE)


def test_a_composite_knows_what_all_of_its_members_know() -> None:
    both = market("any(XNYS, XSHG)")
    assert both.valid_until == min(NYSE.valid_until, market("XSHG").valid_until)
    refused(lambda: both.state(datetime(2027, 6, 1, tzinfo=UTC)), both)


# ── many instants ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("many", [[1.7e18], array("d", [1.7e18]), ["2024-07-02"], [None], [AT], [[ns(AT)]]])
def test_sequences_of_something_else(many: Any) -> None:
    for ask in (NYSE.states, NYSE.labels):
        with pytest.raises(MarketError, match="no instant") as caught:
            ask(many)
        assert "nanoseconds" in caught.value.hint


@pytest.mark.parametrize("many", [[2**70], [-(2**70)], [ns(AT), 0], [ns(AT), 10 * ns(AT)], range(3)])
def test_sequences_out_of_bounds(many: Any) -> None:
    for ask in (NYSE.states, NYSE.labels):
        refused(lambda ask=ask: ask(many), NYSE)  # type: ignore[misc]


def test_arrays_of_something_else() -> None:
    numpy: Any = pytest.importorskip("numpy")
    good = ns(AT)
    wrong = [
        numpy.array([float(good)]),
        numpy.array([numpy.nan]),
        numpy.array([True]),
        numpy.array([good], dtype=object),
        numpy.array([good], dtype="timedelta64[ns]"),
        numpy.array(["2024-07-02"]),
    ]
    for many in wrong:
        for ask in (NYSE.states, NYSE.labels):
            with pytest.raises(MarketError, match="instants") as caught:
                ask(many)
            assert "int64" in caught.value.hint


def test_arrays_with_instants_that_are_missing() -> None:
    numpy: Any = pytest.importorskip("numpy")
    for unit in ("s", "ns"):
        for ask in (NYSE.states, NYSE.labels):
            with pytest.raises(MarketError, match="NaT") as caught:
                ask(numpy.array(["2024-07-02", "NaT"], dtype=f"datetime64[{unit}]"))
            assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0, "i8"), (2**63 - 1, "i8"), (-(2**63) + 1, "i8"), (2**63 + 5, "u8"), (7, "i4")],
)
def test_arrays_out_of_bounds(value: int, kind: str) -> None:
    numpy: Any = pytest.importorskip("numpy")
    refused(lambda: NYSE.states(numpy.array([value], dtype=kind)), NYSE)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "m", "h", "D", "Y"])
def test_dates_that_nanoseconds_cannot_hold_do_not_come_round_again(unit: str) -> None:
    """2**64 nanoseconds are 584 years: 2609 is not 2024."""
    numpy: Any = pytest.importorskip("numpy")
    for text in ("2608-12-10", "9999-01-01", "1440-01-01"):
        refused(lambda: NYSE.states(numpy.array([text], dtype="M8[D]").astype(f"M8[{unit}]")), NYSE)  # noqa: B023


# ── names and options ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("XNYX", "XNYS"), ("any(XNYS, XLOM)", "XLON"), ("all(USEQ, XLON)", "US_EQ"), ("any(xlon)", "XLON")],
)
def test_unknown_names_tell_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UnknownMarket) as caught:
        market(wrong)
    assert f"{right!r}" in caught.value.hint


@pytest.mark.parametrize("wrong", ["any()", "all(XNYS,)", "any(,)", "all(XNYS", "any(XNYS))", "XNYS,XLON"])
def test_composites_that_are_none(wrong: str) -> None:
    with pytest.raises(UnknownMarket) as caught:
        market(wrong)
    assert caught.value.hint


def test_a_composite_of_composites_of_composites() -> None:
    with pytest.raises(MarketError):
        market("any(" * 3000 + "XNYS" + ")" * 3000)


def test_a_composite_without_a_common_hour() -> None:
    with pytest.raises(MarketError, match="no session at all") as caught:
        market("all(XNYS, XTKS)")
    assert caught.value.hint


@pytest.mark.parametrize(
    "window", ["60", "-5m", "25h", "1.5h", "", "1d", 60, timedelta(days=2), -timedelta(minutes=1), TICK]
)
def test_windows_that_cannot_be(window: Any) -> None:
    for options in ({"pre_open": window}, {"post_close": window}):
        with pytest.raises(MarketError, match=next(iter(options))) as caught:
            market("XNYS", **options)
        assert caught.value.hint


@pytest.mark.parametrize("state", ["lunch", "pre-open", "", 99, None, "overnight", "holiday", "break"])
def test_windows_that_a_session_does_not_have(state: Any) -> None:
    with pytest.raises(MarketError) as caught:
        NYSE.window(date(2024, 7, 2), state)
    assert caught.value.hint


def test_a_date_without_session_has_no_window() -> None:
    with pytest.raises(MarketError, match="2024-07-04") as caught:
        NYSE.window(date(2024, 7, 4), "session")
    assert "next_session" in caught.value.hint


# ── overlays ─────────────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[str, list[Any]]] = [
    ("has no date", [{"closed": True}]),
    ("2024-13-01", [{"date": "2024-13-01", "closed": True}]),
    ("2024-07-06", [{"date": "2024-07-07:2024-07-06", "closed": True}]),
    ("no date", [{"date": "2024-07-02:", "closed": True}]),
    ("contradicts itself", [{"date": DATE, "closed": True, "open": "10:00"}]),
    ("contradicts itself", [{"date": DATE, "closed": True, "extra": True}]),
    ("contradicts itself", [{"date": DATE, "closed": True, "breaks": []}]),
    ("says nothing", [{"date": DATE}]),
    ("says nothing", [{"date": DATE, "closed": False, "reason": "none"}]),
    ("'clsoed'", [{"date": DATE, "clsoed": True}]),
    ("17:00 16:00", [{"date": DATE, "open": "17:00"}]),
    ("09:30 09:30", [{"date": DATE, "close": "09:30"}]),
    ("08:00", [{"date": DATE, "breaks": [["08:00", "09:00"]]}]),
    ("12:00 11:00", [{"date": DATE, "breaks": [["12:00", "11:00"]]}]),
    ("11:30", [{"date": DATE, "breaks": [["11:00", "12:00"], ["11:30", "13:00"]]}]),
    ("no session", [{"date": "2024-07-04", "close": "12:00"}]),
    ("no session", [{"date": DATE, "closed": True}, {"date": DATE, "open": "10:00"}]),
    ("neighbour", [{"date": DATE, "open": "15:00-1"}]),
    ("neighbour", [{"date": DATE, "close": "10:00+1"}]),
    (
        "neighbour",
        [
            {"date": "2024-07-06", "extra": True, "open": "10:00", "close": "12:00+1"},
            {"date": "2024-07-07", "extra": True, "open": "10:00", "close": "12:00"},
        ],
    ),
    ("930 is no time", [{"date": DATE, "open": 930}]),
    ("24:00", [{"date": DATE, "close": "24:00"}]),
    ("storm", [{"date": DATE, "closed": "storm"}]),
    ("yesterday", [{"date": DATE, "closed": True, "known_at": "yesterday"}]),
    ("pairs", [{"date": DATE, "breaks": "11:30-12:30"}]),
    ("not a mapping", ["2024-07-04"]),
    ("one by one", [{"date": "2024-07-06:2024-07-07", "extra": True}]),
    ("03:30 03:15", [{"date": "2024-03-10", "open": "02:30", "close": "03:15"}]),  # no 02:30 that night
]


@pytest.mark.parametrize(("told", "overlays"), WRONG)
def test_overlays_that_cannot_hold(told: str, overlays: list[Any]) -> None:
    with pytest.raises(OverlayError, match=told) as caught:
        market("XNYS", overlays=overlays)
    assert caught.value.hint


def test_a_time_of_one_digit_with_a_day_before() -> None:
    found = market(
        "XNYS",
        overlays=[
            {"date": DATE, "open": "9:15-1", "close": "9:20-1"},
            {"date": DATE, "open": "9:45", "close": "16:00"},
        ],
    )
    assert found.session_of(date(2024, 7, 2)).open == datetime(2024, 7, 2, 13, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "overlays", [[{"date": DATE, "closed": True, "known_at": DATE}], [{"date": DATE, "closed": True}]]
)
def test_as_of_is_an_instant_like_any_other(overlays: list[Any]) -> None:
    with pytest.raises(NaiveInstant):
        market("XNYS", overlays=overlays, as_of=NAIVE)


@pytest.mark.parametrize("day", ["1990-01-01", "2040-01-01", "2020-01-01:2040-01-01"])
def test_an_overlay_outside_of_the_calendar_is_not_silent(day: str) -> None:
    notes = market("XNYS", overlays=[{"date": day, "closed": True}]).notes()
    assert any(day[:10] in note for note in notes)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("line 2", "date,closed\n2024-07-02,storm\n"),
        ("line 2.*'shut'", "date,shut\n2024-07-02,true\n"),
        ("line 2.*columns", "date,closed,reason\n2024-07-02,true\n"),
        ("line 2.*columns", "date,closed\n2024-07-02,true,storm,rain\n"),
        ("line 3.*pairs", "date,breaks\n2024-07-02,11:30-12:30\n2024-07-03,1130\n"),
        ("line 4.*no date", 'date,closed,reason\n2024-07-02,true,"a\nstorm"\nsoon,true,rain\n'),
        ("header", "2024-07-02,true\n"),
        ("header", ""),
        ("date;closed", "date;closed\n2024-07-02;true\n"),
    ],
)
def test_bad_csv(tmp_path: Path, told: str, text: str) -> None:
    path = tmp_path / "overlays.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OverlayError, match=f"(?s)overlays.csv.*{told}") as caught:
        market("XNYS", overlays=path)
    assert caught.value.hint


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("date,closed,reason\n2024-07-02,true,caf\u00e9\n".encode("latin-1"))
    for path in (tmp_path / "latin.csv", tmp_path / "missing.csv", tmp_path):
        with pytest.raises(OverlayError, match="cannot read") as caught:
            market("XNYS", overlays=str(path))
        assert caught.value.hint


def test_good_csv(tmp_path: Path) -> None:
    path = tmp_path / "overlays.csv"
    path.write_text(
        "date,closed,open,close,breaks,reason\n2024-07-02,,10:00,15:00,11:30-12:30;13:00-13:15,a drill\n\n"
        "2024-07-03, true,,,,storm\n",
        encoding="utf-8-sig",
    )
    asked = market("XNYS", overlays=path)
    assert len(asked.session_of(date(2024, 7, 2)).breaks) == 2
    assert str(asked.closure(date(2024, 7, 3))) == "storm"
