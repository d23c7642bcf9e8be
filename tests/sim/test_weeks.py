"""Pipelines with triggers through days of real calendars, and the planted bugs that the laws must catch."""

from __future__ import annotations

import os

import pytest

from openbell.errors import InvalidTransition
from openbell.sim.mistakes import MISTAKES
from openbell.sim.mutants import Mutant
from openbell.sim.weeks import Term, weeks
from openbell.sim.world import Broken

SEEDS = int(os.environ.get("SIM_WEEKS", "800"))
FAST = 60
KNOWN_BAD: tuple[int, ...] = (16, 29, 129, 131, 195, 241, 351, 700, 1340)
"""Seeds that have found something once."""


@pytest.mark.parametrize("seed", KNOWN_BAD)
def test_worlds_that_have_found_a_bug_once(seed: int) -> None:
    weeks(seed)


def test_a_handful_of_worlds() -> None:
    found = [weeks(seed) for seed in range(FAST)]
    assert sum(one.crashes for one in found) > 50, "the worlds are too kind to prove anything"
    assert sum(one.runs for one in found) > 8 * FAST
    assert sum(one.misses for one in found) > FAST // 2


@pytest.mark.slow
def test_hundreds_of_worlds() -> None:
    for seed in range(FAST, SEEDS):
        weeks(seed)


def test_a_world_repeats_exactly() -> None:
    def story(seed: int) -> list[object]:
        term = Term(seed)
        term.run()
        return [event for _, event in term.store.journal(limit=10**6)]

    for seed in (5, 6, 22):
        assert story(seed) == story(seed)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title.replace(" ", "_"))
def test_a_planted_bug_is_caught(mistake: Mutant) -> None:
    with mistake.planted():
        for seed in range(400):
            try:
                weeks(seed)
            except (Broken, InvalidTransition):
                return
    pytest.fail(f"no world has noticed: {mistake.title}")
