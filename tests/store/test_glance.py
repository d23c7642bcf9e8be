"""The quick look tells what the store tells."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.core.alerts import Alerts, Notice, Severity
from openbell.core.events import CloseRun, Exit, Exited, Led, Miss
from openbell.core.states import RunState
from openbell.errors import StoreError
from openbell.store.glance import Glance
from openbell.store.loader import snapshot
from openbell.store.sql import SqlStore
from tests.builders import NOW, RUN, World, later, step
from tests.store.test_contract import Ledger, busy


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{tmp_path}/openbell.db")
    yield made
    made.close()


@pytest.fixture
def glance(store: SqlStore, tmp_path: Path) -> Iterator[Glance]:
    made = Glance(tmp_path / "openbell.db")
    yield made
    made.close()


def test_an_empty_store(glance: Glance) -> None:
    assert (glance.names(), list(glance.under_way()), glance.datasets(), glance.open_alerts()) == (
        [],
        [],
        {},
        0,
    )
    assert (glance.last_success("p"), glance.missed("p"), glance.last()) == (None, None, 0)
    assert glance.schema >= "0011"


def test_a_run_under_way_is_what_the_store_makes_of_it(store: SqlStore, glance: Glance) -> None:
    busy(store)
    (found,) = glance.under_way()
    assert found.live
    known = store.run(RUN)
    assert known is not None
    assert snapshot(found) == snapshot(known)
    assert glance.last() == store.last()


def test_runs_are_those_of_the_store(store: SqlStore, glance: Glance) -> None:
    world = World(step("a", 2), alerts=Alerts(failure=Notice(("log",), Severity.HIGH)))
    ledger = Ledger(store, world)
    world.act()
    tasks = [task for task, _ in world.live()]
    world.apply(
        Exited(later(30), tasks[0], 1, Exit(0, elapsed=30.0)),
        Exited(later(40), tasks[1], 1, Exit(1, elapsed=40.0)),
    )
    world.act(later(41))
    ledger.write()
    (info,) = store.runs()
    (brief,) = glance.runs("p", 5)
    assert (brief.id, brief.state, brief.opened_at, brief.closed_at) == (
        info.id,
        RunState.PARTIAL,
        info.opened_at,
        info.closed_at,
    )
    assert brief.took == timedelta(seconds=41)
    assert (glance.names(), glance.runs("q", 5), glance.last_success("p")) == (["p"], [], None)
    assert glance.durations("p")["a"].count == 2
    assert glance.durations("p")["a"].mean == 35
    assert glance.open_alerts() == len(store.alerts(open_only=True)) == 1


def test_the_last_success_is_found_behind_failures(store: SqlStore, glance: Glance) -> None:
    world = World(step())
    ledger = Ledger(store, world)
    world.act()
    world.end()
    world.act()
    ledger.write()
    assert any(isinstance(event, CloseRun) for event in world.journal)
    found = glance.last_success("p")
    assert found is not None
    assert (found.id, found.state) == (RUN, RunState.SUCCEEDED)


def test_misses(store: SqlStore, glance: Glance) -> None:
    ledger = Ledger(store, World())
    for n, key in enumerate(("2024-07-01", "2024-07-02")):
        ledger.world.apply(Miss(later(n), "p", "session", key, key, key, 1, "nobody was there"))
    ledger.write()
    found = glance.missed("p")
    assert found is not None
    assert (found.key, found.reason, found.at) == ("2024-07-02", "nobody was there", later(1))


def test_nothing_is_written(glance: Glance) -> None:
    with pytest.raises(sqlite3.OperationalError):
        glance._connection.execute("DELETE FROM runs")


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "openbell.db"
    path.write_text("this is no database, whatever it is called, and long enough to be looked at" * 20)
    with pytest.raises(StoreError, match=r"openbell\.db cannot be opened: file is not a database"):
        Glance(path)


def test_a_store_of_an_older_openbell_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "openbell.db"
    store = SqlStore(f"sqlite:///{path}")
    store.append(store.lead("test", NOW).epoch, 1, [Led(NOW, 1, "test", adopt=True)], World().state)
    store.close()
    with sqlite3.connect(path) as connection:
        for table, column in (
            ("groups", "kind"),
            ("groups", "flags"),
            ("groups", "outdates"),
            ("tasks", "flags"),
        ):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.execute("UPDATE alembic_version SET version_num = '0010'")
    glance = Glance(path)
    assert (glance.schema > "0010", glance.last(), list(glance.under_way())) == (True, 1, [])
    glance.close()
