"""The engine as a daemon: it leads until it is told to leave, and opens runs by itself.

To leave is not to stop: attempts run on under their supervisors, and the next engine adopts them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

from openbell.channels.protocol import Channel
from openbell.clock import Clock
from openbell.core.events import Event
from openbell.core.evolve import ORPHANED
from openbell.core.requests import CancelTasks, PauseRun, Request, ResumeRun
from openbell.core.state import State
from openbell.doorbell import Doorbell
from openbell.engine.arrivals import Arrivals
from openbell.engine.billposter import Billposter
from openbell.engine.channelling import channels
from openbell.engine.engine import Engine
from openbell.engine.heartbeat import EVERY
from openbell.engine.leader import Holder, Lead, Role, asker_lives, holder
from openbell.engine.planning import Planning, Reloaded
from openbell.engine.recorders import Recorders
from openbell.engine.retaining import Retaining
from openbell.engine.space import FLOOR, SpaceWatch
from openbell.engine.workspace import Workspace
from openbell.errors import AlreadyRunning, ProjectError
from openbell.executors.protocol import Executor
from openbell.sensors.protocol import Sensor
from openbell.store.protocol import Store

_WAIT = 0.2  # seconds between two tries to take the lead from a `run`
DRAINING = "its daemon drains"
"""The reason of the brake on runs that a daemon left to be gone on with."""


class Leave(StrEnum):
    """How the daemon is to leave."""

    LET = "let"
    """What runs, runs on: the next engine adopts it."""
    DRAIN = "drain"
    """Nothing more starts; leave when nothing runs."""
    CANCEL = "cancel"
    """Cancel what is under way."""


class Witness(Protocol):
    """Who is told what the daemon does."""

    def see(self, events: Sequence[Event], state: State) -> None: ...
    def waits(self, leader: Holder) -> None: ...
    def leads(self, state: State) -> None: ...
    def reloaded(self, found: Reloaded) -> None: ...
    def leaves(self, how: Leave, state: State) -> None: ...


@dataclass(slots=True)
class Daemon:
    """Everything that it takes to lead a project for months."""

    workspace: Workspace
    store: Store
    clock: Clock
    executors: Callable[[Doorbell], Mapping[str, Executor]]
    sensor: Callable[[], Sensor]
    planning: Planning
    witness: Witness
    pools: Mapping[str, float] = field(default_factory=dict)
    heartbeat: timedelta = EVERY
    _how: Leave | None = None
    _engine: Engine | None = None
    _arrivals: Arrivals | None = None
    _poster: Billposter | None = None

    async def run(self) -> None:
        """Lead until somebody says to leave. Raises `AlreadyRunning` when another daemon leads."""
        lead = Lead(self.workspace.lock, Role.DAEMON)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave, Leave.LET)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        try:
            if await self._take(lead):
                await self._lead(lead)
        finally:
            lead.release()

    async def _take(self, lead: Lead) -> bool:
        """Take the lead, or wait for whoever carries out a request. False: told to leave before that."""
        told: Holder | None = None
        while self._how is None and not lead.take(self.clock.now()):
            leader = holder(self.workspace.lock)
            if leader is not None and leader.role is Role.DAEMON:
                raise AlreadyRunning(f"a daemon leads already: {leader}", hint="`openbell stop` ends it")
            if leader is not None and (told is None or told.pid != leader.pid):
                self.witness.waits(told := leader)
            await asyncio.sleep(_WAIT)
        return self._how is None

    async def _lead(self, lead: Lead) -> None:
        doorbell = Doorbell(self.workspace.socket)
        executors = self.executors(doorbell)
        recorders = Recorders(self.workspace, self.store, self.clock, self._channels, self.heartbeat)
        sensor = self.sensor()
        self.planning.executors = list(executors)
        self.witness.reloaded(self.planning.reload())
        self._poster = Billposter(self.workspace.board, self.clock)
        engine = self._engine = Engine(
            self.store,
            executors,
            self.clock,
            pools=self.pools,
            space=SpaceWatch(self.workspace.folder, FLOOR),
            sensor=sensor,
            observers=[recorders, self.witness, self._poster],
            upstream=recorders.upstream,
            wanted=asker_lives,
            planner=self.planning,
        )
        engine.inbox.attach()
        recorders.open(engine.inbox)
        doorbell.listen("requests", lambda _: engine.inbox.ring())
        doorbell.listen("reload", lambda _: self.reload())
        doorbell.listen("leave", lambda how: self.leave(Leave(how)))
        doorbell.open()
        self._arrivals = Arrivals(self.clock, self.store, engine.inbox.put)
        self._attend()
        retaining: asyncio.Future[None] | None = None
        try:
            engine.lead(f"daemon {os.getpid()}", adopt=True)
            self._resume()
            self._post()
            self.witness.leads(engine.state)
            retaining = asyncio.ensure_future(self._retain(engine))
            await engine.run(lambda state: self._over(lead, state) and not recorders.busy)
        finally:
            if retaining is not None:
                retaining.cancel()
            self._arrivals.close()
            sensor.close()
            for executor in executors.values():
                executor.close()
            doorbell.close()
            recorders.close()
            self._poster.close()
            self._engine = None

    async def _retain(self, engine: Engine) -> None:
        """Let go of what the project does not keep, once a day."""
        await Retaining(
            self.store,
            self.workspace,
            self.clock,
            policy=lambda: self.planning.project.retention,
            state=lambda: engine.state,
            ask=self._ask,
        ).keep()

    def _channels(self) -> Mapping[str, Channel]:
        project = self.planning.project
        return channels(project.alerts, project.folder, self.workspace.folder)

    def reload(self) -> None:
        """Look at the files again; runs that are under way keep their definition."""
        found = self.planning.reload()
        if self._engine is not None and self._how is None:
            self._engine.heed()
            self._attend()
            self._post()
            self._engine.inbox.ring()
        self.witness.reloaded(found)

    def _post(self) -> None:
        """Post what is heeded from now on, and which files cannot be used."""
        if self._engine is not None and self._poster is not None:
            self._poster.post(self._engine.state, self.planning.broken)

    def _attend(self) -> None:
        """Look for what the definitions as they are now wait for, and for changes of their files."""
        if self._arrivals is not None:
            loop = asyncio.get_running_loop()
            self._arrivals.attend(self.planning.schedules)
            self._arrivals.sources(
                self.planning.sources, lambda: (loop.call_soon_threadsafe(self.reload), None)[1]
            )

    def leave(self, how: Leave) -> None:
        """Begin to leave. Asked again, it leaves at once and lets run what runs."""
        engine = self._engine
        self._how = how if self._how is None else Leave.LET
        if engine is None:
            return
        engine.state.schedules = None  # nothing opens any more
        for record in engine.state.runs.values():
            if self._how is Leave.DRAIN and not record.paused:
                self._ask(PauseRun(record.id, DRAINING))
            elif self._how is Leave.CANCEL:
                self._ask(CancelTasks(record.id, actor="openbell stop --cancel"))
        self.witness.leaves(self._how, engine.state)
        engine.inbox.ring()

    def _ask(self, request: Request) -> None:
        assert self._engine is not None
        self._engine.request(f"{os.getpid()}.{uuid4().hex}", request)
        self._engine.inbox.ring()

    def _resume(self) -> None:
        """Go on with what the last daemon drained, or an engine before it had to leave."""
        assert self._engine is not None
        for record in list(self._engine.state.runs.values()):
            if record.paused in (DRAINING, ORPHANED):
                self._ask(ResumeRun(record.id))

    def _over(self, lead: Lead, state: State) -> bool:
        if not lead.holds:
            raise ProjectError(
                f"the state folder {self.workspace.folder} has been removed under its engine",
                hint="what runs, runs on unrecorded; start anew when it has ended",
            )
        match self._how:
            case None:
                return False
            case Leave.LET:
                return True
            case Leave.DRAIN:
                return not any(record.live for record in state.runs.values())
            case Leave.CANCEL:
                return not state.runs
