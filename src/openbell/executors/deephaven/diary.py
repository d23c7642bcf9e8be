"""The log of an attempt whose script prints elsewhere: what its query went through, and why it failed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openbell.clock import Clock
from openbell.core.model import AttemptKey
from openbell.executors.process.files import AttemptFiles


@dataclass(frozen=True, slots=True)
class Diary:
    """Writes where `openbell logs` reads. `root`: the folder of all attempts' files."""

    root: Path
    clock: Clock

    def note(self, key: AttemptKey, text: str) -> None:
        """A line, with the time before it."""
        files = AttemptFiles(self.root, key)
        try:
            files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with files.log.open("a", encoding="utf-8") as log:
                log.write(f"{self.clock.now():%Y-%m-%d %H:%M:%SZ} {text}\n")
        except OSError:
            return  # without a log, it still runs

    def size(self, key: AttemptKey) -> int:
        """Bytes of what has been written about the attempt."""
        return AttemptFiles(self.root, key).log_size

    def tidy(self, key: AttemptKey) -> None:
        """Its end is recorded: nothing but the log stays."""
        AttemptFiles(self.root, key).tidy()
