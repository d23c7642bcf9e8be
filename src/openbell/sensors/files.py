"""The engine's sensor: lookouts become facts, orders to put files away are carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from openbell.clock import Clock
from openbell.core.inputs import Clear, Cleared, FilesSeen, InputFile, Lookout, WaitingFor
from openbell.sensors.arrivals import Look
from openbell.sensors.clearing import put_away
from openbell.sensors.notices import Notices, best
from openbell.sensors.protocol import Report
from openbell.sensors.watcher import Watcher


class FileSensor:
    """Watches the file systems of this machine. Costs nothing until something is to be looked for."""

    def __init__(self, clock: Clock, notices: Callable[[], Notices] = best) -> None:
        self._clock = clock
        self._watcher = Watcher(clock, notices)
        self._wanted: dict[WaitingFor, Lookout] = {}
        self._report: Report | None = None

    def open(self, report: Report) -> None:
        self._report = report

    def attend(
        self, wanted: Mapping[WaitingFor, Lookout], known: Callable[[WaitingFor], Iterable[InputFile]]
    ) -> None:
        for gone in self._wanted.keys() - wanted.keys():
            self._watcher.forget(gone)
        for gate, lookout in wanted.items():
            if self._wanted.get(gate) != lookout:
                self._watcher.look_for(gate, lookout, self._teller(gate), known(gate))
        self._wanted = dict(wanted)

    def clear(self, order: Clear) -> None:
        self._watcher.do(lambda: self._tell(self._cleared(order)))

    def close(self) -> None:
        self._report = None
        self._watcher.close()

    def _teller(self, gate: WaitingFor) -> Callable[[Look], None]:
        run, step = gate

        def tell(look: Look) -> None:
            self._tell(FilesSeen(self._clock.now(), run, step, look.files, look.unsettled, look.told))

        return tell

    def _cleared(self, order: Clear) -> Cleared:
        file = order.file
        try:
            note = put_away(file, order.consume, order.folder)
            return Cleared(self._clock.now(), order.run, order.step, file.path, file.key, note)
        except OSError as error:
            why = f"{error.strerror or error}: {error.filename or file.path}"
            return Cleared(self._clock.now(), order.run, order.step, file.path, file.key, error=why)

    def _tell(self, fact: FilesSeen | Cleared) -> None:
        if (report := self._report) is not None:
            report(fact)
