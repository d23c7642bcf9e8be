"""Worlds with a past that is let go: what is left is what it was."""

from __future__ import annotations

import pytest

from openbell.core.events import Prune
from openbell.sim import laws
from openbell.sim.campaign import Simulation
from openbell.store.loader import snapshot


@pytest.mark.parametrize("seed", range(60))
def test_the_laws_hold_for_what_is_left(seed: int) -> None:
    simulation = Simulation(seed)
    simulation.run()
    store, limits = simulation.store, simulation.engine.state.limits
    runs, needed = store.ages(), store.references()
    gone = tuple(run.id for run in runs[1:] if run.closed_at is not None and run.id not in needed)
    left = {run.id: store.run(run.id) for run in runs if run.id not in gone}
    last = store.last()
    lease = store.lead("pruner", simulation.world.clock.now())
    event = Prune(simulation.world.clock.now(), gone, ("runs",), "test")
    store.append(lease.epoch, last + 1, [event], simulation.engine.state)
    assert {run.id for run in store.ages()} == set(left)
    assert store.last() == last + 1
    for run, record in left.items():
        kept = store.run(run)
        assert kept is not None
        assert record is not None
        assert snapshot(kept) == snapshot(record)
    laws.replays(store, limits)
