"""The queries of the controller: what they are, what they go through, who is told."""

from __future__ import annotations

import heapq
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from deephaven_enterprise.proto import controller_pb2, persistent_query_pb2

from openbell.clock import Clock
from openbell.testing.deephaven import statuses
from openbell.testing.deephaven.faults import WORKER, Faults, Kind
from openbell.testing.deephaven.wire import Rejected
from openbell.testing.deephaven.workers import Outcome, Worker, Workers

_FULL = 0.05  # seconds between two looks for a slot
_NO_ROOM = "ResourcesUnavailableException: no dispatcher has the heap that was asked for"

Stream = queue.SimpleQueue[Any]
"""What one subscriber is to be told; None: its stream breaks."""


@dataclass(slots=True)
class Query:
    """One persistent query. `life` counts its starts: what belongs to an earlier one is void."""

    config: Any
    state: Any
    life: int = 0
    worker: Worker | None = None
    holds: bool = False
    """It has a slot of a server."""
    asked_to_stop: bool = False

    @property
    def serial(self) -> int:
        return int(self.config.serial)

    @property
    def info(self) -> Any:
        return persistent_query_pb2.PersistentQueryInfoMessage(config=self.config, state=self.state)


@dataclass(slots=True)
class Queries:
    """All queries. One lock for all of it, and one thread that moves them on: `step` seconds a status."""

    clock: Clock
    workers: Workers
    faults: Faults
    slots: int = 1000
    step: float = 0.0
    unique: bool = True
    """Two queries of one owner cannot have the same name."""
    _queries: dict[int, Query] = field(default_factory=dict)
    _streams: list[Stream] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _waiting: list[tuple[Query, int]] = field(default_factory=list)
    _count: int = 0
    _last: int = 12_344
    _open: bool = True

    def run(self) -> None:
        """Move queries on, until `close`."""
        with self._changed:
            while self._open:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    heapq.heappop(self._due)[2]()
                else:
                    self._changed.wait(self._due[0][0] - now if self._due else None)

    def close(self) -> None:
        """End every worker."""
        with self._changed:
            self._open = False
            for query in self._queries.values():
                if query.worker is not None:
                    query.worker.end()
            self._changed.notify_all()

    # ── what clients ask for ─────────────────────────────────────────────────────────────────

    def add(self, config: Any, user: str) -> int:
        """Take a query in and start it. Raises `Rejected`."""
        with self._changed:
            if config.owner != user:
                raise Rejected("PERMISSION_DENIED", f"{user} cannot add queries of {config.owner}")
            if self.unique and self._named(config.owner, config.name):
                raise Rejected("INVALID_ARGUMENT", f"a query {config.name!r} already exists")
            self._last += 1
            kept = persistent_query_pb2.PersistentQueryConfigMessage()
            kept.CopyFrom(config)
            kept.serial, kept.createdTimeNanos = self._last, self._nanos()
            kept.lastModifiedByAuthenticated = kept.lastModifiedByEffective = user
            state = persistent_query_pb2.PersistentQueryStateMessage(serial=self._last, version=kept.version)
            query = self._queries[self._last] = Query(kept, state)
            self._put(query, statuses.UNINITIALIZED)
            if kept.enabled and "SchedulingDisabled=true" not in kept.scheduling:
                self._start(query)
            return query.serial

    def modify(self, config: Any, user: str, *, restart: bool) -> None:
        """Replace the configuration of a query. Raises `Rejected`."""
        with self._changed:
            query = self._owned(config.serial, user)
            config.version = query.config.version + 1
            query.config.CopyFrom(config)
            self._tell(query)
            if restart:
                self.restart(query.serial, user)

    def restart(self, serial: int, user: str) -> None:
        """Start a query anew. Raises `Rejected`."""
        with self._changed:
            query = self._owned(serial, user)
            self._let_go(query)
            self._put(query, statuses.UNINITIALIZED)
            self._start(query)

    def stop(self, serial: int, user: str) -> None:
        """Stop a query; one that has ended stays as it is. Raises `Rejected`."""
        with self._changed:
            query = self._owned(serial, user)
            if query.state.status in statuses.FINAL or query.asked_to_stop:
                return
            query.asked_to_stop = True
            self._put(query, statuses.STOPPING)
            if query.worker is not None:
                query.worker.end()
            else:
                self._finish(query, query.life, statuses.STOPPED)

    def remove(self, serial: int, user: str | None = None) -> None:
        """Take a query away, whatever it does. Raises `Rejected`. `user` None: nobody asks who it was."""
        with self._changed:
            query = self._owned(serial, user)
            self._let_go(query)
            del self._queries[serial]
            event = controller_pb2.SubscribeResponse(event=controller_pb2.SE_REMOVE, querySerial=serial)
            for stream in self._streams:
                stream.put(event)

    def get(self, serial: int) -> Query:
        """The query of that serial. Raises `Rejected`."""
        query = self._queries.get(serial)
        if query is None:
            raise Rejected("NOT_FOUND", f"there is no query {serial}")
        return query

    def all(self) -> list[Query]:
        """Every query, oldest first."""
        with self._changed:
            return list(self._queries.values())

    def subscribe(self, wanted: Callable[[Query], bool]) -> Stream:
        """A stream that begins with all that is there now; None breaks it."""
        with self._changed:
            stream: Stream = queue.SimpleQueue()
            for query in filter(wanted, self._queries.values()):
                stream.put(_event(query))
            stream.put(controller_pb2.SubscribeResponse(event=controller_pb2.SE_BATCH_END))
            self._streams.append(stream)
            return stream

    def unsubscribe(self, stream: Stream) -> None:
        with self._changed:
            if stream in self._streams:
                self._streams.remove(stream)

    def drop_streams(self) -> None:
        """Break every subscription."""
        with self._changed:
            for stream in self._streams:
                stream.put(None)
            self._streams.clear()

    def break_worker(self, serial: int) -> None:
        """The controller loses the worker of a query. Raises `Rejected`."""
        with self._changed:
            query = self.get(serial)
            self._finish(query, query.life, statuses.DISCONNECTED, "the worker is disconnected")

    def _owned(self, serial: int, user: str | None) -> Query:
        query = self.get(serial)
        if user is not None and query.config.owner != user:
            raise Rejected("PERMISSION_DENIED", f"query {serial} belongs to {query.config.owner}")
        return query

    def _named(self, owner: str, name: str) -> bool:
        return any(one.config.owner == owner and one.config.name == name for one in self._queries.values())

    # ── what queries go through ──────────────────────────────────────────────────────────────

    def _start(self, query: Query) -> None:
        query.asked_to_stop = False
        query.state.ClearField("exceptionDetails")
        self._later(self._step_through(query, query.life))

    def _step_through(self, query: Query, life: int) -> Callable[[], None]:
        steps = iter(statuses.BEFORE[1:])

        def on() -> None:
            if query.life != life or query.asked_to_stop:
                return
            if query.state.status == statuses.WAITS_FOR_A_SLOT and not self._placed(query, life):
                if query.life == life:
                    self._later(on, seconds=_FULL)
                return
            status = next(steps)
            self._put(query, status)
            if status == statuses.INITIALIZING:
                self._launch(query, life)
            else:
                self._later(on)

        return on

    def _placed(self, query: Query, life: int) -> bool:
        """Find a slot of a server for it. False: there is none, or it has failed."""
        fault = self.faults.take(WORKER)
        if fault is not None:
            text = _NO_ROOM if fault.kind is Kind.CAPACITY else fault.text
            self._finish(query, life, statuses.ERROR, text)
            return False
        query.holds = sum(one.holds for one in self._queries.values()) < self.slots
        return query.holds

    def _launch(self, query: Query, life: int) -> None:
        query.state.initializationStartNanos = self._nanos()
        batch = query.config.configurationType == statuses.BATCH
        if batch:
            query.state.initializationCompleteNanos = self._nanos()
            self._put(query, statuses.EXECUTING)
            limit = query.config.timeoutNanos / 1e9
            if limit:
                told = f"the query has run for longer than {limit:g} s"
                self._later(lambda: self._finish(query, life, statuses.FAILED, told), seconds=limit)
        worker = self.workers.start(
            query.serial, query.config, lambda outcome: self._worked(query, life, outcome)
        )
        if query.life == life:  # one without work has ended by now
            query.worker = worker

    def _worked(self, query: Query, life: int, outcome: Outcome) -> None:
        """Its worker has ended."""
        with self._changed:
            if query.life != life or query.state.status in statuses.FINAL:
                return
            if query.asked_to_stop:
                self._finish(query, life, statuses.STOPPED)
            elif outcome.code:
                self._finish(query, life, statuses.FAILED, outcome.output or f"exit code {outcome.code}")
            elif query.config.configurationType == statuses.BATCH:
                self._finish(query, life, statuses.COMPLETED)
            else:
                query.state.initializationCompleteNanos = self._nanos()
                self._put(query, statuses.RUNNING)
                self._later(lambda: self._finish(query, life, statuses.STOPPED))

    def _finish(self, query: Query, life: int, status: int, error: str = "") -> None:
        if query.life != life or query.state.status in statuses.FINAL:
            return
        if error:
            lines = error.strip().splitlines() or [""]
            details = query.state.exceptionDetails
            details.errorMessage, details.stackTrace, details.shortCauses = lines[-1], error, lines[-1]
            query.state.numFailures += 1
        self._let_go(query)
        self._put(query, status)

    def _let_go(self, query: Query) -> None:
        """It has no worker and no slot any more."""
        query.life += 1
        query.holds = False
        if (worker := query.worker) is not None:
            query.worker = None
            worker.end()

    def _put(self, query: Query, status: int) -> None:
        query.state.status = status
        query.state.lastUpdateNanos = self._nanos()
        self._tell(query)

    def _tell(self, query: Query) -> None:
        event = _event(query)
        for stream in self._streams:
            stream.put(event)

    def _later(self, act: Callable[[], None], seconds: float | None = None) -> None:
        self._count += 1
        at = time.monotonic() + (self.step if seconds is None else seconds)
        heapq.heappush(self._due, (at, self._count, act))
        self._changed.notify_all()

    def _nanos(self) -> int:
        return int(self.clock.now().timestamp() * 1e9)


def _event(query: Query) -> Any:
    return controller_pb2.SubscribeResponse(event=controller_pb2.SE_PUT, queryInfo=query.info)


def told(stream: Stream) -> Iterator[Any]:
    """What a subscriber is told, until its stream breaks. Raises `Rejected` then."""
    while (event := stream.get()) is not None:
        yield event
    raise Rejected("UNAVAILABLE", "the stream is dropped")
