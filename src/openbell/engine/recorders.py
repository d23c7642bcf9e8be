"""What every engine does beside leading: event files, signs of life, results, alerts, files that go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from openbell.clock import Clock
from openbell.core.events import Event
from openbell.core.state import State
from openbell.engine.checkpoints import Checkpoints
from openbell.engine.courier import Channels, Courier
from openbell.engine.eventlog import EventLog
from openbell.engine.heartbeat import EVERY, Heartbeat
from openbell.engine.inbox import Inbox
from openbell.engine.pruner import Remover
from openbell.engine.upstream import Upstream
from openbell.engine.workspace import Workspace
from openbell.executors.process.vitals import vitals
from openbell.store.protocol import Store


class Recorders:
    """One observer for all of them. `heartbeat`: from one sign of life of a task to the next."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        clock: Clock,
        channels: Channels,
        heartbeat: timedelta = EVERY,
    ) -> None:
        self.log = EventLog(workspace.events, store)
        self.upstream = Upstream(workspace.folder / "results", store)
        self._checkpoints = Checkpoints(workspace.folder)
        self._heartbeat = Heartbeat(self.log, clock, partial(vitals, workspace.attempts), every=heartbeat)
        self._courier = Courier(channels, store, clock)
        self._remover = Remover(workspace)

    def open(self, inbox: Inbox) -> None:
        """Begin to report into this inbox. With the event loop running."""
        self._courier.open(inbox)

    @property
    def busy(self) -> bool:
        """Whether an engine that wants to leave had better wait a little."""
        return self._courier.busy

    def see(self, events: Sequence[Event], state: State) -> None:
        self.log.see(events, state)
        self._checkpoints.see(events, state)
        self._heartbeat.see(events, state)
        self._courier.see(events, state)
        self._remover.see(events, state)

    def close(self) -> None:
        """Let go of files, timers and threads."""
        self._remover.close()
        self._courier.close()
        self._heartbeat.close()
        self.log.close()
