"""Opening a database: pragmas, transactions, the schema's version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openbell.errors import StoreError
from openbell.store.tables import metadata

READING = {"openbell_reading": True}
"""Execution option of connections that never write: their transactions do not queue."""

_CHECKPOINT = 4_000
"""Pages of the log (16 MB) after which they go into the database, and the disk is waited for."""

_UPGRADABLE: tuple[str, ...] = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
)
"""Earlier schemas, which `migrations/` leads on from."""

REVISION = "0012"
"""The schema that this version of openbell reads and writes: the newest file in `migrations/`."""


def connect(url: str, durability: str) -> sa.Engine:
    """An engine. `durability`: `process` survives a crash of ours, `power` one of the machine."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        _tune(engine, {"process": "NORMAL", "power": "FULL"}[durability])
    return engine


def _tune(engine: sa.Engine, synchronous: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        for pragma in (
            "busy_timeout = 5000",
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            f"wal_autocheckpoint = {_CHECKPOINT}",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("openbell_reading")
        connection.connection.cursor().execute("BEGIN" if reading else "BEGIN IMMEDIATE")


def migrate(engine: sa.Engine) -> None:
    """Create the schema, or bring it to `REVISION`. Raises `StoreError` when it is newer than we are."""
    with engine.connect().execution_options(**READING) as connection:
        found = _revision(connection)
    if found == REVISION:
        return
    if found is not None and found not in _UPGRADABLE:
        raise StoreError(
            f"the store was written by another openbell (schema {found or 'unknown'}, not {REVISION})",
            hint="install the version that wrote it, or move the state folder away",
        )
    with engine.begin() as connection:
        if _revision(connection) == REVISION:
            return  # somebody has been quicker
        if found is None:
            metadata.create_all(connection)  # what the migrations come to, without walking them
            connection.exec_driver_sql(_VERSION_TABLE)
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:it)"), {"it": REVISION})
        else:
            _upgrade(connection)


_VERSION_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""
"""As alembic writes it. A new database does not need alembic, which takes 100 ms and 12 MB to import."""


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""


def unusable(url: str, error: Exception) -> StoreError:
    try:
        where = Path(sa.make_url(url).database or url).name
    except sa.exc.ArgumentError:
        where = repr(url)
    return StoreError(
        f"the store {where} cannot be opened: {cause(error)}",
        hint="is it a database of openbell, on a local disk, writable by you?",
    )


def cause(error: Exception) -> str:
    """The first line of what the database itself said."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def failures(engine: sa.Engine) -> tuple[type[Exception], ...]:
    """What is raised when something goes wrong: SQLAlchemy's errors, and the driver's own."""
    driver: type[Exception] = engine.dialect.loaded_dbapi.Error
    return (sa.exc.SQLAlchemyError, driver)


def is_locked(error: Exception) -> bool:
    """Whether somebody else holds the database."""
    return "locked" in cause(error)
