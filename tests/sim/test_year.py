"""A year of the examples on the real core and calendars, with outages: what the laws of occasions come to.

What should run is worked out here from the markets' sessions and from the wall clock, not by the code of
the triggers.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from openbell.config.catalog import Catalog, catalog
from openbell.config.project import load_project
from openbell.core.state import Capacity, Limits
from openbell.core.states import RunState
from openbell.market import market
from openbell.sim.rehearsal import Occurrence, Rehearsal

EXAMPLES = Path(__file__).parents[2] / "examples"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MARKETS = {"us_eq": "US_EQ", "eu_eq": "EU_EQ", "asia_eq": "ASIA_EQ"}

Outage = tuple[datetime, datetime]


def outages(seed: int, most: timedelta) -> tuple[Outage, ...]:
    """Some thirty of them, over closes, half days and changes of the clocks as it comes."""
    rng, found, at = Random(seed), [], START
    while (at := at + timedelta(hours=rng.uniform(24, 500))) < END - timedelta(days=20):
        end = at + rng.random() * most
        found.append((at, end))
        at = end
    return tuple(found)


def played(name: str, down: tuple[Outage, ...] = (), *, end: datetime = END) -> tuple[Catalog, Rehearsal]:
    """The example's year."""
    found = catalog(load_project(EXAMPLES / name, os.environ), os.environ)
    assert not found.broken, found.broken
    schedules = {key: one.schedule for key, one in found.definitions.items() if one.pipeline.triggers}
    rehearsal = Rehearsal(
        schedules,
        lambda fire: found.definitions[fire.pipeline].bound(fire.session, fire.mode),
        Limits({"process": Capacity(2)}),
        lambda _pipeline, _step: timedelta(minutes=2),
        START,
        end,
        outages=down,
    )
    rehearsal.play()
    return found, rehearsal


def runs_of(rehearsal: Rehearsal, pipeline: str) -> list[Occurrence]:
    return [one for one in rehearsal.occurrences if one.fire.pipeline == pipeline]


def expected(name: str) -> list[date]:
    """The sessions of a market whose pre-open begins in the year."""
    there = market(name)
    sessions = there.sessions(date(2025, 12, 30), date(2027, 1, 3))
    opens = [(one.date, one.open - timedelta(hours=1)) for one in sessions]
    return [day for day, opened in opens if START <= opened < END]


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_every_session_of_every_market_runs_once_after_its_own_close(seed: int | None) -> None:
    down = outages(seed, timedelta(days=6)) if seed is not None else ()
    _, rehearsal = played("follow_the_sun", down)
    for pipeline, name in MARKETS.items():
        ran = runs_of(rehearsal, pipeline)
        assert Counter(one.session for one in ran) == Counter(expected(name))
        closes = {one.date: one.close for one in market(name).sessions(date(2025, 12, 30), date(2027, 1, 3))}
        for one in ran:
            assert one.session is not None
            if one.outcome is None:
                assert one.opened > END - timedelta(days=2)
                continue
            assert one.outcome is RunState.SUCCEEDED
            began = one.steps["ingest_prices"].began
            assert began is not None
            assert began >= closes[one.session]
            if not any(begin <= closes[one.session] < end for begin, end in down) and not down:
                assert began - closes[one.session] < timedelta(minutes=10)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_book_of_all_markets_comes_once_a_date_and_never_before_its_parts(seed: int) -> None:
    _, rehearsal = played("follow_the_sun", outages(seed, timedelta(days=3)))
    books = runs_of(rehearsal, "global_book")
    answered = Counter(one.fire.key for one in books) + Counter(
        one.key for one in rehearsal.unopened if one.pipeline == "global_book"
    )
    assert max(answered.values()) == 1
    done = {(one.fire.pipeline, one.session): one.closed for one in rehearsal.occurrences}
    for book in books:
        assert book.session is not None
        for pipeline, name in MARKETS.items():
            if market(name).is_session(book.session) and (pipeline, book.session) in done:
                part = done[pipeline, book.session]
                assert part is not None
                assert part <= book.opened
    assert len(books) > 240


def nights() -> Iterator[datetime]:
    """Seven in the evening in New York, Mondays to Fridays; the offset by the rule of 2007."""
    day = date(2025, 12, 31)
    while day < date(2027, 1, 1):
        if day.weekday() < 5:
            summer = date(2026, 3, 8) <= day < date(2026, 11, 1)
            yield datetime(day.year, day.month, day.day, 19, tzinfo=UTC) + timedelta(hours=4 if summer else 5)
        day += timedelta(days=1)


@pytest.mark.parametrize("seed", [None, 4])
def test_every_night_is_answered_by_a_run_or_a_miss(seed: int | None) -> None:
    down = outages(seed, timedelta(days=5)) if seed is not None else ()
    _, rehearsal = played("nightly_research", down)
    wanted = {f"{at:%Y%m%dT%H%M%SZ}-daily" for at in nights() if START <= at < END}
    ran = {one.fire.key for one in rehearsal.occurrences if one.fire.mode == "daily"}
    missed = sum(one.count for one in rehearsal.unopened if one.key.endswith("-daily"))
    assert ran <= wanted
    assert len(ran) + missed == len(wanted)
    assert bool(missed) == bool(down)
    weekly = [one for one in rehearsal.occurrences if one.fire.mode == "weekly"]
    assert all({"data", "scenarios", "metrics", "assessment"} == one.steps.keys() for one in weekly)


@pytest.mark.slow
def test_a_quarter_of_quarter_hours_goes_on_over_midnights_and_changes_of_the_clocks() -> None:
    if not list((EXAMPLES / "breakout_every_15m").glob("*.yaml")):
        pytest.skip("the example has no pipeline yet")
    down = outages(5, timedelta(hours=30))
    end = START + timedelta(days=90)
    _, rehearsal = played("breakout_every_15m", down, end=end)
    answered = len(rehearsal.occurrences) + sum(one.count for one in rehearsal.unopened)
    assert answered == (end - START) // timedelta(minutes=15)
    for one in rehearsal.occurrences:
        assert one.fire.nominal.minute % 15 == 0
        assert one.fire.nominal.second == 0
