"""What a host writes down about the attempt that it has in hand: one small file, locked for the host's life.

The claim stands at its beginning, the exit record behind it, each in one piece with a checksum. They are
written over for every attempt: an engine gives a host the next one only when the end of the last is recorded.
Whoever cannot take the lock knows that the host lives; whoever can, reads the truth.
"""

import fcntl
import json
import os
import zlib
from typing import Any

_CLAIM = 4096  # bytes
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_EXIT = 128 * 1024  # bytes of a record that are kept free, so that it can be written on a full disk


class Slate:
    """The host's side. Raises OSError when the file cannot be made."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            os.posix_fallocate(self._file, 0, _CLAIM + _EXIT)
        except (AttributeError, OSError):
            pass  # then the records take their chance

    def claim(self, data: dict[str, Any]) -> None:
        """This attempt begins."""
        os.pwrite(self._file, _packed(data), 0)

    def exit(self, data: dict[str, Any], *, power: bool) -> None:
        """It has ended. `power`: the record has to survive a power cut."""
        os.pwrite(self._file, _packed(data), _CLAIM)
        if power:
            os.fsync(self._file)


class Reading:
    """A slate as somebody else finds it. `held`: its host lives, and nothing but the claim counts."""

    def __init__(self, path: str) -> None:
        self.path = path
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.held = _is_held(file)
            self.claim = _unpacked(os.pread(file, _CLAIM, 0))
            self._exit = _unpacked(os.pread(file, _size(file), _CLAIM))
        finally:
            os.close(file)

    @property
    def attempt(self) -> str:
        """Which attempt is claimed; empty for none."""
        return str(self.claim.get("id", "")) if self.claim else ""

    @property
    def idle(self) -> bool:
        """Whether the claimed attempt, if any, has ended."""
        return not self.attempt or self.exit is not None

    @property
    def exit(self) -> dict[str, Any] | None:
        """The exit record of the claimed attempt."""
        record = self._exit
        return record if record is not None and str(record.get("id")) == self.attempt else None


def claim_of(folder: str, name: str) -> dict[str, Any] | None:
    """What a slate of this folder claims about the attempt, whoever wrote it."""
    try:
        paths = [entry.path for entry in os.scandir(folder)]
    except OSError:
        return None
    for path in paths:
        try:
            with open(path, "rb") as file:
                claim = _unpacked(file.read(_CLAIM))
        except OSError:
            continue
        if claim is not None and claim.get("id") == name:
            return claim
    return None


def _is_held(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _size(file: int) -> int:
    return max(0, os.fstat(file).st_size - _CLAIM)


def _packed(data: dict[str, Any]) -> bytes:
    body = _ENCODER.encode(data).encode(errors="replace")
    return b"%08x %d\n" % (zlib.crc32(body), len(body)) + body


def _unpacked(text: bytes) -> dict[str, Any] | None:
    """What was written in one piece; None for anything else."""
    head, _, rest = text.partition(b"\n")
    try:
        checksum, length = head.split()
        body = rest[: int(length)]
        if len(body) != int(length) or zlib.crc32(body) != int(checksum, 16):
            return None
        data = json.loads(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
