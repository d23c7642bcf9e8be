"""What desks and vendors say on top of a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from openbell.errors import MarketError, OverlayError
from openbell.market import Market, MarketState, Overlay, calendars, market
from openbell.market.amended import Amended
from openbell.market.snapshot import schedule_of

DAY = date(2024, 7, 2)  # a Tuesday
SATURDAY = date(2024, 7, 6)


def desk(*overlays: Any, calendar: str = "XNYS", **options: Any) -> Market:
    return market(calendar, overlays=list(overlays), **options)


def hours(one: Market, day: date) -> tuple[str, ...]:
    session = one.session_of(day)
    times = [session.open, session.close, *(at for pause in session.breaks for at in pause)]
    return tuple(f"{at.astimezone(one.tz):%H:%M}" for at in times)


def test_a_closed_day_is_an_overlay_with_its_reason_and_source() -> None:
    one = desk({"date": "2024-07-02", "closed": True, "reason": "storm", "source": "notice 7"})
    closure = one.closure(DAY)
    assert closure is not None
    assert (closure.kind, closure.reason, closure.source) == ("overlay", "storm", "notice 7")
    assert one.state(datetime(2024, 7, 2, 15, tzinfo=UTC)) is MarketState.HOLIDAY
    assert one.session(datetime(2024, 7, 2, 15, tzinfo=UTC)) == date(2024, 7, 1)
    assert market("XNYS").is_session(DAY), "the market itself is as it was"


@pytest.mark.parametrize(
    ("overlay", "found"),
    [
        ({"close": "13:00"}, ("09:30", "13:00")),
        ({"open": "11:00"}, ("11:00", "16:00")),
        ({"open": "10:00", "close": "12:00"}, ("10:00", "12:00")),
        ({"breaks": [["11:30", "12:30"]]}, ("09:30", "16:00", "11:30", "12:30")),
        ({"close": "02:00+1"}, ("09:30", "02:00")),
        ({"open": "22:00-1"}, ("22:00", "16:00")),
    ],
)
def test_other_hours(overlay: dict[str, Any], found: tuple[str, ...]) -> None:
    assert hours(desk({"date": DAY, **overlay}), DAY) == found


def test_windows_follow_the_new_hours() -> None:
    one = desk({"date": DAY, "close": "13:00", "reason": "early"})
    assert one.state(datetime(2024, 7, 2, 17, tzinfo=UTC)) is MarketState.POST_CLOSE
    assert one.session_of(DAY).note == "early"


@pytest.mark.parametrize(
    ("overlay", "found"),
    [
        ({"extra": True}, ("09:30", "16:00")),
        ({"open": "10:00", "close": "12:00"}, ("10:00", "12:00")),
        ({"extra": True, "close": "12:00"}, ("09:30", "12:00")),
    ],
)
def test_an_extra_session_outside_of_the_week(overlay: dict[str, Any], found: tuple[str, ...]) -> None:
    one = desk({"date": SATURDAY, **overlay})
    assert hours(one, SATURDAY) == found
    assert one.closure(SATURDAY) is None
    assert one.dates(DAY, date(2024, 7, 8))[-2:] == [SATURDAY, date(2024, 7, 8)]
    assert one.state(datetime(2024, 7, 6, 4, tzinfo=UTC)) is MarketState.OVERNIGHT, "the date has a session"


def test_lunch_can_be_taken_away_and_is_not_kept_by_a_half_day() -> None:
    assert hours(desk({"date": DAY, "breaks": []}, calendar="XTKS"), DAY) == ("09:00", "15:00")
    assert hours(desk({"date": DAY, "close": "11:30"}, calendar="XTKS"), DAY) == ("09:00", "11:30")


def test_the_last_one_holds() -> None:
    closed = {"date": DAY, "closed": True}
    opened = {"date": DAY, "open": "13:00", "close": "16:00"}
    assert hours(desk(closed, opened), DAY) == ("13:00", "16:00")
    assert not desk(opened, closed).is_session(DAY)
    assert "superseded" in desk(opened, closed).notes()[0]


def test_a_range_changes_sessions_and_makes_none() -> None:
    one = desk({"date": "2024-07-01:2024-07-31", "breaks": [["12:00", "13:00"]]})
    assert len(one.dates(date(2024, 7, 1), date(2024, 7, 31))) == 22
    assert hours(one, DAY) == ("09:30", "16:00", "12:00", "13:00")
    assert hours(one, date(2024, 7, 3)) == ("09:30", "13:00"), "no lunch that would end with the day"
    week = desk({"date": "2024-07-01:2024-07-07", "closed": True, "reason": "crisis"})
    closures = week.closures(date(2024, 7, 1), date(2024, 7, 7))
    assert [str(c) for c in closures] == ["crisis"] * 5 + ["weekend"] * 2


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        ({"date": "2024-07-01:2024-07-31", "open": "13:30"}, "on 2024-07-03: 13:30 13:00"),
        (
            {"date": "2024-07-08:2024-07-12", "close": "10:00+1"},
            "the session of 2024-07-09 would open before",
        ),
    ],
)
def test_a_range_that_fails_on_one_of_its_dates(overlay: dict[str, Any], told: str) -> None:
    with pytest.raises(OverlayError, match=told):
        desk(overlay)


def test_a_range_without_sessions_is_noted() -> None:
    assert "redundant" in desk({"date": "2024-07-06:2024-07-07", "closed": True}).notes()[0]


def test_what_only_a_half_day_knows_is_unusual_and_a_new_usual_is_not() -> None:
    one = desk(
        {"date": "2024-07-01:2024-07-31", "close": "15:00", "reason": "summer"},
        {"date": DAY, "close": "13:00"},
    )
    unusual = [s.date for s in one.sessions(date(2024, 7, 1), date(2024, 7, 31)) if not one.is_usual(s)]
    assert unusual == [DAY]


def test_a_session_that_opens_on_the_day_after_its_date() -> None:
    friday = date(2002, 1, 11)
    one = desk({"date": friday, "open": "22:00+1", "close": "23:00+1"})
    for hour in range(24):
        label = one.session(datetime(2002, 1, 12, hour, tzinfo=UTC))
        assert label == date(2002, 1, 10)
    assert one.session(datetime(2002, 1, 13, 3, 30, tzinfo=UTC)) == friday


def test_the_digest_follows_from_what_sessions_follow_from() -> None:
    plain = desk({"date": DAY, "close": "13:00"})
    assert desk({"date": DAY, "close": "13:00", "reason": "storm"}).digest == plain.digest
    assert (
        desk({"date": DAY, "close": "13:00"}, {"date": "1980-01-02", "closed": True}).digest == plain.digest
    )
    assert desk({"date": DAY, "close": "12:00"}).digest != plain.digest
    assert desk({"date": DAY, "close": "13:00"}, pre_open="30m").digest != plain.digest


def test_what_has_no_effect_is_noted() -> None:
    one = desk(
        {"date": "2024-07-04", "closed": True},
        {"date": DAY, "close": "16:00"},
        {"date": "1980-01-02", "closed": True},
    )
    assert one.notes() == [
        "2024-07-04 closed: redundant, XNYS says so already",
        "2024-07-02 ... to 16:00: redundant, XNYS says so already",
        f"1980-01-02 closed: outside of XNYS, which is known from {one.valid_from} to {one.valid_until}",
    ]
    assert str(one.closure(date(2024, 7, 4))) == "Independence Day", "the name is kept"


def test_only_what_was_known() -> None:
    sandy = {"date": DAY, "closed": True, "known_at": "2024-07-01T20:00Z"}
    assert desk(sandy, as_of=datetime(2024, 7, 1, 19, tzinfo=UTC)).is_session(DAY)
    told = {"date": DAY, "closed": True, "known_at": "2024-07-01"}  # some time on that day
    assert desk(told, as_of=datetime(2024, 7, 1, 23, tzinfo=UTC)).is_session(DAY)
    assert not desk(told, as_of=datetime(2024, 7, 2, tzinfo=UTC)).is_session(DAY)
    assert not desk(sandy, as_of=datetime(2024, 7, 1, 20, tzinfo=UTC)).is_session(DAY)


@pytest.mark.parametrize(
    ("overlays", "told"),
    [
        ([{"date": DAY, "closed": True, "open": "09:30"}], "contradicts itself"),
        ([{"date": DAY}], "says nothing"),
        ([{"date": DAY, "open": "17:00"}], "do not follow each other: 17:00 16:00"),
        ([{"date": DAY, "breaks": [["08:00", "09:00"]]}], "do not follow each other"),
        ([{"date": SATURDAY, "close": "12:00"}], r"no session of XNYS to change \(weekend\)"),
        (
            [{"date": DAY, "closed": True, "reason": "storm"}, {"date": DAY, "close": "13:00"}],
            r"no session of XNYS to change \(closed by the overlay above it: storm\)",
        ),
        ([{"date": DAY, "close": "10:00+1"}], "contradicts its neighbour"),
        (
            [
                {"date": DAY, "closed": True, "known_at": "2024-07-02"},
                {"date": DAY, "open": "10:00", "close": "11:00", "known_at": "2024-07-01"},
            ],
            "contradict each other",
        ),
        ([{"date": "2024-07-09:2024-07-02", "closed": True}], "lies after"),
        ([{"date": "2024-07-06:2024-07-07", "extra": True}], "one by one"),
        ([{"date": "yesterday", "closed": True}], "has no date"),
        ([{"closed": True}], "has no date"),
        ([{"date": DAY, "open": "9.30"}], "no time"),
        ([{"date": DAY, "open": 570}], "no time"),
        ([{"date": DAY, "breaks": ["11:30-12:30"]}], "pairs"),
        ([{"date": DAY, "breaks": 5}], "pairs"),
        ([{"date": DAY, "closed": "storm"}], "true or false"),
        ([{"date": DAY, "closd": True}], "no key 'closd'"),
        ([{"date": DAY, "closed": True, "known_at": "soon"}], "no instant"),
        (["2024-07-02"], "is str, not a mapping"),
        ({"date": DAY, "closed": True}, "overlays are a list"),
    ],
)
def test_what_cannot_hold(overlays: Any, told: str) -> None:
    with pytest.raises(OverlayError, match=told) as caught:
        market("XNYS", overlays=overlays)
    assert caught.value.hint


def test_a_file_of_overlays(tmp_path: Path) -> None:
    file = tmp_path / "closures.csv"
    file.write_text(
        "date, closed, open, close, breaks, reason\n"
        '2024-07-02, true, , , , "storm, again"\n'
        "2024-07-03,, 10:00, 15:00, 11:00-11:30;12:00-12:30,\n"
    )
    one = market("XNYS", overlays=file)
    assert str(one.closure(DAY)) == "storm, again"
    assert hours(one, date(2024, 7, 3)) == ("10:00", "15:00", "11:00", "11:30", "12:00", "12:30")
    assert one.digest != market("XNYS").digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date,closed\n2024-07-02,maybe\n", "line 2: `closed` is true or false, not 'maybe'"),
        ("date,closed\n2024-07-02,true\n2024-13-01,true\n", "line 3 has no date"),
        ("date,closed\n2024-07-02,true,extra\n", "line 2: not as many columns"),
        ("day,closed\n2024-07-02,true\n", "no column `date`: its header is day, closed"),
        ("2024-07-02,true\n", "no column `date`"),
        ("date,closd\n2024-07-02,true\n", "line 2: there is no key 'closd'"),
        ("date,breaks\n2024-07-02,11:30\n", "line 2: breaks are pairs"),
        (b"date,closed\n\xff\xfe,true\n", "cannot read"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str | bytes, told: str) -> None:
    file = tmp_path / "closures.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(OverlayError, match=told):
        market("XNYS", overlays=file)
    with pytest.raises(OverlayError, match="cannot read"):
        market("XNYS", overlays=tmp_path / "nothing.csv")


def test_a_provider_is_asked_by_the_name_of_the_calendar() -> None:
    asked = []

    def vendor(calendar: str) -> list[dict[str, Any]]:
        asked.append(calendar)
        return [{"date": DAY, "closed": True}]

    assert not market("US_EQ", overlays=vendor).is_session(DAY)
    assert asked == ["XNYS"]


def test_an_overlay_as_a_value() -> None:
    overlay = Overlay(DAY, DAY, close="13:00", reason="early")
    assert hours(desk(overlay), DAY) == ("09:30", "13:00")
    assert str(overlay) == "2024-07-02 ... to 13:00"


def test_corrections_of_the_package_name_their_source() -> None:
    closure = market("XHKG").closure(date(2023, 9, 1))
    assert closure is not None
    assert (closure.kind, closure.reason) == ("ad hoc", "Typhoon Saola")
    assert closure.source


@pytest.mark.parametrize("name", calendars())
def test_corrections_of_the_package_hold(name: str) -> None:
    schedule = schedule_of(name)
    if isinstance(schedule, Amended):
        assert list(schedule.prove()) == []


@pytest.mark.parametrize("value", ["soon", "-5m", "25h", timedelta(days=2), timedelta(milliseconds=1), 30])
def test_windows_that_are_none(value: Any) -> None:
    with pytest.raises(MarketError, match="pre_open cannot be"):
        market("XNYS", pre_open=value)
