"""What the executor remembers of an attempt that it follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openbell.core.model import AttemptKey, Step
from openbell.core.states import StopReason
from openbell.executors.process.files import AttemptFiles


@dataclass(slots=True)
class Attempt:
    """An attempt from its start, or its adoption, to its end."""

    key: AttemptKey
    files: AttemptFiles
    step: Step
    shim: int | None = None
    watch: int | None = None
    told: bool = False
    """Its start has been reported."""
    heard: int = 0
    reports: int = 0
    stop: tuple[StopReason, float] | None = None

    @classmethod
    def of(cls, root: Path, key: AttemptKey, step: Step) -> Attempt:
        """`root`: the folder of all attempts' files."""
        return cls(key, AttemptFiles(root, key), step)

    @property
    def hosted(self) -> bool:
        """It is in the hands of a host, not of a shim of its own."""
        return self.step.hosted
