"""What is in a file: the key under which it is consumed once, and what a signal tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openbell.core.inputs import InputFile

_CHUNK = 1 << 20
_LARGEST_SIGNAL = 1 << 20
_MOST_TOLD = 4  # fields of a signal


class Interrupted(Exception):
    """The reading was given up because its reader is to end."""


def content_key(path: str, go_on: Callable[[], bool] = lambda: True) -> str:
    """Thirty-two hex digits that identify the content. Raises OSError, or `Interrupted` when told to end."""
    digest = blake2b(digest_size=16)
    with Path(path).open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            if not go_on():
                raise Interrupted
            digest.update(chunk)
    return digest.hexdigest()


class Keys:
    """Keys of files that have been read already, as long as their size and time stay what they were."""

    def __init__(self, known: Iterable[InputFile] = ()) -> None:
        self._known = {file.path: (file.size, file.mtime_ns, file.key) for file in known if not file.role}

    def of(self, path: str, size: int, mtime_ns: int, go_on: Callable[[], bool]) -> str:
        """The key of this file, read only if it is not known. Raises as `content_key` does."""
        found = self._known.get(path)
        if found is None or found[:2] != (size, mtime_ns):
            found = self._known[path] = (size, mtime_ns, content_key(path, go_on))
        return found[2]

    def forget(self, path: str) -> None:
        self._known.pop(path, None)


def signal_key(path: str, mtime_ns: int, content: bytes) -> str:
    """A signal is known by its time as well: two of them may say the same."""
    return blake2b(content, digest_size=16, key=blake2b(f"{path}\0{mtime_ns}".encode()).digest()).hexdigest()


def signal(path: str) -> tuple[bytes, str] | None:
    """The content of a signal file and what it tells; None for JSON that is still being written."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_SIGNAL)
    except OSError:
        return None
    if not path.endswith(".json"):
        return content, ""
    try:
        return content, _told(json.loads(content))
    except ValueError:
        return None


def _told(data: Any) -> str:
    """The first plain fields of a signal, in one line."""
    if not isinstance(data, dict):
        return str(data)[:80]
    plain = {name: value for name, value in data.items() if isinstance(value, str | int | float)}
    shown = [f"{name}={str(value)[:40]}" for name, value in list(plain.items())[:_MOST_TOLD]]
    return ", ".join(shown)
