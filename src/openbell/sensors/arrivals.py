"""Which of the files that match have settled, judged from one look after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from openbell.core.inputs import InputFile, Lookout, Told
from openbell.sensors.contents import Interrupted, Keys, signal, signal_key
from openbell.sensors.scan import scan

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """What is there. `files` have settled, oldest first; `unsettled` may still be written."""

    files: tuple[InputFile, ...] = ()
    unsettled: int = 0
    told: Told | None = None


@dataclass(slots=True)
class _Seen:
    stamp: tuple[int, int, int]
    due: float
    """When it will have settled (monotonic)."""


class Arrivals:
    """The files of one lookout. Looked at again when there is news of a folder, and at `due`."""

    def __init__(self, lookout: Lookout, known: Iterable[InputFile] = ()) -> None:
        self.lookout = lookout
        self.folders: frozenset[str] = frozenset()
        self.due: float | None = None
        """When the next file will have settled (monotonic), if nothing happens to it."""
        self._keys = Keys(known)
        self._seen: dict[str, _Seen] = {}

    def look(
        self,
        now: float,
        wall: float,
        renamed: Collection[str] = (),
        go_on: Callable[[], bool] = lambda: True,
    ) -> Look:
        """Look at the folders. `now` is monotonic, `wall` the time of day; both in seconds.

        `renamed`: files that have just been moved to their names, whole. Raises `Interrupted`.
        """
        found = scan(self.lookout.globs)
        release, told, signals = self._signals(found.folders)
        self._note(found.files, now, wall, renamed, release)
        self.folders = frozenset(found.folders)
        if self.lookout.signal is not None and release is None:
            self.due = None  # the next signal is news
            return Look((), len(found.files), told)
        ready = [path for path, seen in self._seen.items() if seen.due <= now]
        files = [file for path in ready if (file := self._read(path, found.files[path], now, go_on))]
        waiting = [seen.due for seen in self._seen.values() if seen.due > now]
        self.due = min(waiting, default=None)
        files.sort(key=lambda file: (file.mtime_ns, file.path))
        return Look((*files, *signals) if files else (), len(waiting), told)

    def _note(
        self,
        files: dict[str, os.stat_result],
        now: float,
        wall: float,
        renamed: Collection[str],
        release: int | None,
    ) -> None:
        """When each file will have settled. What it was before it stood still does not matter."""
        settle = self.lookout.settle.total_seconds()
        for path in self._seen.keys() - files.keys():
            del self._seen[path]
            self._keys.forget(path)
        for path, status in files.items():
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._seen.get(path)
            if path in renamed or (release is not None and status.st_mtime_ns <= release):
                self._seen[path] = _Seen(stamp, now)
            elif known is None:  # any write has set its ctime, which cannot be set back
                age = wall - max(status.st_mtime_ns, status.st_ctime_ns) / _SECOND
                self._seen[path] = _Seen(stamp, now + settle - min(max(age, 0.0), settle))
            elif known.stamp != stamp:
                self._seen[path] = _Seen(stamp, now + settle)

    def _read(
        self, path: str, status: os.stat_result, now: float, go_on: Callable[[], bool]
    ) -> InputFile | None:
        """The settled file with its key; None when it has changed under the reading."""
        size, mtime_ns = status.st_size, status.st_mtime_ns
        try:
            key = self._keys.of(path, size, mtime_ns, go_on)
            after = os.stat(path)  # noqa: PTH116
        except OSError:
            self._again(path, now)
            return None
        if (after.st_ino, after.st_size, after.st_mtime_ns) != self._seen[path].stamp:
            self._again(path, now)
            return None
        return InputFile(path, size, mtime_ns, key)

    def _again(self, path: str, now: float) -> None:
        self._keys.forget(path)
        self._seen[path].due = now + max(1.0, self.lookout.settle.total_seconds())

    def _signals(self, folders: set[str]) -> tuple[int | None, Told | None, tuple[InputFile, ...]]:
        """Up to which time files are complete, what their writer told last, and the file that tells it."""
        if self.lookout.signal is None:
            return None, None, ()
        wanted = self.lookout.signal
        newest: tuple[int, int, str, str] | None = None
        began: int | None = None
        for rank, (phase, glob) in enumerate(
            (("start", wanted.start), ("progress", wanted.progress), ("complete", wanted.complete))
        ):
            there = scan((glob,))
            folders |= there.folders
            for path, status in there.files.items():
                candidate = (status.st_mtime_ns, rank, phase, path)
                counts = newest is None or candidate > newest or phase == "start"
                if not counts or signal(path) is None:
                    continue
                if phase == "start":
                    began = max(began or 0, status.st_mtime_ns)
                newest = max(newest, candidate) if newest is not None else candidate
        if newest is None or (read := signal(newest[3])) is None:
            return None, None, ()
        mtime_ns, _, phase, path = newest
        content, text = read
        since = datetime.fromtimestamp(began / _SECOND, UTC) if began is not None else None
        told = Told(phase, datetime.fromtimestamp(mtime_ns / _SECOND, UTC), text, since)
        if phase != "complete":
            return None, told, ()
        key = signal_key(path, mtime_ns, content)
        return mtime_ns, told, (InputFile(path, len(content), mtime_ns, key, "signal"),)


__all__ = ["Arrivals", "Interrupted", "Look"]
