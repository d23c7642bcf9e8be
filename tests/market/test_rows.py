"""Rows of (market, instant, state, label) that come from elsewhere: see derive_rows.py."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from openbell.market import get_market_state, get_next_state_transition, market

TICK = timedelta(microseconds=1)
NAMES = """
    XNYS US_EQ XLON XPAR XETR XTKS ASIA_EQ XHKG XSHG XASX XNZE XBOM XSAU XTAE BVMF XTSE CMES XNYM FX 24-7
"""
MARKETS = NAMES.split()


class Row(NamedTuple):
    at: datetime
    state: str
    label: str
    why: str


@lru_cache(maxsize=1)
def rows() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {name: [] for name in MARKETS}
    with Path(__file__).with_name("rows.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["instant"])
            found[row["market"]].append(Row(at, row["state"], row["label"], row["why"]))
    return found


def test_there_are_enough_of_them() -> None:
    counts = Counter({name: len(found) for name, found in rows().items()})
    assert counts.total() >= 1000
    assert min(counts.values()) >= 10
    years = {row.at.year for found in rows().values() for row in found}
    assert {2000, 2001, 2012, 2018, 2027} <= years


@pytest.mark.parametrize("name", MARKETS)
def test_state_and_label(name: str) -> None:
    asked = market(name)
    wrong = [
        (row, str(asked.state(row.at)), str(asked.session(row.at)))
        for row in rows()[name]
        if (asked.state(row.at).name, str(asked.session(row.at))) != (row.state, row.label)
    ]
    assert not wrong, "\n".join(map(str, wrong[:20]))


@pytest.mark.parametrize("name", MARKETS)
def test_many_at_once_are_the_same(name: str) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    found = rows()[name]
    instants = [(row.at - epoch) // TICK * 1000 for row in found]
    states = [market(name).state(row.at) for row in found]
    assert list(market(name).states(instants)) == [int(state) for state in states]
    assert [str(label) for label in market(name).labels(instants)] == [row.label for row in found]


@pytest.mark.parametrize("name", MARKETS)
def test_what_changes_within_a_tick_is_a_transition(name: str) -> None:
    """The rows hold an instant and the microsecond before it: where they differ, a transition lies."""
    found = rows()[name]
    pairs = [(a, b) for a, b in pairwise(found) if b.at - a.at == TICK]
    assert pairs
    for before, after in pairs:
        changes = (before.state, before.label) != (after.state, after.label)
        found_next = get_next_state_transition(name, before.at)
        assert (found_next.at == after.at) is changes, after
        if changes:
            assert (found_next.state.name, str(found_next.session)) == (after.state, after.label)
            assert get_market_state(name, after.at) is found_next.state
