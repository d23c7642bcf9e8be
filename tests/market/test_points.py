"""Points and stretches of a session's day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from openbell.errors import MarketError
from openbell.market import MarketState, market
from openbell.market.points import point, stretches

HALF_DAY = date(2024, 7, 3)


def utc(day: int, hour: int, minute: int = 0, month: int = 7) -> datetime:
    return datetime(2024, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("open", utc(3, 13, 30)),
        ("close", utc(3, 17)),
        ("close+15m", utc(3, 17, 15)),
        ("open - 1h", utc(3, 12, 30)),
        ("next open-30m", utc(5, 13)),
        ("next close", utc(5, 20)),
        ("previous close+90s", utc(2, 20, 1).replace(second=30)),
    ],
)
def test_points_are_on_the_actual_hours(text: str, at: datetime) -> None:
    assert point(text).at(market("XNYS"), HALF_DAY) == at


@pytest.mark.parametrize(
    "text",
    ["", "noon", "close+15", "close 15m", "next", "close+1d", "Close", "open+99999999h"],
)
def test_what_is_no_point(text: str) -> None:
    with pytest.raises(MarketError, match="no point") as caught:
        point(text)
    assert "close+30m" in caught.value.hint


def test_points_read_as_they_are_written() -> None:
    texts = ["open", "close+15m", "next open-30m", "previous close+60m"]
    assert [str(point(text)) for text in texts] == texts


def test_stretches_of_states() -> None:
    tokyo, day = market("XTKS"), date(2024, 7, 2)
    assert stretches(tokyo, day, MarketState.SESSION) == [
        (utc(2, 0), utc(2, 2, 30)),
        (utc(2, 3, 30), utc(2, 6)),
    ]
    assert stretches(tokyo, day, MarketState.BREAK) == [(utc(2, 2, 30), utc(2, 3, 30))]
    assert stretches(tokyo, day, MarketState.POST_CLOSE) == [(utc(2, 6), utc(2, 8))]
    assert stretches(market("XNYS"), date(2024, 7, 5), MarketState.OVERNIGHT) == [
        (utc(5, 22), utc(8, 12, 30))
    ]
    assert stretches(market("XNYS"), day, MarketState.BREAK) == []
    assert stretches(market("24/7"), day, MarketState.PRE_OPEN) == []


def test_stretches_agree_with_the_state() -> None:
    for name in ("XNYS", "XTKS", "CMES"):
        one = market(name)
        for state in (MarketState.PRE_OPEN, MarketState.SESSION, MarketState.BREAK, MarketState.POST_CLOSE):
            for begin, end in stretches(one, date(2024, 7, 2), state):
                assert one.state(begin) is state
                assert one.state(end) is not state
                assert one.next_state_change(begin).at == end


def test_a_date_without_session_has_no_points() -> None:
    with pytest.raises(MarketError, match="no session on 2024-07-04"):
        point("close").at(market("XNYS"), date(2024, 7, 4))
