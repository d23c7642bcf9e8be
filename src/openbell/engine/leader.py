"""Who leads: one engine per project. The kernel keeps the lock, and frees it with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """Why somebody leads."""

    RUN = "run"
    """To carry out one request."""
    DAEMON = "daemon"
    """Until it is told to leave."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lead."""

    pid: int
    host: str
    command: str
    since: datetime
    role: Role = Role.RUN

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command}, since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


class Lead:
    """The lead of a project. Held until it is released or the process ends."""

    def __init__(self, path: Path, role: Role = Role.RUN) -> None:
        self._path = path
        self._role = role
        self._file: int | None = None

    def take(self, now: datetime) -> bool:
        """Try to take it. False: somebody else leads."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        if not _is(file, self._path):  # its last holder's folder has been removed under us
            os.close(file)
            return False
        holder = Holder(os.getpid(), socket.gethostname(), " ".join(_command()), now, self._role)
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({**asdict(holder), "since": now.isoformat()}).encode(), 0)
        self._file = file
        return True

    @property
    def holds(self) -> bool:
        """Whether it is still ours: who removes the state folder removes the lock with it."""
        return self._file is not None and _is(self._file, self._path)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def holder(path: Path) -> Holder | None:
    """Who leads now; None when nobody does."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file)
    finally:
        os.close(file)
    return None


def _is(file: int, path: Path) -> bool:
    """Whether this open file is the one that the path leads to."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _read(file: int) -> Holder:
    try:
        data = json.loads(os.pread(file, 4096, 0))
        since, role = datetime.fromisoformat(data["since"]), Role(data.get("role", Role.RUN))
        return Holder(data["pid"], data["host"], data["command"], since, role)
    except (ValueError, KeyError):  # it is writing its name just now
        return Holder(0, "this machine", "starting", datetime.fromtimestamp(0).astimezone())


def _command() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]][:6]


def asker_lives(request_id: str) -> bool:
    """Whether the process that asked is still there: nobody waits for what a dead one wanted."""
    pid, _, _ = request_id.partition(".")
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
