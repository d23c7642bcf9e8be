"""Carries one request to its end: leads when nobody leads, else hands it over and follows.

A follower whose leader leaves takes over. The first signal pauses the run (what runs ends by
itself), the second one ends what runs; a follower only detaches.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from openbell.clock import Clock
from openbell.core.events import Answer, CloseRun, Event
from openbell.core.evolve import ORPHANED
from openbell.core.requests import HaltRun, PauseRun, Request, ResumeRun
from openbell.core.state import RunRecord, State
from openbell.core.states import TaskState
from openbell.doorbell import Doorbell, ring
from openbell.engine.courier import Channels
from openbell.engine.engine import Engine
from openbell.engine.heartbeat import EVERY
from openbell.engine.leader import Holder, Lead, asker_lives, holder
from openbell.engine.recorders import Recorders
from openbell.engine.space import FLOOR, SpaceWatch
from openbell.engine.workspace import Workspace
from openbell.errors import ProjectError
from openbell.executors.protocol import Executor
from openbell.sensors.protocol import Sensor
from openbell.store.protocol import Store

_FOLLOW = 0.2  # seconds between a follower's looks at the store, at least
_ROUNDS = 3  # of the loop, from a byte in its pipe to the call of a handler
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What drains a run in the foreground."""


class View(Protocol):
    """What shows a run to the user."""

    def opened(self, record: RunRecord, answer: Answer) -> None:
        """The request is answered, and this is its run. Once more after taking over from a leader."""
        ...

    def see(self, events: Sequence[Event], state: State) -> None:
        """A batch of events has become durable (while leading)."""
        ...

    def look(self, record: RunRecord) -> None:
        """The run as it is in the store (while following)."""
        ...

    def follows(self, leader: Holder) -> None:
        """Somebody else leads."""
        ...

    def signalled(self, record: RunRecord, count: int) -> None:
        """The user wants to leave: 1 drains, 2 ends what runs, 3 kills it."""
        ...

    def close(self) -> None:
        """Nothing more is to be shown, for whatever reason."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How it came out. `signal`: the first that came, or 0; `detached`: the run goes on elsewhere."""

    answer: Answer | None
    record: RunRecord | None
    signal: int = 0
    detached: bool = False


@dataclass(slots=True)
class Conductor:
    """Everything that it takes to carry out a request."""

    workspace: Workspace
    store: Store
    clock: Clock
    executors: Callable[[Doorbell], Mapping[str, Executor]]
    view: View
    sensor: Callable[[], Sensor] = field(kw_only=True)
    channels: Channels = dict
    pools: Mapping[str, float] = field(default_factory=dict)
    heartbeat: timedelta = EVERY
    patient: bool = True
    """Stay until the run has ended; otherwise until the request is answered and nothing of it is stopping."""
    lasting: bool = True
    """Stay with a run that goes on elsewhere, or that waits to be asked for; otherwise only while leading one
    that goes on.
    """
    signals: list[int] = field(default_factory=list)
    stir: asyncio.Event = field(default_factory=asyncio.Event)

    async def conduct(self, request: Request) -> Ending:
        """Carry the request to its end."""
        request_id = _fresh()
        self.store.ask(request_id, request, self.clock.now())
        lead = Lead(self.workspace.lock)
        loop = asyncio.get_running_loop()
        heard = heard_signals()
        for number in heard:
            loop.add_signal_handler(number, self.signalled, number)
        try:
            while True:
                if lead.take(self.clock.now()):
                    ending = await _Leading(self, request_id, lead).run()
                elif (found := await self._follow(request_id)) is not None:
                    ending = found
                else:
                    continue
                for _ in range(_ROUNDS):  # a signal of the last moment is heard as well
                    await asyncio.sleep(0)
                return replace(ending, signal=next(iter(self.signals), 0))
        finally:
            self.view.close()
            lead.release()
            for number in heard:
                loop.remove_signal_handler(number)

    def signalled(self, number: int) -> None:
        """Somebody wants to leave: the first time drains, the second ends what runs, the third kills it."""
        self.signals.append(number)
        self.stir.set()

    async def _follow(self, request_id: str) -> Ending | None:
        """Watch somebody else do it. None: the leader has left, and somebody has to take over."""
        leader = holder(self.workspace.lock)
        if leader is None:
            return None
        ring(self.workspace.socket, "requests")
        self.view.follows(leader)
        seen, known = -1, False
        while holder(self.workspace.lock) is not None:
            answer = self.store.answer(request_id)
            if self.signals:
                record = self.store.run(answer.run) if answer and answer.run else None
                return Ending(answer, record, detached=True)
            if answer is not None and (not answer.accepted or answer.run is None):
                return Ending(answer, None)
            pause = _FOLLOW
            if answer is not None and answer.run and seen != (seen := self.store.last()):
                began = asyncio.get_running_loop().time()
                record = self.store.run(answer.run)
                assert record is not None
                if not known:
                    self.view.opened(record, answer)
                    known = True
                self.view.look(record)
                if record.outcome or not self.patient or not self.lasting:
                    return Ending(answer, record)
                if record.paused == ORPHANED:  # its former leader has left, this one waits to be asked
                    self.store.ask(_fresh(), ResumeRun(record.id), self.clock.now())
                    ring(self.workspace.socket, "requests")
                pause = max(_FOLLOW, 5 * (asyncio.get_running_loop().time() - began))
            await self._pause(pause)
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stir.wait()
        except TimeoutError:
            pass


