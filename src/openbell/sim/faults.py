"""Faults between the engine and its store, and the engine's sudden death."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from openbell.core.events import Event
from openbell.core.state import State
from openbell.engine.points import set_hook
from openbell.errors import StoreError
from openbell.sim.world import World
from openbell.store.memory import MemoryStore


class Crash(BaseException):
    """The engine dies here, between two lines."""


class FlakyStore(MemoryStore):
    """A store whose commits sometimes fail, half of them after they have in fact happened."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, epoch: int, first: int, events: Sequence[Event], state: State) -> None:
        fails = self._world.happens(self._world.scenario.flaky)
        if fails and self._world.rng.random() < 0.5:
            raise StoreError("simulated: refused")
        super().append(epoch, first, events, state)
        if fails:
            raise StoreError("simulated: the reply was lost")


@contextmanager
def crashing(world: World, seed: str) -> Iterator[None]:
    """Within it the engine is killed at its points now and then; what is raised bears the seed."""

    def hook(_name: str) -> None:
        if world.happens(world.scenario.crash):
            raise Crash

    set_hook(hook)
    try:
        yield
    except Exception as error:
        error.add_note(seed)
        raise
    finally:
        set_hook(None)
