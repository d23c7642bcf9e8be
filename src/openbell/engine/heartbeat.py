"""A sign of life of each running task, once a minute unless the project says else, in the event files.

It stands in no journal: it tells nothing that anybody could decide by. The timer runs only while something
runs, so an engine that waits is not woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from openbell.clock import Clock
from openbell.core.events import Event, Exited, Lost, Refused, Reported
from openbell.core.model import AttemptKey
from openbell.core.render import task_label
from openbell.core.state import State
from openbell.core.telling import Teller, Told
from openbell.engine.eventlog import EventLog
from openbell.executors.process.vitals import Vitals

EVERY = timedelta(seconds=60)
"""From one sign of life of a task to the next."""

Look = Callable[[AttemptKey], Vitals]


class Heartbeat:
    """An observer of the engine that writes signs of life. `look`: how an attempt is doing."""

    def __init__(self, log: EventLog, clock: Clock, look: Look, *, every: timedelta = EVERY) -> None:
        self._log = log
        self._clock = clock
        self._look = look
        self._every = every.total_seconds()
        self._state: State | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self._progress: dict[AttemptKey, Mapping[str, Any]] = {}

    def see(self, events: Sequence[Event], state: State) -> None:
        self._state = state
        for event in events:
            match event:
                case Reported(topic="progress", data=data):
                    self._progress[AttemptKey(*event.task, event.attempt)] = data
                case Exited() | Lost() | Refused():
                    self._progress.pop(AttemptKey(*event.task, event.attempt), None)
        if self._timer is None and any(record.live for record in state.runs.values()):
            self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    def _beat(self) -> None:
        self._timer = None
        if self._state is not None and any(record.live for record in self._state.runs.values()):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every, self._beat)
            if self._beating is None or self._beating.done():
                self._beating = loop.create_task(self._write(self._state))

    async def _write(self, state: State) -> None:
        """Look at what runs on another thread: it takes a while, and the engine has other things to do."""
        running = dict(self._running(state))
        seen = await asyncio.to_thread(lambda: {key: self._look(key) for key in running})
        lines = [self._line(key, since, seen[key], state) for key, since in running.items()]
        self._log.add(line for line in lines if line is not None)

    def _running(self, state: State) -> Iterator[tuple[AttemptKey, datetime]]:
        """What has run for long enough to be told of, with the time since when."""
        before = self._clock.now() - timedelta(seconds=self._every / 2)
        for record in state.runs.values():
            for name, group in record.groups.items():
                for cell, live in group.live.items():
                    if live.started is not None and live.started <= before:
                        yield AttemptKey(record.id, name, cell, live.attempt), live.started

    def _line(
        self, key: AttemptKey, since: datetime, vitals: Vitals, state: State
    ) -> tuple[Teller, dict[str, Any]] | None:
        live = state.live(key.task, key.attempt)
        teller = self._log.teller(key.run, state) if live is not None else None
        if teller is None:  # it has ended meanwhile
            return None
        now = self._clock.now()
        elapsed = max(0.0, (now - since).total_seconds())
        name = task_label(teller.run.pipeline, key.task)
        data = {
            "heartbeat": True,
            "elapsed_seconds": round(elapsed, 3),
            "elapsed_minutes": int(elapsed // 60),
            "output_bytes": vitals.output,
            "rss": vitals.memory,
            "last_output": vitals.said,
            "progress": self._progress.get(key),
        }
        message = f"Running: {name} ({int(elapsed // 60)} min elapsed)"
        told = Told(key.step, "metric", message, data, key.task, key.attempt)
        return teller, teller.about(self._log.position, now, told)
