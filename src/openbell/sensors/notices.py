"""News of folders: from inotify on Linux, watchfiles elsewhere, and a look now and then where that fails."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from openbell.mounts import is_remote

RESCAN = 10.0
"""Seconds between looks at folders of which nobody tells any news: network file systems above all."""


@dataclass(slots=True)
class News:
    """Folders in which something has happened, and files that were moved to their names whole."""

    folders: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)
    everywhere: bool = False
    """Anything may have happened."""


class Notices(Protocol):
    """Tells when something happens in folders. `wake` may be called from any thread."""

    def attend(self, folders: frozenset[str]) -> bool:
        """Attend to exactly these folders. Whether one of them is new here, so that news of it was missed."""
        ...

    def wait(self, seconds: float | None) -> News:
        """The news, as soon as there are some; at the latest after so long, or when woken."""
        ...

    def wake(self) -> None: ...

    def close(self) -> None: ...


class Pipe:
    """Wakes a thread that waits for file descriptors."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if _LINUX else _pipe()

    def fileno(self) -> int:
        return self._reading

    def wake(self) -> None:
        with suppress(BlockingIOError):  # it has not heard the last ones yet
            os.write(self._writing, b"x")

    def drain(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._reading, 4096):
                pass

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)


_LINUX = sys.platform == "linux"


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


class Rescans:
    """Nobody tells: every folder is looked at now and then."""

    def __init__(self, every: float = RESCAN) -> None:
        self._every = every
        self._pipe = Pipe()
        self._folders: frozenset[str] = frozenset()

    def attend(self, folders: frozenset[str]) -> bool:
        self._folders = folders
        return False  # it was looked at a moment ago, and will be again

    def wait(self, seconds: float | None) -> News:
        longest = self._every if self._folders else None
        waits = min((span for span in (seconds, longest) if span is not None), default=None)
        woken, _, _ = select.select([self._pipe], [], [], waits)
        self._pipe.drain()
        return News(everywhere=not woken)

    def wake(self) -> None:
        self._pipe.wake()

    def close(self) -> None:
        self._pipe.close()


class Inotify:
    """The kernel tells. Remote folders, and those for which the kernel has no watch left, are looked at."""

    def __init__(self, rescan: float = RESCAN) -> None:
        from openbell.sensors.inotify import Kernel

        self._kernel = Kernel()
        self._pipe = Pipe()
        self._rescan = rescan
        self._folders: frozenset[str] = frozenset()
        self._blind: frozenset[str] = frozenset()

    def attend(self, folders: frozenset[str]) -> bool:
        gone = self._folders - folders
        for folder in gone:
            self._kernel.leave(folder)
        new = folders - self._folders
        refused = {folder for folder in new if not self._kernel.watch(folder)}
        self._folders = folders
        if gone or new:
            self._blind = frozenset((self._blind & folders) | refused | set(filter(is_remote, new)))
        return bool(new)

    def wait(self, seconds: float | None) -> News:
        longest = self._rescan if self._blind else None
        waits = min((span for span in (seconds, longest) if span is not None), default=None)
        ready, _, _ = select.select([self._kernel.fileno(), self._pipe.fileno()], [], [], waits)
        self._pipe.drain()
        news = News(folders=set() if ready else set(self._blind))
        for event in self._kernel.read():
            news.everywhere |= event.overflow
            news.folders.add(event.folder)
            if event.moved_in:
                news.renamed.add(f"{event.folder.rstrip('/')}/{event.name}")
            if event.gone:  # it may come back as another one: attend to it anew
                self._folders -= {event.folder}
        return news

    def wake(self) -> None:
        self._pipe.wake()

    def close(self) -> None:
        self._kernel.close()
        self._pipe.close()


class Watchfiles:
    """watchfiles tells, in a thread of its own; for systems without inotify.

    It looks into its own mailbox `1 / step` times a second even when nothing happens, which is why
    Linux does without it.
    """

    def __init__(self, step: int = 200) -> None:
        import watchfiles  # noqa: F401  # is it there?

        self._step = step
        self._pipe = Pipe()
        self._folders: frozenset[str] = frozenset()
        self._news: set[str] = set()
        self._lock = threading.Lock()
        self._end: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def attend(self, folders: frozenset[str]) -> bool:
        new = folders - self._folders
        if folders == self._folders:
            return False
        self._stop()
        self._folders = folders
        if folders:
            self._end = threading.Event()
            ready = threading.Event()
            arguments = (sorted(folders), self._end, ready)
            self._thread = threading.Thread(target=self._listen, args=arguments, daemon=True)
            self._thread.start()
            ready.wait(5)
        return bool(new)

    def _listen(self, folders: list[str], end: threading.Event, ready: threading.Event) -> None:
        from watchfiles import watch

        try:
            options: dict[str, Any] = {"step": self._step, "recursive": False, "raise_interrupt": False}
            listening = watch(*folders, stop_event=end, watch_filter=None, debounce=self._step, **options)
            ready.set()
            for changes in listening:
                self._hear(path for _, path in changes)
        except (OSError, RuntimeError):  # a folder has gone: the next look finds out what is there
            self._hear(f"{folder}/" for folder in folders)
        finally:
            ready.set()

    def _hear(self, paths: Iterable[str]) -> None:
        with self._lock:
            self._news |= {path.rpartition("/")[0] or "/" for path in paths}
        self._pipe.wake()

    def wait(self, seconds: float | None) -> News:
        select.select([self._pipe], [], [], min(seconds, RESCAN) if seconds is not None else RESCAN)
        self._pipe.drain()
        with self._lock:
            news, self._news = self._news, set()
        return News(folders=news, everywhere=not news)

    def wake(self) -> None:
        self._pipe.wake()

    def close(self) -> None:
        self._stop()
        self._pipe.close()

    def _stop(self) -> None:
        if self._end is not None and self._thread is not None:
            self._end.set()
            self._thread.join(5)
        self._end = self._thread = None


def best() -> Notices:
    """The best that this system has."""
    for kind in (Inotify, Watchfiles) if _LINUX else (Watchfiles,):
        try:
            return kind()
        except (OSError, ImportError, AttributeError):
            continue
    return Rescans()
