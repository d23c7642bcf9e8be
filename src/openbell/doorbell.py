"""Wakes a sleeping engine: a datagram socket in the state folder. A lost ring costs latency only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 100  # bytes; the kernel takes 107 for the path of a socket


class Doorbell:
    """The engine's side: calls the listener of the first word of each message with the rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._socket: socket.socket | None = None

    def listen(self, word: str, listener: Callable[[str], None]) -> None:
        self._listeners[word] = listener

    def open(self) -> None:
        """Begin to listen, on the running event loop."""
        self._path.unlink(missing_ok=True)
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _address(self._path) as address:
            bell.bind(address)
        self._path.chmod(0o600)
        asyncio.get_running_loop().add_reader(bell, self._hear)
        self._socket = bell

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None

    def _hear(self) -> None:
        assert self._socket is not None
        while True:
            try:
                message = self._socket.recv(1024).decode(errors="replace")
            except OSError:  # nothing more
                return
            word, _, rest = message.partition(" ")
            if listener := self._listeners.get(word):
                listener(rest)


def ring(path: Path, message: str) -> bool:
    """Ring at the engine of this path. False when nobody listens there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, _address(path) as address:
            line.settimeout(1.0)
            line.sendto(message.encode(), address)
    except OSError:
        return False
    return True


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """A name of the socket that the kernel accepts, however deep the folder lies."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
