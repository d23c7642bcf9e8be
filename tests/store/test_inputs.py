"""What every store keeps of what steps take in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.events import Exit, Exited, Requested, Started
from openbell.core.evolve import evolve
from openbell.core.inputs import Absent, Cleared, Consume, Files, FilesSeen, InputFile
from openbell.core.matrix import Axis, Matrix
from openbell.core.model import Need
from openbell.core.requests import Only, RetryTasks
from openbell.core.state import State
from openbell.store.loader import snapshot
from openbell.store.protocol import Store
from tests.builders import NOW, RUN, World, later, step
from tests.store.test_contract import LIMITS, STORES, Ledger


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def file(name: str) -> InputFile:
    return InputFile(f"/in/{name}", 3, 7, f"key-{name}")


def same(ledger: Ledger) -> None:
    """The rows, the journal and the memory tell one story."""
    ledger.write()
    store = ledger.store
    record = store.run(RUN)
    assert record is not None
    assert snapshot(record) == snapshot(ledger.world.record)
    folded = State(LIMITS)
    for _, event in store.journal(limit=10_000):
        evolve(folded, event)
    assert snapshot(folded.runs[RUN]) == snapshot(ledger.world.record)
    assert [event for _, event in store.journal(limit=10_000)] == ledger.world.journal
    assert ledger.kept().chores.keys() == ledger.world.state.chores.keys()


def world() -> World:
    files = Files(("/in/*.csv",), axis="file", consume=Consume.ARCHIVE)
    return World(
        step("a", files=files, matrix=Matrix((Axis("file", (), source="files"),))),
        step("b", files=Files(("/other/*",), absent=Absent.FAIL, timeout=timedelta(minutes=5))),
        step("c", matrix=Matrix((Axis("sym", (), source="a.symbols"),)), needs=(Need("a"),)),
    )


def test_what_is_bound_consumed_and_put_away_is_kept(store: Store) -> None:
    ledger = Ledger(store, world())
    one = ledger.world
    one.act()
    same(ledger)
    one.apply(FilesSeen(NOW, RUN, "a", (file("x"), file("y"))), FilesSeen(NOW, RUN, "b", unsettled=1))
    same(ledger)
    one.act()
    same(ledger)
    info = store.info(RUN)
    assert info is not None
    assert info.size == 4
    tasks = [task for task, _ in one.live()]
    for number, task in enumerate(tasks):
        one.apply(Started(later(1), task, 1, "1"), Exited(later(2), task, 1, Exit(0), {"symbols": [number]}))
        one.act(later(2))
        same(ledger)
    assert store.consumed("p", "a", ["key-x", "key-y", "key-z"]) == {"key-x": RUN, "key-y": RUN}
    assert store.consumed("p", "b", ["key-x"]) == {}
    assert store.consumed("q", "a", ["key-x"]) == {}
    assert {one.path for one in store.consumed_files("p", "a")} == {"/in/x", "/in/y"}
    one.apply(Cleared(later(3), RUN, "a", "/in/x", "key-x", "archived"))
    one.apply(Cleared(later(3), RUN, "a", "/in/y", "key-y", error="no"))
    same(ledger)
    assert list(ledger.kept().chores) == [(RUN, "a", "/in/y")]
    assert ledger.kept().chores[RUN, "a", "/in/y"].folder == "/in/archive"


def test_what_fails_for_want_of_files_and_is_tried_again(store: Store) -> None:
    ledger = Ledger(store, world())
    one = ledger.world
    one.apply(FilesSeen(NOW, RUN, "b"))
    one.act(later(301))
    assert one.states("b") == "F"
    same(ledger)
    one.apply(Requested(later(400), "r", RetryTasks(RUN, Only.FAILED, "b", 0), RUN))
    one.act(later(400))
    assert one.states("b") == "W"
    same(ledger)


def test_thousands_of_files_are_looked_up_at_once(store: Store) -> None:
    ledger = Ledger(store, world())
    one = ledger.world
    one.apply(FilesSeen(NOW, RUN, "a", tuple(file(f"{n}") for n in range(1200))))
    for _ in range(400):
        one.act()
        one.end()
    one.act()
    ledger.write()
    assert len(store.consumed("p", "a", [f"key-{n}" for n in range(3000)])) == 1200
    assert len(store.consumed_files("p", "a", limit=10)) == 10
