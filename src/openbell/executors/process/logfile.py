"""The log of an attempt: its head and its tail within a bound, and never a blocked writer.

While it is written: `log` holds the head, `log.0` and `log.1` take turns with what comes after.
When it is closed they are put together, with a line that counts what was dropped between them.
"""

import os

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A pipe in the place of a log blocks nobody."""


class LogFile:
    """Takes bytes for ever and keeps at most about `cap` of them. A full disk drops, never raises."""

    def __init__(self, directory: str, cap: int) -> None:
        self._path = os.path.join(directory, "log")
        self._head_left = cap // 2
        self._segment = max(1, cap // 4)
        self._segment_left = 0
        self._turn = 1
        self._file = -1
        self.received = 0
        self.dropped = 0
        self._overwritten = {0: 0, 1: 0}

    def write(self, data: bytes) -> None:
        """Keep what fits."""
        if self._file < 0:
            self._file = _create(self._path)
        self.received += len(data)
        head, rest = data[: self._head_left], data[self._head_left :]
        if head:
            self._head_left -= len(head)
            self._put(head)
        while rest:
            if self._segment_left == 0:
                self._next_segment()
            part, rest = rest[: self._segment_left], rest[self._segment_left :]
            self._segment_left -= len(part)
            self._overwritten[self._turn] += len(part)
            self._put(part)

    def close(self) -> None:
        """Put head and tail together."""
        if self._file < 0:
            return  # it never said a word
        os.close(self._file)
        segments = [f"{self._path}.{turn}" for turn in (1 - self._turn, self._turn)]
        kept = [path for path in segments if os.path.exists(path)]
        if not kept:
            return
        try:
            with open(self._path, "ab") as log:
                if self.dropped:
                    log.write(b"\n[openbell: %d bytes dropped here]\n" % self.dropped)
                for path in kept:
                    with open(path, "rb") as segment:
                        log.write(segment.read())
            for path in kept:
                os.unlink(path)
        except OSError:
            pass  # the disk is full: the pieces stay beside each other

    def _next_segment(self) -> None:
        self._turn = 1 - self._turn
        self.dropped += self._overwritten[self._turn]
        self._overwritten[self._turn] = 0
        os.close(self._file)
        self._file = _create(f"{self._path}.{self._turn}")
        self._segment_left = self._segment

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._file, view) :]
            except OSError:
                self.dropped += len(view)
                return


def _create(path: str) -> int:
    """A new file; without room for one, a place where bytes vanish."""
    try:
        try:
            return os.open(path, _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            return os.open(path, _FLAGS, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)  # writing fails, and so it is counted
