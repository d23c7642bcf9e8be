"""Between the core and the sensor: what is looked for, and which of what is seen has been consumed before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from openbell.core.decide import lookouts
from openbell.core.events import Fact
from openbell.core.inputs import Arrived, Clear, Cleared, FilesSeen, InputFile, Lookout, WaitingFor
from openbell.core.intake import inputs
from openbell.core.state import State
from openbell.sensors.protocol import Sensor
from openbell.store.protocol import Store


class Intakes:
    """Keeps the sensor looking for what the core waits for. Without a sensor, nothing ever arrives."""

    def __init__(self, sensor: Sensor | None, store: Store) -> None:
        self._sensor = sensor
        self._store = store
        self._wanted: dict[WaitingFor, Lookout] = {}
        self._report: Callable[[Fact], None] = lambda _: None

    def open(self, report: Callable[[Fact], None]) -> None:
        """Begin to report, for an engine that has just taken the lead."""
        self._report = report
        if self._sensor is not None:
            self._sensor.open(report)

    def sift(self, fact: Fact, state: State) -> Fact:
        """A fact without the files that have been consumed before."""
        if isinstance(fact, Arrived):
            known = self._store.consumed(fact.pipeline, fact.trigger, [file.key for file in fact.files])
            return replace(fact, files=tuple(file for file in fact.files if file.key not in known))
        record = state.runs.get(fact.run) if isinstance(fact, FilesSeen) else None
        if not isinstance(fact, FilesSeen) or record is None or not fact.files:
            return fact
        keys = [file.key for file in fact.files]
        consumed = self._store.consumed(record.run.pipeline.name, fact.step, keys)
        left = tuple(file for file in fact.files if file.key not in consumed)
        count = len(inputs(fact.files)) - len(inputs(left))
        return replace(fact, files=left, consumed=count)

    def attend(self, state: State, now: datetime) -> None:
        """Have the sensor look for what is waited for now, and for nothing else."""
        if self._sensor is None or not (self._wanted or state.takes_files):
            return
        wanted = lookouts(state, now)
        if wanted == self._wanted:
            return
        self._wanted = wanted

        def known(gate: WaitingFor) -> Iterable[InputFile]:
            run, step = gate
            return self._store.consumed_files(state.runs[run].run.pipeline.name, step)

        self._sensor.attend(wanted, known)

    def clear(self, order: Clear, now: datetime) -> None:
        """Have a consumed file put away."""
        if self._sensor is not None:
            self._sensor.clear(order)
            return
        why = "this engine cannot put files away"
        self._report(Cleared(now, order.run, order.step, order.file.path, order.file.key, error=why))
