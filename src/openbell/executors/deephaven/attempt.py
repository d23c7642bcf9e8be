"""What is known of an attempt while it lives."""

from __future__ import annotations

from dataclasses import dataclass, field

from openbell.core.matrix import Scalar
from openbell.core.model import AttemptKey, Step
from openbell.core.states import StopReason
from openbell.executors.deephaven.link import Link, Mark, Query
from openbell.executors.protocol import Brief


@dataclass(slots=True)
class Attempt:
    """One query, from the intent to add it to its end. Times are those of the event loop, in seconds."""

    key: AttemptKey
    step: Step
    name: str
    uid: str
    settings: dict[str, Scalar]
    link: Link
    since: float
    brief: Brief | None = None
    """None: a former engine has started it, and it is only to be found again."""
    handle: str = ""
    serial: int | None = None
    seen: bool = False
    """Its query has been in the table."""
    flying: bool = False
    """An answer to `add` is awaited."""
    sent: int = 0
    """How often it has been asked for."""
    wait_until: float = 0.0
    """Until then nothing is concluded from its not being there, and it is not asked for again."""
    gone_since: float | None = None
    status: str = ""
    told: bool = False
    """Its start has been reported."""
    began: float = 0.0
    unreachable: bool = False
    full: int = 0
    """How often there was no capacity."""
    placed: float = 0.0
    """When a server had been found for it."""
    stop: StopReason | None = None
    stop_again: float = 0.0
    dead: set[int] = field(default_factory=set)
    """Queries of it that do not count any more."""
    taken: set[str] = field(default_factory=set)
    """Names that the controller says are taken."""

    @property
    def mark(self) -> Mark:
        return (self.uid, str(self.key))

    @property
    def other_name(self) -> str:
        """What its query is called when somebody else's has its name."""
        return f"{self.name}_{self.uid[:8]}"

    def found(self) -> Query | None:
        """Its query, the oldest that bears its mark and one of its names: copies bear other names."""
        for query in self.link.table.marked(self.mark):
            if query.serial not in self.dead and self.is_named(query.name):
                return query
        return None

    def is_named(self, name: str) -> bool:
        return name == self.name or name.startswith(self.other_name)

    def free_name(self) -> str:
        """The name of the file, or with what tells its run from all others, and a number if need be."""
        names = self.link.table.names
        number, name = 1, self.name
        while names[name] or name in self.taken:
            name = self.other_name if number == 1 else f"{self.other_name}_{number}"
            number += 1
        return name
