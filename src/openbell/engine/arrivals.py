"""What the daemon itself looks for: its own definitions, and the files that open runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta

from openbell.clock import Clock
from openbell.core.events import Fact
from openbell.core.inputs import Arrived, Lookout, Signal
from openbell.core.state import Schedule
from openbell.core.triggers import FilesTrigger, named
from openbell.sensors.arrivals import Look
from openbell.sensors.watcher import Watcher
from openbell.store.protocol import Store

_SETTLE = timedelta(milliseconds=300)  # an editor may write a file in several goes
_SOURCES = "sources"


class Arrivals:
    """Looks for files on behalf of triggers, and for changes of the definitions. One thread, which sleeps.

    `changed` is called in that thread.
    """

    def __init__(self, clock: Clock, store: Store, report: Callable[[Fact], None]) -> None:
        self._clock = clock
        self._store = store
        self._report = report
        self._watcher = Watcher(clock)
        self._wanted: dict[tuple[str, str], Lookout] = {}
        self._patterns: tuple[str, ...] = ()

    def sources(self, patterns: tuple[str, ...], changed: Callable[[], None]) -> None:
        """Call back when a file of these patterns has changed, and been left alone for a moment."""
        if patterns == self._patterns:
            return
        self._patterns = patterns

        def tell(look: Look) -> None:
            if not look.unsettled:  # the first look counts: a file may have changed since it was read
                changed()

        self._watcher.look_for(_SOURCES, Lookout(patterns, _SETTLE), tell)

    def attend(self, schedules: Mapping[str, Schedule]) -> None:
        """Look for the files that triggers wait for, and for no others."""
        wanted = {
            (name, named(trigger)): _lookout(schedule, trigger)
            for name, schedule in schedules.items()
            for trigger in schedule.pipeline.triggers
            if isinstance(trigger, FilesTrigger)
        }
        for gone in self._wanted.keys() - wanted.keys():
            self._watcher.forget(gone)
        for key, lookout in wanted.items():
            if self._wanted.get(key) != lookout:
                self._watcher.look_for(key, lookout, self._teller(*key), self._store.consumed_files(*key))
        self._wanted = wanted

    def close(self) -> None:
        """End the thread."""
        self._watcher.close()

    def _teller(self, pipeline: str, trigger: str) -> Callable[[Look], None]:
        def tell(look: Look) -> None:
            self._report(Arrived(self._clock.now(), pipeline, trigger, look.files, look.told))

        return tell


def _lookout(schedule: Schedule, trigger: FilesTrigger) -> Lookout:
    def placed(pattern: str) -> str:
        return os.path.join(schedule.pipeline.folder, pattern) if pattern else ""  # noqa: PTH118

    signal = trigger.signal
    if signal is not None:
        signal = Signal(placed(signal.complete), placed(signal.start), placed(signal.progress))
    return Lookout(tuple(map(placed, trigger.patterns)), trigger.settle, signal)
