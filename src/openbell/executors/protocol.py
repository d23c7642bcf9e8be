"""The protocol of every executor. One contract suite runs against all of them.

An executor reports facts and never decides. It may report late, twice or out of order: the core
sorts that out. It must never report an attempt as over while it may still run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from openbell.core.events import Fact
from openbell.core.matrix import Scalar
from openbell.core.model import AttemptKey, Step
from openbell.core.state import Capacity
from openbell.core.states import StopReason

Report = Callable[[Fact], None]


@dataclass(frozen=True, slots=True)
class Brief:
    """What an executor is told about one attempt: everything is filled in."""

    key: AttemptKey
    name: str
    """The name that a remote query bears."""
    step: Step
    argv: tuple[str, ...]
    """Program and arguments; for a worker script, the script and its arguments."""
    env: Mapping[str, str]
    cwd: str
    python: str | None = None
    outputs: tuple[str, ...] = ()
    """Files that have to be there when it has ended well; relative to `cwd`."""
    verify: tuple[str, ...] = ()
    """The check that has to pass then: a program with its arguments, or a callable alone; empty for none."""
    settings: Mapping[str, Scalar] = field(default_factory=dict, repr=False)
    """What its pipeline says about this executor, secrets among it."""
    uid: str = ""
    """The uid of its run: no other run has it, in whatever project."""
    cache: Mapping[str, Any] | None = None
    """What the key of its kept result is made of; None: it is not kept."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An attempt that a former engine started. `stop`: it had been told to stop."""

    key: AttemptKey
    step: Step
    handle: str = ""
    stop: StopReason | None = None
    name: str = ""
    """The name that its remote query bears."""
    settings: Mapping[str, Scalar] = field(default_factory=dict, repr=False)
    uid: str = ""
    heard: int = 0
    """How far its worker's reports are recorded."""


class Executor(Protocol):
    """Where attempts run."""

    @property
    def capacity(self) -> Capacity: ...

    def open(self, report: Report) -> None:
        """Begin to report. Called once, on the engine's thread, with its event loop running."""
        ...

    def start(self, brief: Brief) -> None:
        """Start the attempt, at most once, whatever happens. Returns at once; reports what becomes of it."""
        ...

    def stop(self, key: AttemptKey, reason: StopReason, grace: timedelta) -> None:
        """End the attempt: ask, and after `grace` insist. Its end is reported as any other."""
        ...

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        """Find these attempts again; report the end of each, now or when it comes, or that it never began."""
        ...

    def settle(self, key: AttemptKey) -> None:
        """The end of this attempt is recorded: what was kept for a recovery may go."""
        ...

    def close(self) -> None:
        """Stop reporting. Attempts that run, run on."""
        ...
