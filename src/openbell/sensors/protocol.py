"""The protocol of what watches files for the engine. It reports facts and never decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from openbell.core.inputs import Clear, Cleared, FilesSeen, InputFile, Lookout, WaitingFor

Report = Callable[[FilesSeen | Cleared], None]


class Sensor(Protocol):
    """Watches for files, and puts consumed ones away."""

    def open(self, report: Report) -> None:
        """Begin to report, from any thread."""
        ...

    def attend(
        self, wanted: Mapping[WaitingFor, Lookout], known: Callable[[WaitingFor], Iterable[InputFile]]
    ) -> None:
        """Look for these and nothing else; report each that is new here, found or not, and every change.

        `known`: files that the step has consumed, whose contents need not be read again.
        """
        ...

    def clear(self, order: Clear) -> None:
        """Put a consumed file away; report how that came out. The same order again does no harm."""
        ...

    def close(self) -> None:
        """Stop looking and reporting."""
        ...
