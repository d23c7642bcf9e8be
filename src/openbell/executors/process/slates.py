"""What hosts that are gone, or are not ours, have left about their attempts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from openbell.executors.process.slate import Reading


class Fate(Enum):
    """What has become of an attempt."""

    OVER = "over"
    """Its exit record is there."""
    ALIVE = "alive"
    """A host that is not ours carries it out."""
    DEAD = "dead"
    """Its host has died with it."""
    NEVER = "never"
    """No host has it, and none will."""
    UNCLEAR = "unclear"
    """A host that is not ours may be about to take it; it will leave soon if it does not."""


@dataclass(frozen=True, slots=True)
class Found:
    """The fate, with the claim and the exit record as far as there are any."""

    fate: Fate
    claim: dict[str, Any] | None = None
    record: dict[str, Any] | None = None


class Slates:
    """The slates in a folder that are not in use by us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: set[Path] = set()
        self._wanted: set[str] = set()
        """Attempts whose end is not recorded yet."""

    def look(self, names: set[str]) -> None:
        """Take up what is there. `names`: attempts whose end is not recorded yet."""
        self._wanted |= names
        if self.folder.is_dir():
            self._paths |= set(self.folder.iterdir())
            self._clear()

    def left(self, path: Path, name: str) -> None:
        """The host of this slate has gone, with this attempt in hand."""
        self._paths.add(path)
        self._wanted.add(name)

    def find(self, name: str) -> Found:
        """What is known about an attempt."""
        readings = [reading for path in self._paths if (reading := _read(path)) is not None]
        for reading in readings:
            if reading.attempt == name:
                if reading.held:
                    return Found(Fate.ALIVE, reading.claim)
                if reading.exit is not None:
                    return Found(Fate.OVER, reading.claim, reading.exit)
                return Found(Fate.DEAD, reading.claim)
        unclear = any(reading.held and reading.idle for reading in readings)
        return Found(Fate.UNCLEAR if unclear else Fate.NEVER)

    def forget(self, name: str) -> None:
        """What was said about this attempt is recorded."""
        if self._paths:
            self._wanted.discard(name)
            self._clear()

    def _clear(self) -> None:
        """Remove slates of the dead that tell nothing new."""
        for path in list(self._paths):
            reading = _read(path)
            if reading is None or (not reading.held and reading.attempt not in self._wanted):
                self._paths.discard(path)
                path.unlink(missing_ok=True)


def _read(path: Path) -> Reading | None:
    try:
        return Reading(str(path))
    except OSError:
        return None
