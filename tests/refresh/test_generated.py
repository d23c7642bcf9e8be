"""Foreign exchange: from Sunday to Friday, 17:00 New York, without gaps and without holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from openbell.market import MarketState, market
from openbell.market.calendar import Calendar
from openbell.refresh.compact import compact
from openbell.refresh.generated import foreign_exchange

FIRST, LAST = datetime(2000, 2, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)


def test_a_week_is_one_stretch() -> None:
    sessions = market("FX").sessions(date(2024, 7, 1), date(2024, 7, 5))
    assert sessions[0].open == datetime(2024, 6, 30, 21, tzinfo=UTC)  # Sunday, 17:00 EDT
    assert sessions[-1].close == datetime(2024, 7, 5, 21, tzinfo=UTC)
    assert all(before.close == after.open for before, after in pairwise(sessions))


def test_the_file_is_the_rule() -> None:
    assert market("FX").schedule.digest == Calendar(compact(foreign_exchange())).digest


@given(st.integers(int(FIRST.timestamp()), int(LAST.timestamp())))
def test_open_on_weekdays_of_new_york_and_sunday_evenings(seconds: int) -> None:
    """The week of New York begins seven hours before Monday: shifted so, it is a matter of weekdays."""
    at = datetime.fromtimestamp(seconds, UTC)
    local = at.astimezone(market("FX").tz)
    shifted = local.replace(tzinfo=None) + timedelta(hours=7)
    assert (market("FX").state(at) is MarketState.SESSION) is (shifted.weekday() < 5)


def test_known_to_the_end_of_2027() -> None:
    fx = market("FX")
    assert (fx.valid_from, fx.valid_until) == (date(2000, 1, 1), date(2027, 12, 31))
    assert fx.schedule.before == date(1999, 12, 31)