def heard_signals() -> list[int]:
    """What is heard here: in the main thread whatever `nohup` has not turned off, elsewhere nothing."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


class _Leading:
    """One leadership, for the sake of one request."""

    def __init__(self, conductor: Conductor, request_id: str, lead: Lead) -> None:
        self._conductor = conductor
        self._lead = lead
        self._request_id = request_id
        self._answer: Answer | None = None
        self._record: RunRecord | None = None
        self._ended = False
        self._heeded = 0

    async def run(self) -> Ending:
        conductor = self._conductor
        doorbell = Doorbell(conductor.workspace.socket)
        executors = conductor.executors(doorbell)
        recorders = Recorders(
            conductor.workspace, conductor.store, conductor.clock, conductor.channels, conductor.heartbeat
        )
        sensor = conductor.sensor()
        self._engine = engine = Engine(
            conductor.store,
            executors,
            conductor.clock,
            pools=conductor.pools,
            space=SpaceWatch(conductor.workspace.folder, FLOOR),
            sensor=sensor,
            observers=[recorders, self],
            upstream=recorders.upstream,
            wanted=asker_lives,
        )
        engine.inbox.attach()
        recorders.open(engine.inbox)
        doorbell.listen("requests", lambda _: engine.inbox.ring())
        doorbell.open()
        heeding = asyncio.ensure_future(self._heed())
        try:
            engine.lead(_name())
            self._resume_what_was_handed_over()
            await engine.run(lambda _: self._over() and not recorders.busy)
        finally:
            heeding.cancel()
            sensor.close()
            for executor in executors.values():
                executor.close()
            doorbell.close()
            recorders.close()
        return Ending(self._answer, self._record)

    def _resume_what_was_handed_over(self) -> None:
        """A follower takes over: its request is answered already, its run waits to be asked for."""
        store = self._conductor.store
        self._answer = store.answer(self._request_id)
        if self._answer is None or self._answer.run is None:
            return
        self._record = self._engine.state.runs.get(self._answer.run) or store.run(self._answer.run)
        self._ended = self._record is None or self._record.outcome is not None
        if self._record is not None:
            self._conductor.view.opened(self._record, self._answer)
        if not self._ended:
            self._engine.request(_fresh(), ResumeRun(self._answer.run))

    def see(self, events: Sequence[Event], state: State) -> None:
        view = self._conductor.view
        for event in events:
            match event:
                case Answer(request=request) if request == self._request_id:
                    self._answer = event
                    self._record = state.runs.get(event.run or "")
                    self._ended = self._record is None or self._record.outcome is not None
                    if self._record is not None:
                        view.opened(self._record, event)
                    self._conductor.stir.set()  # a signal may have come before the run was known
                case CloseRun() if self._record is not None and event.run == self._record.id:
                    self._ended = True
        view.see(events, state)

    def _over(self) -> bool:
        """Whether this leadership has done what it was for. Raises `ProjectError` when its folder is gone."""
        if not self._lead.holds:
            raise ProjectError(
                f"the state folder {self._conductor.workspace.folder} has been removed under its engine",
                hint="what runs, runs on unrecorded; start anew when it has ended",
            )
        if self._answer is None:
            return False
        if self._ended or self._record is None or not self._answer.accepted:
            return True
        if not self._conductor.patient:
            return not _stopping(self._record)
        if not self._conductor.lasting and self._record.paused:
            return True
        return bool(self._heeded) and bool(self._record.paused) and not self._record.live

    async def _heed(self) -> None:
        """Act on signals: drain, then end what runs, then kill it."""
        conductor = self._conductor
        while True:
            await conductor.stir.wait()
            conductor.stir.clear()
            while self._record and not self._ended and self._heeded < len(conductor.signals):
                self._heeded += 1
                self._obey(self._heeded, signal.Signals(conductor.signals[0]).name)

    def _obey(self, count: int, name: str) -> None:
        engine, record = self._engine, self._record
        assert record is not None
        match count:
            case 1:
                engine.request(_fresh(), PauseRun(record.id, f"interrupted ({name})"))
            case 2:
                engine.request(_fresh(), HaltRun(record.id, f"interrupted ({name})"))
            case _:
                engine.kill(record.id)
        self._conductor.view.signalled(record, count)
        engine.inbox.ring()


def _stopping(record: RunRecord) -> bool:
    lives = (live for group in record.groups.values() for live in group.live.values())
    return any(live.state is TaskState.STOPPING for live in lives)


def _fresh() -> str:
    return f"{os.getpid()}.{uuid4().hex}"


def _name() -> str:
    return f"pid {os.getpid()}"
