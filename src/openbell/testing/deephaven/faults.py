"""Faults on demand: what goes wrong, in which call, how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong with a call, or with a query."""

    LOST_REPLY = "lost-reply"
    """The call is carried out, and its answer does not arrive (UNAVAILABLE)."""
    REFUSED = "refused"
    """The call is not carried out (UNAVAILABLE)."""
    ERROR = "error"
    """The call is answered with an error, `text`."""
    SLOW = "slow"
    """The call is answered after `seconds`."""
    CAPACITY = "capacity"
    """A query that is started fails for want of a server. It stands under the name `worker`."""
    NO_WORKER = "no-worker"
    """A query that is started fails for another reason, `text`. It stands under the name `worker`."""


WORKER = "worker"
"""Instead of a call: the next queries that are started."""


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `count` calls of this name; after the first `skip` of them."""

    call: str
    kind: Kind
    count: int = 1
    skip: int = 0
    text: str = "something is wrong"
    seconds: float = 1.0


class Faults:
    """The faults that are to come. Safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Have this go wrong, after what is there already."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Nothing more goes wrong."""
        with self._lock:
            self._faults.clear()

    def take(self, call: str) -> Fault | None:
        """What goes wrong with this call; it counts as one of its kind."""
        with self._lock:
            for fault in self._faults:
                if fault.call != call:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
                return fault
            return None
