"""The room from outside: names, bounds, errors, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

import openbell
import openbell.market as package
from openbell.errors import MarketError, OutOfBounds, UnknownMarket
from openbell.market import Market, calendars, market
from openbell.market.names import ALIASES

NYSE = market("XNYS")


def test_the_package_can_be_called() -> None:
    assert openbell.market("US_EQ").calendar == "XNYS"
    assert package("XNYS") is market("XNYS")  # type: ignore[operator]
    assert openbell.market.Market is Market  # type: ignore[attr-defined]
    assert package.__all__ == sorted(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)


@pytest.mark.parametrize(
    ("alias", "calendar"),
    [("US_EQ", "XNYS"), ("EU_EQ", "XLON"), ("ASIA_EQ", "XTKS"), ("USNYSE", "XNYS"), ("24/7", "24-7")],
)
def test_an_alias_keeps_its_name_and_has_the_days_of_its_calendar(alias: str, calendar: str) -> None:
    assert market(alias).name == alias
    year = date(2024, 1, 1), date(2024, 12, 31)
    assert market(alias).sessions(*year) == market(calendar).sessions(*year)


def test_every_alias_means_a_calendar() -> None:
    assert set(ALIASES.values()) <= set(calendars())
    assert not set(ALIASES) & set(calendars())


def test_a_market_introduces_itself() -> None:
    assert repr(market("US_EQ")) == "<Market US_EQ (XNYS)>"
    assert str(NYSE.tz) == "America/New_York"
    assert NYSE.source.startswith("exchange_calendars ")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("XNYX", "XNYS"),
        ("xnys", "XNYS"),
        ("nyse", "NYSE"),
        ("us_eq", "US_EQ"),
        ("XLOM", "XLON"),
        ("USNYS", "USNYSE"),
    ],
)
def test_an_unknown_market_names_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UnknownMarket, match=f"no market or calendar '{wrong}'") as caught:
        market(wrong)
    assert caught.value.hint == f"did you mean {right!r}?"


@pytest.mark.parametrize(
    "name", ["", "?", "../calendars/XNYS", "XNYS.json", "XNYS/", "q" * 5000, "\0", "zzzzzz"]
)
def test_names_that_resemble_nothing(name: str) -> None:
    with pytest.raises(UnknownMarket):
        market(name)


def test_bounds_are_told_with_the_name_of_the_market() -> None:
    early = NYSE.valid_from - timedelta(days=1)
    late = NYSE.valid_until + timedelta(days=1)
    for day in (early, late):
        for ask in (NYSE.is_session, NYSE.closure):
            with pytest.raises(OutOfBounds) as caught:
                ask(day)
            for told in ("XNYS", str(NYSE.valid_from), str(NYSE.valid_until), str(day)):
                assert told in str(caught.value)
            assert isinstance(caught.value, MarketError)
            assert caught.value.hint


def test_a_span_has_to_lie_inside_the_bounds_as_a_whole() -> None:
    inside = date(2012, 1, 3)
    for ask in (NYSE.sessions, NYSE.dates, NYSE.closures):
        with pytest.raises(OutOfBounds, match="not on 2099-12-31"):  # the date that was asked for
            ask(inside, date(2099, 12, 31))
        with pytest.raises(OutOfBounds, match="not on 1990-01-01"):
            ask(date(1990, 1, 1), inside)
        assert ask(inside, inside - timedelta(days=1)) == []


def test_an_instant_is_no_date() -> None:
    with pytest.raises(TypeError):
        NYSE.is_session(datetime(2024, 7, 2, 14, 30))  # noqa: DTZ001  # that is the point


def test_importing_it_costs_neither_numpy_nor_pandas() -> None:
    code = (
        "import sys, json, openbell, datetime; openbell.market('XNYS').is_session(datetime.date(2024, 7, 2));"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {
        "numpy",
        "pandas",
        "exchange_calendars",
        "pydantic",
        "sqlalchemy",
        "click",
        "rich",
        "asyncio",
    }


@pytest.mark.parametrize("name", ["XNYS", "XTKS", "24/7", "CMES", "any(XTKS, XNYS)"])
def test_one_lookup_gives_state_label_and_the_next_change(name: str) -> None:
    one = market(name)
    at = datetime(2024, 3, 8, 21, 7, tzinfo=UTC)
    for _ in range(60):
        since, until, state, label = one.span(at)
        change = one.next_transition(at)
        assert (state, date.fromordinal(label)) == (one.state(at), one.session(at))
        assert datetime.fromtimestamp(until, UTC) == change.at == one.moment(at).until
        assert since <= at.timestamp() < until
        assert one.span(change.at)[0] == until
        at += timedelta(hours=11, minutes=13)
