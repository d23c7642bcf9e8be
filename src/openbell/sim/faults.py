"""Faults between the engine and its store, and the engine's sudden death."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openbell.core.events import Event
from openbell.core.state import State
from openbell.errors import StoreError
from openbell.sim.world import World
from openbell.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable


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


def crasher(world: World) -> Callable[[str], None]:
    """A hook for the engine's points that kills it there now and then."""

    def hook(_name: str) -> None:
        if world.happens(world.scenario.crash):
            raise Crash

    return hook
