"""The core and the engine in thousands of bad worlds, and the planted bugs that these must catch."""

from __future__ import annotations

import os

import pytest

from openbell.core.events import OpenRun, Start
from openbell.errors import InvalidTransition
from openbell.sim.campaign import Simulation, trial
from openbell.sim.mutants import MUTANTS, Mutant
from openbell.sim.scenario import START
from openbell.sim.world import Broken

SEEDS = int(os.environ.get("SIM_SEEDS", "3000"))
FAST = 150
KNOWN_BAD: tuple[int, ...] = (47, 94, 476, 646, 696, 2502, 2844, 2886)
"""Seeds that have found something once."""


@pytest.mark.parametrize("seed", KNOWN_BAD)
def test_worlds_that_have_found_a_bug_once(seed: int) -> None:
    trial(seed)


def test_a_handful_of_worlds() -> None:
    trials = [trial(seed) for seed in range(FAST)]
    assert sum(one.crashes for one in trials) > 50, "the worlds are too kind to prove anything"
    assert sum(one.tasks for one in trials) > 4 * FAST


@pytest.mark.slow
def test_thousands_of_worlds() -> None:
    for seed in range(FAST, SEEDS):
        trial(seed)


def test_a_world_repeats_exactly() -> None:
    def story(seed: int) -> list[object]:
        simulation = Simulation(seed)
        simulation.run()
        return [event for _, event in simulation.store.journal(limit=10**6)]

    for seed in (3, 11, 12):
        assert story(seed) == story(seed)


def test_a_world_without_faults_starts_at_once() -> None:
    simulation = Simulation(1)
    simulation.world.calm = True
    simulation.run()
    events = [event for _, event in simulation.store.journal(limit=10**6)]
    (opened,) = (event for event in events if isinstance(event, OpenRun))
    first = next(event for event in events if isinstance(event, Start))
    assert opened.at == first.at == START


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.title.replace(" ", "_"))
def test_a_planted_bug_is_caught(mutant: Mutant) -> None:
    with mutant.planted():
        for seed in range(2000):
            try:
                trial(seed)
            except (Broken, InvalidTransition):
                return
    pytest.fail(f"no world has noticed: {mutant.title}")
