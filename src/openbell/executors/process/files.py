"""The engine's view of an attempt's files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from openbell.core.model import AttemptKey, TaskKey
from openbell.executors.process import slate

KEPT = ("log", "log.0", "log.1")
"""What stays after the outcome is recorded."""

_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has claimed an attempt. `child` and `began` are there once the program runs."""

    shim: int
    boot: str
    mark: str
    child: int | None = None
    began: datetime | None = None
    label: str = ""
    """A variable that everything has in its environment that a host's worker has left."""


class AttemptFiles:
    """`attempts/<run>/<step>.<cell>.<attempt>/`: lock, claim, exit, log, events, stop."""

    def __init__(self, root: Path, key: AttemptKey) -> None:
        self.folder = attempt_folder(root, key)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @property
    def log_pieces(self) -> list[Path]:
        """The log in order: while it is written, its tail is in two segments that take turns."""
        segments = [path for name in KEPT[1:] if (path := self.folder / name).exists()]
        return [self.log, *sorted(segments, key=lambda path: path.stat().st_mtime)]

    @property
    def log_size(self) -> int:
        """Bytes of the log so far, as far as they are kept."""
        total = 0
        for name in KEPT:
            try:
                total += (self.folder / name).stat().st_size
            except OSError:
                pass  # not there, or not there yet
        return total

    def tail(self) -> str:
        """The end of what the attempt has printed so far."""
        try:
            with open_regular(self.log_pieces[-1]) as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def claim(self) -> Claim | None:
        """The claim as far as it is written; None when nobody has claimed yet."""
        lines = _json_lines(self.folder / "claim")
        if not lines:
            return None
        return read_claim({name: value for line in reversed(lines) for name, value in line.items()})

    def exit(self) -> dict[str, Any] | None:
        """The exit record, once the attempt is over; an empty one when it cannot be read."""
        path = self.folder / "exit"
        try:
            with open_regular(path) as file:
                return _json(file.read(_TAIL)) or {}
        except OSError:
            return {} if os.path.lexists(path) else None

    @property
    def barred(self) -> bool:
        """Whether the claim is an engine's: taken so that the attempt never begins. A shim's is not empty."""
        try:
            return not (self.folder / "claim").stat().st_size
        except OSError:
            return False

    def ask_to_stop(self, reason: str, grace: float) -> None:
        """Leave the reason for the shim or the host, in one piece."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / "stop.tmp"
        draft.write_text(json.dumps({"reason": reason, "grace": grace}))
        draft.rename(self.folder / "stop")

    def take_claim(self) -> bool:
        """Claim the attempt so that nobody starts it any more. False: somebody has claimed before."""
        try:
            os.close(os.open(self.folder / "claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Try the lock. True: it is ours inside the block, so no shim of this attempt lives."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(lock)

    def tidy(self) -> None:
        """Remove what only a recovery needs; an empty log goes as well.

        An empty claim stays. It is an engine's, who has taken it so that the attempt never begins: a shim
        may still be on its way.
        """
        try:
            for entry in os.scandir(self.folder):
                empty = not entry.stat().st_size
                stays = empty if entry.name == "claim" else entry.name in KEPT and not empty
                if not stays:
                    os.unlink(entry.path)
            self.folder.rmdir()
        except OSError:
            pass  # the log stays, or somebody else has been here


def checkpoint_folder(folder: Path, task: TaskKey) -> str:
    """Where the attempts of a task keep what the next one needs. `folder`: the project's state folder."""
    return f"{_folder_of(f'{folder}/checkpoints', task.run, task.step)}.{task.cell}"


def claim_of(root: Path, key: AttemptKey) -> Claim | None:
    """The claim of an attempt: that of its shim, or what a host has written on its slate."""
    found = AttemptFiles(root, key).claim()
    return found or read_claim(slate.claim_of(str(root.parent / "workers"), str(key)) or {})


def read_claim(data: dict[str, Any]) -> Claim | None:
    """A claim as it was written; None for anything else."""
    try:
        began = datetime.fromtimestamp(data["at"], UTC) if "at" in data else None
        child = int(data["child"]) if "at" in data else None
        shim, boot, mark = int(data["shim"]), str(data["boot"]), str(data["mark"])
        return Claim(shim, boot, mark, child, began, str(data.get("label", "")))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def attempt_folder(root: Path, key: AttemptKey) -> Path:
    """The folder of an attempt below the attempts' root."""
    return Path(f"{_folder_of(str(root), key.run, key.step)}.{key.cell}.{key.attempt}")


@lru_cache(1024)
def _folder_of(root: str, run: str, step: str) -> str:
    """What the folders of all attempts of a step begin with."""
    return f"{root}/{quote(run, safe='')}/{quote(step, safe='')}"


def mark_of(folder: Path) -> str:
    """A process name that finds forks of the attempt of this folder that were never exec'ed."""
    return "ob-" + blake2b(os.fsencode(folder), digest_size=6).hexdigest()


def open_regular(path: Path) -> BinaryIO:
    """Open a file that a worker may have meddled with, to read it. A pipe in its place blocks nobody."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a file any more", str(path))
    return os.fdopen(descriptor, "rb")


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a small file that can be read as what they should be."""
    try:
        with open_regular(path) as file:
            lines = file.read(_TAIL).split(b"\n")[:-1]
    except OSError:
        return []
    found = (_json(line) for line in lines)
    return [data for data in found if data is not None]


def _json(text: bytes) -> dict[str, Any] | None:
    """An object, or None for anything else."""
    try:
        data = json.loads(text.decode())
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
