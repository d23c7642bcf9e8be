"""What is compacted is read back as it was: sessions, hours, reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.market import Market
from openbell.market.calendar import Calendar
from openbell.refresh.compact import Hours, Upstream, compact, digest, render

FIRST = date(2020, 1, 1)
DAY, LONG, LUNCH, NIGHT = (
    ("09:30", "16:00"),
    ("09:30", "17:00"),
    ("09:00", "15:00", "11:30", "12:30"),
    ("18:00-1", "17:00"),
)


def calendar(
    sessions: Mapping[date, Hours],
    reasons: Mapping[date, str] | None = None,
    *,
    name: str = "XTST",
    tz: str = "Europe/Paris",
) -> Upstream:
    return Upstream(name, "A test", tz, sessions, min(sessions), max(sessions), reasons or {})


def trading(
    weeks: int, weekdays: str = "1111100", hours: Hours = DAY, first: date = FIRST
) -> dict[date, Hours]:
    """Sessions on these weekdays of so many weeks."""
    days = (first + timedelta(days=n) for n in range(7 * weeks))
    return {day: hours for day in days if weekdays[day.weekday()] == "1"}


def read(upstream: Upstream) -> Market:
    """The file of this calendar, written and read."""
    return Market(upstream.name, Calendar(json.loads(render(compact(upstream)))))


def expand(market: Market) -> dict[date, Hours]:
    """The sessions of a market in local wall time, as upstream gives them."""

    def wall(day: date, instant: datetime) -> str:
        local = instant.astimezone(market.tz)
        offset = (local.date() - day).days
        return f"{local:%H:%M}" + (f"{offset:+d}" if offset else "")

    return {
        s.date: tuple(
            wall(s.date, at) for at in (s.open, s.close, *(at for pause in s.breaks for at in pause))
        )
        for s in market.sessions(market.valid_from, market.valid_until)
    }


def exceptions(upstream: Upstream) -> int:
    data = compact(upstream)
    return len(data["closed"]) + len(data["adhoc"]) + len(data["special"])


def test_a_plain_year_needs_one_rule() -> None:
    upstream = calendar(trading(52))
    data = compact(upstream)
    assert list(data["weeks"].values()) == ["1111100"]
    assert list(data["hours"].values()) == [list(DAY)]
    assert exceptions(upstream) == 0
    assert expand(read(upstream)) == upstream.sessions


def test_closures_have_their_reasons() -> None:
    sessions = trading(52)
    named, unnamed = date(2020, 5, 1), date(2020, 6, 2)
    del sessions[named], sessions[unnamed]
    market = read(calendar(sessions, {named: "Labour Day", date(2020, 5, 2): "a Saturday"}))
    assert expand(market) == sessions
    assert [(c.date, c.kind, c.reason) for c in market.closures(named, unnamed) if c.kind != "weekend"] == [
        (named, "holiday", "Labour Day"),
        (unnamed, "ad hoc", ""),
    ]


def test_special_hours_keep_their_reason() -> None:
    early, late = date(2020, 12, 24), date(2020, 3, 3)
    sessions = trading(52) | {early: ("09:30", "13:00"), late: ("11:00", "16:00")}
    market = read(calendar(sessions, {early: "Christmas Eve"}))
    assert expand(market) == sessions
    assert [market.sessions(day, day)[0].note for day in (early, late)] == ["Christmas Eve", ""]


def test_special_hours_with_a_break_and_a_reason() -> None:
    day = date(2020, 12, 24)
    sessions = trading(52, hours=LUNCH) | {day: ("09:00", "14:00", "11:00", "11:15")}
    market = read(calendar(sessions, {day: "11:00"}))  # even a reason that looks like a time
    assert expand(market) == sessions
    assert market.sessions(day, day)[0].note == "11:00"


def test_a_half_day_drops_the_break() -> None:
    day = date(2020, 12, 24)
    sessions = trading(52, hours=LUNCH) | {day: ("09:00", "11:30")}
    market = read(calendar(sessions, tz="Asia/Tokyo"))
    assert expand(market) == sessions
    assert market.sessions(day, day)[0].breaks == ()


def test_new_hours_become_a_rule_from_their_first_day_on() -> None:
    turn = date(2020, 6, 3)
    sessions = {day: LONG if day >= turn else DAY for day in trading(52)}
    data = compact(calendar(sessions))
    assert data["hours"] == {"2020-01-01": list(DAY), "2020-06-03": list(LONG)}
    assert not data["special"]
    assert expand(read(calendar(sessions))) == sessions


def test_a_week_of_other_hours_is_an_exception() -> None:
    sessions = trading(52) | trading(1, hours=LONG, first=date(2020, 6, 1))
    assert len(compact(calendar(sessions))["special"]) == 5
    assert expand(read(calendar(sessions))) == sessions


def test_another_week_becomes_a_rule_from_its_first_monday_on() -> None:
    turn = date(2020, 8, 10)  # in the middle of a quarter
    sessions = trading(32, "1111001") | trading(40, "1111100", first=turn)
    sessions = {day: hours for day, hours in sessions.items() if day < turn or day.weekday() != 6}
    upstream = calendar(sessions)
    assert compact(upstream)["weeks"] == {"2019-12-30": "1111001", "2020-08-10": "1111100"}
    assert exceptions(upstream) == 0
    assert expand(read(upstream)) == sessions
    assert str(read(upstream).closure(date(2020, 8, 7))) == "weekend"
    assert str(read(upstream).closure(date(2020, 8, 16))) == "weekend"


def test_two_new_weeks_in_a_row_stay_in_order() -> None:
    masks = {date(2020, 1, 1): "1111100", date(2020, 4, 20): "1111111", date(2020, 7, 20): "1110001"}
    sessions: dict[date, Hours] = {}
    for first, mask in masks.items():
        sessions = {day: hours for day, hours in sessions.items() if day < first}
        sessions |= trading(52, mask, first=first)
    upstream = calendar(sessions)
    assert list(compact(upstream)["weeks"]) == ["2019-12-30", "2020-04-20", "2020-07-20"]
    assert expand(read(upstream)) == sessions


def test_weeks_that_change_too_often_for_rules_stay_in_order_as_well() -> None:
    """Tuesdays until August, Sundays until November, then nothing for half a year. Hypothesis found it."""
    tuesdays, sundays = (
        trading(34, "0100000", first=date(2020, 1, 7)),
        trading(13, "0000001", first=date(2020, 8, 30)),
    )
    sessions = tuesdays | sundays | {date(2021, 4, 11): DAY}
    del sessions[date(2020, 7, 7)], sessions[date(2020, 8, 11)]
    weeks = list(compact(calendar(sessions))["weeks"])
    assert len(weeks) > 2
    assert weeks == sorted(weeks)
    assert expand(read(calendar(sessions))) == sessions


def test_a_short_rest_at_the_end_is_no_new_week() -> None:
    """The last Friday is a holiday: it stays one, and Fridays do not become weekends."""
    sessions = trading(27)
    last = max(sessions)
    while last.weekday() != 3:
        del sessions[last]
        last = max(sessions)
    friday = last + timedelta(days=1)
    upstream = Upstream("XTST", "A test", "UTC", sessions, min(sessions), friday, {friday: "A holiday"})
    assert len(compact(upstream)["weeks"]) == 1
    assert str(read(upstream).closure(friday)) == "A holiday"


def test_a_session_on_a_saturday() -> None:
    saturday = date(2020, 2, 8)
    sessions = trading(52) | {saturday: ("10:00", "12:00")}
    market = read(calendar(sessions, {saturday: "a rehearsal"}))
    assert expand(market) == sessions
    assert market.sessions(saturday, saturday)[0].note == "a rehearsal"
    assert market.closure(saturday) is None


def test_sessions_that_begin_the_evening_before() -> None:
    sessions = trading(52, hours=NIGHT)
    upstream = calendar(sessions, tz="America/Chicago")
    assert expand(read(upstream)) == sessions
    (monday,) = read(upstream).sessions(date(2020, 1, 6), date(2020, 1, 6))
    assert monday.open == datetime(2020, 1, 5, 18, tzinfo=ZoneInfo("America/Chicago"))


def test_a_calendar_of_one_session() -> None:
    sessions: dict[date, Hours] = {date(2020, 1, 3): DAY}
    assert expand(read(calendar(sessions))) == sessions


def test_an_event_is_stronger_than_a_holiday() -> None:
    sessions = trading(52, first=date(2012, 1, 2))
    sandy, storm = date(2012, 10, 29), date(2012, 10, 30)
    del sessions[sandy], sessions[storm]
    upstream = replace(calendar(sessions, {sandy: "a holiday"}), events={sandy: "Sandy", storm: "Sandy"})
    closures = read(upstream).closures(sandy, date(2012, 11, 3))
    assert [(c.date.day, c.kind, c.reason) for c in closures] == [
        (29, "ad hoc", "Sandy"),
        (30, "ad hoc", "Sandy"),
        (3, "weekend", ""),
    ]


def test_an_event_closes_nothing_by_itself() -> None:
    sessions = trading(52)
    open_day = date(2020, 3, 3)
    upstream = replace(calendar(sessions), events={open_day: "a storm"})
    assert expand(read(upstream)) == sessions


def test_several_breaks() -> None:
    sessions = trading(8, hours=("09:00", "17:00", "10:30", "10:45", "12:00", "13:00"))
    assert expand(read(calendar(sessions))) == sessions
    assert len(read(calendar(sessions)).sessions(FIRST, FIRST)[0].breaks) == 2


def test_the_session_before_the_first_and_the_sources_are_told() -> None:
    upstream = replace(calendar(trading(8)), before=date(2019, 12, 30), sources={"a": "1", "b": "2.0"})
    data = compact(upstream)
    assert (data["before"], data["sources"]) == ("2019-12-30", {"a": "1", "b": "2.0"})
    assert compact(calendar(trading(8)))["before"] is None


def test_corrections_are_kept_as_they_are() -> None:
    corrections = [{"date": "2020-01-02", "closed": True, "reason": "a storm", "source": "a notice"}]
    upstream = calendar(trading(8))
    data = compact(upstream, corrections)
    assert json.loads(render(data))["corrections"] == corrections
    assert expand(Market("XTST", Calendar(data))) == upstream.sessions


def test_the_digest_is_that_of_the_canonical_text() -> None:
    data = json.loads(render(compact(calendar(trading(8), {FIRST: "Año nuevo"}))))
    rest = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert data["digest"] == sha256(text.encode("utf-8")).hexdigest()[:16]
    assert digest(data | {"title": "another"}) != data["digest"]


def test_the_file_has_one_date_a_line() -> None:
    text = render(compact(calendar(trading(52), {})))
    assert text.endswith("}\n")
    assert ' "hours": {\n  "2020-01-01": ["09:30", "16:00"]\n },\n' in text


HOURS = st.sampled_from([DAY, LONG, LUNCH, NIGHT, ("10:00", "12:00"), ("00:00", "00:00+1")])
REASONS = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def calendars(draw: st.DrawFn) -> Upstream:
    """Years of trading with other weeks, other hours, closures and extra sessions wherever it pleases."""
    sessions: dict[date, Hours] = {}
    first = FIRST + timedelta(days=draw(st.integers(0, 6)))
    for _ in range(draw(st.integers(1, 4))):
        weeks, mask = draw(st.integers(1, 40)), draw(st.from_regex(r"[01]{7}", fullmatch=True))
        sessions |= trading(weeks, mask, draw(HOURS), first)
        first += timedelta(weeks=weeks)
    anywhere = st.dates(FIRST, first)
    sessions |= draw(st.dictionaries(anywhere, HOURS, min_size=1, max_size=12))
    for day in draw(st.sets(anywhere, max_size=12)):
        if len(sessions) > 1:
            sessions.pop(day, None)
    return calendar(sessions, draw(st.dictionaries(anywhere, REASONS, max_size=12)))


@settings(max_examples=60)
@given(calendars())
def test_any_calendar_comes_back_as_it_was(upstream: Upstream) -> None:
    data = json.loads(render(compact(upstream)))
    market = Market("XTST", Calendar(data))
    assert expand(market) == upstream.sessions
    assert list(data["weeks"]) == sorted(data["weeks"])
    assert list(data["hours"]) == sorted(data["hours"])
    for closure in market.closures(upstream.first, upstream.last):
        assert closure.reason == (
            upstream.holidays.get(closure.date, "") if closure.kind != "weekend" else ""
        )
