"""inotify by ctypes: news of folders straight from the Linux kernel, without a thread and without polling."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

_CREATE, _CLOSE_WRITE, _ATTRIB = 0x100, 0x8, 0x4
_MOVED_FROM, _MOVED_TO, _DELETE = 0x40, 0x80, 0x200
_DELETE_SELF, _MOVE_SELF, _IGNORED, _UNMOUNT, _OVERFLOW = 0x400, 0x800, 0x8000, 0x2000, 0x4000
_ONLY_FOLDERS = 0x0100_0000
_WANTED = _CREATE | _CLOSE_WRITE | _ATTRIB | _MOVED_FROM | _MOVED_TO | _DELETE | _DELETE_SELF | _MOVE_SELF
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_LARGEST = 64 << 10


class Happening(NamedTuple):
    """One event. `gone`: the folder itself is not at its place any more."""

    folder: str
    name: str
    moved_in: bool
    gone: bool
    overflow: bool


class Kernel:
    """An inotify descriptor. Not for several threads. Raises OSError where there is none to be had."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._paths: dict[int, set[str]] = {}
        self._watches: dict[str, int] = {}

    def fileno(self) -> int:
        return self._file

    def watch(self, folder: str) -> bool:
        """Whether the folder is watched now."""
        watch = self._libc.inotify_add_watch(self._file, os.fsencode(folder), _WANTED | _ONLY_FOLDERS)
        if watch < 0:
            return False
        self._forget(folder)
        self._watches[folder] = watch
        self._paths.setdefault(watch, set()).add(folder)
        return True

    def leave(self, folder: str) -> None:
        """Watch it no more."""
        watch = self._watches.get(folder)
        self._forget(folder)
        if watch is not None and watch not in self._paths:
            self._libc.inotify_rm_watch(self._file, watch)

    def read(self) -> Iterator[Happening]:
        """What has happened since the last call. Never blocks."""
        while True:
            try:
                data = os.read(self._file, _LARGEST)
            except BlockingIOError:
                return
            yield from self._parse(data)

    def close(self) -> None:
        os.close(self._file)

    def _parse(self, data: bytes) -> Iterator[Happening]:
        position = 0
        while position < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size + length
            name = os.fsdecode(data[position - length : position].rstrip(b"\0"))
            if mask & _OVERFLOW:
                yield Happening("", "", moved_in=False, gone=False, overflow=True)
            gone = bool(mask & (_DELETE_SELF | _MOVE_SELF | _IGNORED | _UNMOUNT))
            for folder in tuple(self._paths.get(watch, ())):
                yield Happening(folder, name, bool(mask & _MOVED_TO), gone, overflow=False)
                if gone:
                    self._forget(folder)

    def _forget(self, folder: str) -> None:
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._paths[watch].discard(folder)
            if not self._paths[watch]:
                del self._paths[watch]
