"""The words for what becomes of those who need a failed step, and for what earlier runs have left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LAST_SUCCESS = "last_success"
"""The word for the results of a step's last success in an earlier run."""


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What those who need a step can expect when it has failed for good."""

    last_success: bool = False
    """They go on with the results of its last success in an earlier run, where there is one."""
    stand_in: str = ""
    """The step that runs in its place then; empty: none."""
    goes_on: bool = False
    """They go on without it."""

    @property
    def fallback(self) -> str:
        """The fallback as it is written; empty for none."""
        return LAST_SUCCESS if self.last_success else self.stand_in


HOLDS_UP = OnFailure()
"""They wait in vain, and are skipped."""


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs of a pipeline have left for a new one."""

    successes: Mapping[str, str] = field(default_factory=dict)
    """Step -> the run of its last success, for those that fall back on it."""
    took: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Step -> mean seconds of a task of it: of all (under an empty text), and lane by lane."""


# ── events ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FallBack:
    """The step has failed: those who need it go on with its results of `source`, where it last succeeded."""

    at: datetime
    run: str
    step: str
    source: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """What earlier runs have left for this one has been looked up. Once, when it opens."""

    at: datetime
    run: str
    past: Past
