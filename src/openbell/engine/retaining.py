"""Once a day, when nothing runs and nothing is about to, the daemon lets go of what is not to be kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.clock import Clock
from openbell.core.following import awaited
from openbell.core.occasions import moments
from openbell.core.requests import PruneRuns
from openbell.core.retention import Retention
from openbell.core.state import State
from openbell.engine.pruner import Pruner
from openbell.engine.workspace import Workspace
from openbell.errors import StoreError
from openbell.store.protocol import Store

ACTOR = "retention"
"""Who asks when the daemon does so by itself."""
_LOOK = 600.0  # seconds between looks whether it is quiet
_DAILY = timedelta(days=1)
_AT_LAST = timedelta(days=2)  # then it is done in the midst of work
_AHEAD = timedelta(minutes=2)


@dataclass(slots=True)
class Retaining:
    """The daily duty. `policy` and `state` as they are when it looks; `ask` hands a request to the engine."""

    store: Store
    workspace: Workspace
    clock: Clock
    policy: Callable[[], Retention]
    state: Callable[[], State]
    ask: Callable[[PruneRuns], None]
    look: float = _LOOK
    _last: datetime | None = None
    _since: datetime | None = None

    async def keep(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(self.look)
            with contextlib.suppress(StoreError):  # the next look is a day later
                for request in self.requests() if self.due() else ():
                    self.ask(request)
                    await asyncio.sleep(0)  # what has come meanwhile has its turn

    def due(self) -> bool:
        """Whether a day has passed, and it is quiet, or has not been for too long."""
        now = self.clock.now()
        self._since = self._since or now
        if self.policy().unlimited or (self._last is not None and now - self._last < _DAILY):
            return False
        return quiet(self.state(), now) or now - (self._last or self._since) >= _AT_LAST

    def requests(self) -> list[PruneRuns]:
        """What is to be asked of the engine now; what a killed engine has left behind goes at once."""
        now = self._last = self.clock.now()
        followed = awaited(self.state().schedules or {})
        pruner = Pruner(self.store, self.workspace, followed)
        pruner.remove_orphans()
        return list(pruner.requests(self.policy(), now, ACTOR, "retention of openbell.yaml"))


def quiet(state: State, now: datetime) -> bool:
    """Whether nothing runs, and nothing is about to."""
    busy = state.requests or any(record.live for record in state.runs.values())
    return not busy and all(at > now + _AHEAD for at in moments(state))
