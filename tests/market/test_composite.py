"""Several calendars as one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from openbell.errors import MarketError, UnknownMarket
from openbell.market import MarketState, market


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def test_one_of_them_trades() -> None:
    both = market("any(XLON, XPAR)")
    funeral = date(2022, 9, 19)  # London closed, Paris open
    assert both.is_session(funeral)
    assert both.state(at(funeral, 10)) is MarketState.SESSION
    day = date(2024, 7, 2)
    session = both.session_of(day)
    assert (session.open, session.close, session.breaks) == (at(day, 7), at(day, 15, 30), ())


def test_all_of_them_trade() -> None:
    overlap = market("all(XNYS, XLON)")
    day = date(2024, 7, 2)
    session = overlap.session_of(day)
    assert (session.open, session.close) == (at(day, 13, 30), at(day, 15, 30))
    assert str(overlap.closure(date(2024, 7, 4))) == "XNYS: Independence Day"
    assert str(overlap.closure(date(2024, 7, 6))) == "weekend"
    apart = date(2024, 3, 11)  # the weeks between two changes of the clocks
    assert overlap.session_of(apart).open == at(apart, 13, 30)
    assert overlap.session_of(apart).close == at(apart, 16, 30)


def test_the_times_between_are_breaks() -> None:
    day = date(2024, 7, 2)
    session = market("any(XTKS, XLON)").session_of(day)
    assert session.breaks == ((at(day, 2, 30), at(day, 3, 30)), (at(day, 6), at(day, 7)))


def test_composites_of_composites() -> None:
    one = market("any(all(XNYS, XLON), XTKS)")
    day = date(2024, 7, 2)
    assert one.state(at(day, 14)) is MarketState.SESSION
    assert one.state(at(day, 12)) is MarketState.BREAK
    assert one.tz.key == "America/New_York"


def test_members_that_meet_under_different_labels() -> None:
    both = market("all(CMES, XNZE)")
    assert both.state(datetime(2024, 1, 8, 21, 30, tzinfo=UTC)) is MarketState.SESSION
    sessions = market("any(24/7, XNZE)").sessions(date(2024, 1, 1), date(2024, 12, 31))
    assert all(first.close <= second.open for first, second in pairwise(sessions))


def test_stretches_that_touch_are_one() -> None:
    both = market("all(24/7, FX)")
    assert both.session_of(date(2024, 7, 2)).breaks == ()
    changes = list(both.transitions(at(date(2024, 7, 1), 12), at(date(2024, 7, 6), 0)))
    assert all(first.at < second.at for first, second in pairwise(changes))


def test_bounds_are_those_of_all() -> None:
    one = market("all(XHKG, XSHG)")
    assert one.valid_until == market("XSHG").valid_until < market("XHKG").valid_until


@pytest.mark.parametrize("name", ["any()", "all(XNYS, )", "all(XNYS, NOPE)", "any(XNYS", "both(XNYS, XLON)"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UnknownMarket):
        market(name)


def test_markets_that_never_meet() -> None:
    with pytest.raises(MarketError, match="no session at all"):
        market("all(XNYS, XTKS)")
