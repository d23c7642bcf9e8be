"""Who takes what: slots of executors, the concurrency of a run, memory and named pools.

A task that asks for more than there is may still run, alone: nothing waits for ever for what
cannot come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from openbell.core.model import Step
from openbell.core.state import RunRecord, State

Pool = tuple[str, str]
"""What is shared out: (kind, name), for example ("executor", "process") or ("pool", "memory")."""


@dataclass(slots=True)
class Usage:
    """How much of every pool is taken."""

    taken: dict[Pool, float] = field(default_factory=lambda: defaultdict(float))

    @classmethod
    def of(cls, state: State) -> Usage:
        """What the live attempts hold. O(open steps)."""
        usage = cls()
        for record in state.runs.values():
            for group in record.groups.values():
                if group.live:
                    usage.take(record, group.step, len(group.live))
        return usage

    def take(self, record: RunRecord, step: Step, tasks: int = 1) -> None:
        for pool, amount in asks(record, step):
            self.taken[pool] += amount * tasks

    def short(self, state: State, record: RunRecord, step: Step) -> list[tuple[Pool, float, float]]:
        """What one more task of this step would lack: (pool, taken, capacity)."""
        lacking = []
        for pool, amount in asks(record, step):
            size = capacity(state, record, pool)
            taken = self.taken[pool]
            if size == 0 or (taken and taken + amount > size):
                lacking.append((pool, taken, size))
        return lacking


def asks(record: RunRecord, step: Step) -> Iterator[tuple[Pool, float]]:
    """What one task of this step takes, pool by pool."""
    yield ("executor", step.executor), step.demand.cpu
    if record.run.pipeline.concurrency is not None:
        yield ("run", record.id), 1
    if step.demand.memory:
        yield ("pool", "memory"), step.demand.memory
    for name, amount in step.demand.pools.items():
        yield ("pool", name), amount


def capacity(state: State, record: RunRecord, pool: Pool) -> float:
    """How much there is. A pool that nobody has sized has no bound."""
    match pool:
        case ("executor", name):
            executor = state.limits.executors.get(name)
            return executor.slots if executor else 0
        case ("run", _):
            return record.run.pipeline.concurrency or 0
        case (_, name):
            return state.limits.pools.get(name, inf)
