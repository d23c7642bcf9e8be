"""Positions of triggers, occasions that wait for their run, and misses: the same from every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from openbell.core.events import Event, Fire, Led, Miss, OpenRun, Requested, Unplanned, Unwatch, Watch
from openbell.core.evolve import evolve
from openbell.core.model import Run
from openbell.core.occasions import request_id
from openbell.core.requests import Submit
from openbell.core.state import Capacity, Limits, State
from openbell.store.memory import MemoryStore
from openbell.store.protocol import Store
from openbell.store.sql import SqlStore
from tests.builders import NOW, later, pipeline, step

LIMITS = Limits({"process": Capacity(4)})
STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SqlStore(f"sqlite:///{folder}/openbell.db"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def _fire(key: str, trigger: str = "every 15m", *, queued: bool = False) -> Fire:
    position = later(60 * int(key)).isoformat()
    return Fire(NOW, "p", trigger, position, key, later(60 * int(key)), date(2024, 7, 2), "daily", queued)


def _turn(key: str, trigger: str = "every 15m") -> Fire:
    return replace(_fire(key, trigger), at=later(900), queued=False)


PIPELINE = pipeline(step())
STORY: tuple[Event, ...] = (
    Led(NOW, 1, "test", True),
    Watch(NOW, "p", "every 15m", NOW.isoformat()),
    Watch(NOW, "p", "session", later(1).isoformat()),
    Watch(NOW, "q", "after p", ""),
    _fire("15"),
    Requested(NOW, request_id("p/15"), Submit(PIPELINE, "d", key="15"), "p/15"),
    OpenRun(NOW, Run("p/15", PIPELINE, "d", NOW, "trigger")),
    _fire("30", queued=True),
    _fire("45", queued=True),
    _fire("50", "session", queued=True),
    Miss(later(5), "p", "every 15m", later(3600).isoformat(), "60", "60", 1, "overlap"),
    Miss(later(6), "p", "every 15m", later(7200).isoformat(), "75", "120", 4, "the engine was not running"),
    _turn("30"),
    Unplanned(later(901), "p", "every 15m", "45", "replaced by the next one"),
    Unwatch(later(902), "p", "session"),
    _turn("50", "session"),
    Miss(later(903), "q", "after p", "2024-07-02", "2024-07-01", "2024-07-02", 2, "closed"),
)


def _write(store: Store, batches: Sequence[Sequence[Event]]) -> State:
    lease = store.lead("test", NOW)
    state, number = State(LIMITS, epoch=lease.epoch), lease.last + 1
    for batch in batches:
        for event in batch:
            evolve(state, event)
        store.append(lease.epoch, number, batch, state)
        number += len(batch)
    return state


@pytest.mark.parametrize("size", [1, 2, 5, len(STORY)])
def test_what_is_loaded_is_what_was(store: Store, size: int) -> None:
    state = _write(store, [STORY[n : n + size] for n in range(0, len(STORY), size)])
    kept = store.load(LIMITS)
    assert kept.positions == state.positions
    assert kept.fired == state.fired
    assert kept.requests == state.requests
    assert list(kept.runs) == list(state.runs)
    assert [(one.pipeline, one.first, one.last, one.count, one.reason) for one in store.misses()] == [
        ("q", "2024-07-01", "2024-07-02", 2, "closed"),
        ("p", "45", "45", 1, "replaced by the next one"),
        ("p", "75", "120", 4, "the engine was not running"),
        ("p", "60", "60", 1, "overlap"),
    ]


def test_a_turn_does_not_take_its_trigger_back(store: Store) -> None:
    _write(store, [STORY])
    kept = store.load(LIMITS)
    assert kept.positions["p", "every 15m"] == later(7200).isoformat()
    assert ("p", "session") not in kept.positions, "the trigger was gone when its occasion had its turn"
    assert {run: fire.queued for run, fire in kept.fired.items()} == {
        "p/15": False,
        "p/30": False,
        "p/50": False,
    }


def test_the_events_come_back_as_they_were(store: Store) -> None:
    _write(store, [STORY])
    assert [event for _, event in store.journal()] == list(STORY)


def test_misses_of_one_pipeline_newest_first(store: Store) -> None:
    _write(store, [STORY])
    assert [one.first for one in store.misses("q")] == ["2024-07-01"]
    assert [one.first for one in store.misses("p", limit=2)] == ["45", "75"]
    assert store.misses("nobody") == []
