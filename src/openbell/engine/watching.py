"""Watches a run that somebody else leads, and leaves everything as it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from openbell.clock import Clock
from openbell.core.events import Answer
from openbell.core.state import Limits, RunRecord, State
from openbell.engine.conduct import View
from openbell.engine.leader import holder
from openbell.engine.workspace import Workspace
from openbell.store.protocol import Store

_LOOK = 0.2  # seconds between looks at the store, at least
_SHARE = 5  # times as long as a look takes, nothing is looked at


class Sight(Enum):
    """Why the watching has ended."""

    ENDED = "ended"
    LEFT = "left"
    """Whoever watched has left."""
    ALONE = "alone"
    """No engine leads: nothing will happen."""


@dataclass(slots=True)
class Watching:
    """One run, watched."""

    workspace: Workspace
    store: Store
    clock: Clock
    view: View
    limits: Limits
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set when whoever watches leaves."""

    async def watch(self, record: RunRecord) -> tuple[Sight, RunRecord]:
        """Show the run until it has ended, until its engine is gone, or until somebody leaves."""
        cursor = self.store.last()
        self.view.opened(record, Answer(self.clock.now(), "", True, "is watched", record.id))
        try:
            while True:
                if record.outcome is not None:
                    return Sight.ENDED, record
                led = holder(self.workspace.lock) is not None
                pause = _LOOK
                if cursor != (last := self.store.last()):
                    began = asyncio.get_running_loop().time()
                    record, cursor = self._look(record, cursor, last)
                    pause = max(_LOOK, _SHARE * (asyncio.get_running_loop().time() - began))
                elif not led:
                    return Sight.ALONE, record
                if await self._leaves(pause):
                    return Sight.LEFT, record
        finally:
            self.view.close()

    def _look(self, record: RunRecord, cursor: int, last: int) -> tuple[RunRecord, int]:
        events = []
        while cursor < last and (entries := self.store.journal(cursor, record.id)):
            cursor = entries[-1][0]
            events += [event for _, event in entries]
        if events:
            record = self.store.run(record.id) or record
            self.view.see(events, State(self.limits, {record.id: record}))
        return record, max(cursor, last)

    async def _leaves(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.left.wait()
        except TimeoutError:
            return False
        return True
