"""How steps wait for each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NeedMode(StrEnum):
    """How much of a needed step has to be there."""

    ALL = "all"
    """Every cell succeeded."""
    SOME = "some"
    """Every cell is final and at least one succeeded."""
    DONE = "done"
    """Every cell is final, whatever the outcome."""
    SAME = "same"
    """Cell by cell: the one with the same coordinates succeeded."""
    STARTED = "started"
    """Every cell runs, or has succeeded."""


@dataclass(frozen=True, slots=True)
class Need:
    step: str
    mode: NeedMode = NeedMode.ALL
