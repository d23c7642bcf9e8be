"""The state of a project: its folder, its disk, its store, what was left behind, who leads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from openbell.core.health import sized
from openbell.core.words import plural
from openbell.doctor.verdicts import Place, Verdict, fail, note, ok, warn
from openbell.engine.leader import Role, holder
from openbell.engine.workspace import FLOOR
from openbell.errors import StoreError
from openbell.mounts import REMOTE, filesystem
from openbell.report.machine import free_space
from openbell.store.database import REVISION
from openbell.store.glance import open_database

_SCANNED = 512 << 20
"""Bytes of a store that are looked through here; `db check` looks through any."""
_ROOM = 4  # times the floor
_SKEW = timedelta(minutes=1)
_LARGE_LOG = 100_000_000  # bytes
_UNITS = ("~/.config/systemd/user", "/etc/systemd/system", "~/Library/LaunchAgents")


def folder(place: Place) -> Iterator[Verdict]:
    """Private, on a local disk, writable."""
    state = place.workspace.folder
    if not state.exists():
        kind = filesystem(place.folder)
        if kind in REMOTE:
            told = f"{place.folder} lies on a network file system ({kind}), where locks cannot be trusted"
            yield fail(told, "`state:` in openbell.yaml names a local folder")
        else:
            yield ok(f"{state} is not there yet: nothing has run")
        return
    if (kind := filesystem(state)) in REMOTE:
        told = f"{state} lies on a network file system ({kind}), where locks cannot be trusted"
        yield fail(told, "`state:` in openbell.yaml names a local folder")
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        yield fail(f"{state} cannot be written to", f"it belongs to user {state.stat().st_uid}: use that one")
        return
    mode = stat.S_IMODE(state.stat().st_mode)
    if mode & 0o077:
        yield warn(
            f"{state} is open to others (mode {mode:o}): logs and results are in it", f"chmod 700 {state}"
        )
    else:
        yield ok(f"{state}, private, on {kind or 'a local disk'}")
    complaints = state / "supervisor.log"
    if complaints.exists() and complaints.stat().st_size:
        yield warn("a supervisor has complained", f"read {complaints}, then empty it")
    if place.workspace.log.exists() and (large := place.workspace.log.stat().st_size) > _LARGE_LOG:
        yield note(f"the daemon's log has {sized(large)}", f"truncate -s 0 {place.workspace.log}")


def disk(place: Place) -> Iterator[Verdict]:
    """Room for what tasks leave."""
    free = free_space(place.workspace.folder)
    if free is None:
        yield warn("how much is free cannot be told")
    elif free < FLOOR:
        yield fail(
            f"{sized(free)} free: nothing starts below {sized(FLOOR)}", "make room; `openbell db prune` may"
        )
    elif free < FLOOR * _ROOM:
        yield warn(
            f"{sized(free)} free: nothing starts below {sized(FLOOR)}", "make room; `openbell db prune` may"
        )
    else:
        yield ok(f"{sized(free)} free")


def store(place: Place) -> Iterator[Verdict]:
    """It can be read, it is whole, and this openbell knows its tables."""
    database = place.database
    if database is None:
        yield ok("there is none yet: nothing has run")
        return
    size = database.stat().st_size
    try:
        with closing(open_database(database)) as connection:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            wal = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            newest = connection.execute("SELECT max(at) FROM journal").fetchone()[0]
            broken = _broken(connection) if size < _SCANNED else None
    except Exception as error:  # whatever is in that file
        yield fail(
            f"{database.name} cannot be read: {error}",
            "openbell db check; a copy of it is worth making first",
        )
        return
    if broken:
        yield fail(f"{database.name} is damaged: {broken}", "openbell db export saves what can be read")
    if revision > REVISION:
        yield fail(
            f"its tables are those of a newer openbell (schema {revision}, not {REVISION})", "update openbell"
        )
    elif revision < REVISION:
        yield note(
            f"its tables are older (schema {revision}, now {REVISION})", "openbell db upgrade, or any command"
        )
    if not wal:
        yield warn("it is not in WAL mode: readers hold up the engine", "another program has changed that")
    if newest is not None and datetime.fromisoformat(newest) > place.now + _SKEW:
        yield warn(
            f"its newest entry is of {newest}: this clock has gone back", "set the clock, and keep it by NTP"
        )
    if not broken:
        looked = "whole" if broken is not None else "too large to be looked through here: openbell db check"
        yield ok(f"{sized(size)}, schema {revision}, {looked}")


def _broken(connection: Any) -> str:
    """What SQLite finds wrong; empty when nothing is."""
    found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    return "" if found == ["ok"] else "; ".join(found)


def leftovers(place: Place) -> Iterator[Verdict]:
    """Files of attempts that nobody will come back to."""
    attempts = place.workspace.attempts
    if not attempts.is_dir() or place.database is None:
        yield ok("none")
        return
    with closing(open_database(place.database)) as connection:
        known = {row[0] for row in connection.execute("SELECT id FROM runs")}
    strange = [entry for entry in attempts.iterdir() if unquote(entry.name) not in known]
    if strange:
        size = sum(_size(entry) for entry in strange)
        told = f"{plural(len(strange), 'folder')} of no run that the store knows, {sized(size)}: {attempts}"
        yield warn(told, "openbell db prune removes those of pruned runs; the others are of another store")
    else:
        yield ok(f"none; {len(known)} runs are known")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def daemon(place: Place) -> Iterator[Verdict]:
    """Who opens runs, and who starts it after a reboot."""
    scheduled = [name for name, one in place.catalog.definitions.items() if one.pipeline.triggers]
    lock = place.workspace.lock
    leader = holder(lock) if lock.exists() else None
    if leader is not None and leader.role is Role.DAEMON:
        yield ok(str(leader))
    elif scheduled:
        yield warn(
            f"none leads, and {plural(len(scheduled), 'pipeline')} would open by themselves",
            "openbell start",
        )
    else:
        yield ok("none, and nothing opens by itself")
    if scheduled:
        unit = next(_units(place.folder), None)
        if unit is None:
            yield note("nothing starts it after a reboot", "openbell service print --systemd")
        else:
            yield ok(f"its unit is {unit}")


def _units(project: Path) -> Iterator[Path]:
    """Files of service managers that name this project."""
    for place in _UNITS:
        folder = Path(place).expanduser()
        for path in (*folder.glob("*openbell*.service"), *folder.glob("*openbell*.plist")):
            try:
                if str(project) in path.read_text():
                    yield path
            except OSError:
                continue


def letters(place: Place) -> Iterator[Verdict]:
    """What was to be told has been told."""
    if place.database is None:
        return
    try:
        with closing(open_database(place.database)) as connection:
            rows = connection.execute(
                "SELECT channel, error, given_up_at, at FROM outbox WHERE delivered_at IS NULL ORDER BY at"
            ).fetchall()
    except (StoreError, Exception) as error:  # told by the check of the store
        yield warn(f"the outbox cannot be read: {error}")
        return
    lost = [row for row in rows if row[2]]
    late = [row for row in rows if not row[2] and row[1]]
    for what, found in (("given up", lost), ("bounced, and to be tried again", late)):
        if found:
            channel, cause = found[-1][:2]
            told = f"{plural(len(found), 'letter')} {what}, the last to {channel}: {cause}"
            yield warn(told, f"openbell alerts test {channel}; openbell alerts ls --all")
    if not lost and not late:
        yield ok("all have been delivered" if not rows else f"{len(rows)} are under way")
