"""A watcher over a real folder, with what it has told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.clock import SystemClock
from openbell.core.inputs import InputFile, Lookout, Signal
from openbell.sensors.arrivals import Look
from openbell.sensors.notices import Inotify, Notices, Rescans, Watchfiles
from openbell.sensors.watcher import Watcher

BACKENDS: dict[str, Callable[[], Notices]] = {
    "inotify": Inotify,
    "watchfiles": lambda: Watchfiles(step=50),
    "rescans": lambda: Rescans(every=0.1),
}


class Post:
    """Somebody who looks for files in `folder`, and everything that was told."""

    def __init__(self, folder: Path, notices: Callable[[], Notices]) -> None:
        self.folder = folder
        self.looks: list[Look] = []
        self.watcher = Watcher(SystemClock(), notices)

    def look_for(
        self,
        *globs: str,
        settle: float = 0.3,
        signal: Signal | None = None,
        known: tuple[InputFile, ...] = (),
    ) -> None:
        patterns = tuple(f"{self.folder}/{glob}" for glob in globs)
        lookout = Lookout(patterns, timedelta(seconds=settle), signal)
        self.watcher.look_for("x", lookout, self.looks.append, known)
        self.until(lambda: bool(self.looks))

    def write(self, name: str, text: str = "x") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def names(self) -> list[str]:
        """The settled files, by their names."""
        return [str(Path(file.path).relative_to(self.folder)) for file in self.last.files]

    @property
    def last(self) -> Look:
        return self.looks[-1]

    def until(self, holds: Callable[[], bool], seconds: float = 10) -> float:
        """How long it took to come about."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, f"it does not come about: {self.looks[-3:]}"
            time.sleep(0.005)
        return time.monotonic() - began


@pytest.fixture(params=BACKENDS)
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Post]:
    if request.param == "watchfiles":
        pytest.importorskip("watchfiles")
    made = Post(tmp_path, BACKENDS[request.param])
    yield made
    made.watcher.close()


@pytest.fixture
def keen(tmp_path: Path) -> Iterator[Post]:
    """With inotify, for what only the kernel can tell."""
    made = Post(tmp_path, Inotify)
    yield made
    made.watcher.close()
