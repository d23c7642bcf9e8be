"""What only the SQL store does: schema, locks, damage."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from openbell.core.requests import PauseRun
from openbell.errors import StoreError
from openbell.store import database, sql
from openbell.store.codec import encode_pipeline
from openbell.store.sql import SqlStore
from openbell.store.tables import metadata
from tests.builders import NOW, RUN, World, pipeline, step
from tests.store.test_contract import Ledger


def open_store(folder: Path, **keys: str) -> SqlStore:
    return SqlStore(f"sqlite:///{folder}/openbell.db", **keys)


def schema(path: Path) -> dict[str, str]:
    """Every table and index of a database, spaces aside."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(text.split()).replace("( ", "(").replace(" )", ")") for name, text in rows}


def walk(path: Path, revision: str) -> None:
    """A database as the migrations make it, up to this one."""
    engine = sa.create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_a_database_of_an_older_version_is_brought_along(tmp_path: Path) -> None:
    walk(tmp_path / "openbell.db", "0001")
    columns = "id, name, title, digest, definition, state, paused, forgiven, opened_at, size, origin"
    definition = encode_pipeline(pipeline(step("a")))
    row = ("p/1", "p", "", "d", definition, "active", "", 0, "2024-07-02 12:00:00.000000", 1, "me")
    with sqlite3.connect(tmp_path / "openbell.db") as connection:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO runs ({columns}) VALUES ({marks})", row)
        connection.execute(
            "INSERT INTO groups (run, step, cells, rest, reason) VALUES ('p/1', 'a', 1, 0, '')"
        )
    connection.close()
    store = open_store(tmp_path)
    [info] = store.runs()
    assert (info.id, info.session) == ("p/1", "")
    record = store.run("p/1")
    assert record is not None
    assert record.groups["a"].waiting == 1
    store.close()
    open_store(tmp_path).close()
    walk(tmp_path / "walked.db", "head")
    assert schema(tmp_path / "walked.db") == schema(tmp_path / "openbell.db")


def test_every_migration_is_known() -> None:
    found = (Path(database.__file__).parent / "migrations" / "versions").glob("0*.py")
    assert sorted(path.name[:4] for path in found) == [*database._UPGRADABLE, database.REVISION]


@pytest.mark.parametrize("revision", database._UPGRADABLE)
def test_a_database_of_any_version_opens_twice(tmp_path: Path, revision: str) -> None:
    walk(tmp_path / "openbell.db", revision)
    for _ in range(2):
        store = open_store(tmp_path)
        assert store.runs() == []
        store.close()


def test_a_new_database_is_what_the_migrations_come_to(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    walk(tmp_path / "walked.db", "head")
    assert schema(tmp_path / "walked.db") == schema(tmp_path / "openbell.db")
    assert set(metadata.tables) < set(schema(tmp_path / "openbell.db"))


def test_a_second_start_finds_its_schema(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    before = (tmp_path / "openbell.db").stat().st_mtime_ns
    open_store(tmp_path).close()
    assert (tmp_path / "openbell.db").stat().st_mtime_ns == before


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "openbell.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="another openbell"):
        open_store(tmp_path)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "openbell.db").write_text(
        "this is a letter to my aunt, not a database, and it is quite long " * 9
    )
    with pytest.raises(StoreError, match="not a database"):
        open_store(tmp_path)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        open_store(tmp_path / "nowhere")


def test_a_writer_waits_for_another_and_gives_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    ledger = Ledger(store, World(step()))
    monkeypatch.setattr(sql, "_PATIENCE", 0.3)
    other = sqlite3.connect(tmp_path / "openbell.db", isolation_level=None)
    store._writer.exec_driver_sql("PRAGMA busy_timeout = 50")
    store._writer.commit()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.ask("r", PauseRun(RUN, "x"), NOW)
    other.execute("ROLLBACK")
    other.close()
    store.ask("r", PauseRun(RUN, "x"), NOW)
    assert [request_id for request_id, _ in store.asked()] == ["r"]
    assert ledger.kept().runs.keys() == {RUN}
    store.close()


def test_readers_see_whole_batches_while_somebody_writes(tmp_path: Path) -> None:
    store, reader = open_store(tmp_path), open_store(tmp_path)
    world = World(step(cells=50), slots=50)
    ledger = Ledger(store, world)
    world.act()
    ledger.write()
    before = reader.run(RUN)
    world.end()
    world.act()
    with contextlib.suppress(KeyboardInterrupt), store._write() as connection:
        connection.execute(sa.text("DELETE FROM tasks"))
        seen = reader.run(RUN)
        raise KeyboardInterrupt  # killed in the middle of a write
    assert before is not None
    assert seen is not None
    assert seen.groups["a"].codes == before.groups["a"].codes
    store.close()
    reader.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks SET finished_at = NULL WHERE state = 4",
        "UPDATE tasks SET not_before = '2024-01-01' WHERE state = 4",
        "UPDATE tasks SET kind = 'exit' WHERE state = 4",
        "UPDATE runs SET closed_at = NULL",
        "UPDATE lease SET id = 2",
        "INSERT INTO groups (run, step, rest) VALUES ('nope/1', 'a', 0)",
    ],
)
def test_the_invariants_stand_in_the_database_too(tmp_path: Path, statement: str) -> None:
    store = open_store(tmp_path)
    world = World(step())
    ledger = Ledger(store, world)
    world.act()
    world.end()
    world.act()
    ledger.write()
    with pytest.raises(StoreError, match="constraint"), store._write() as connection:
        connection.execute(sa.text(statement))
    store.close()


def test_durability_is_a_choice(tmp_path: Path) -> None:
    found = {}
    for durability in ("process", "power"):
        folder = tmp_path / durability
        folder.mkdir()
        store = open_store(folder, durability=durability)
        found[durability] = store._writer.exec_driver_sql("PRAGMA synchronous").scalar()
        store.close()
    assert found == {"process": 1, "power": 2}
