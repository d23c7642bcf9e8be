"""Where facts arrive. Any thread may put; the engine drains."""

from __future__ import annotations

import asyncio
from collections import deque

from openbell.core.events import Fact


class Inbox:
    """Facts that wait to be recorded, and the wake-up of the engine."""

    def __init__(self) -> None:
        self._facts: deque[Fact] = deque()
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = True

    def attach(self) -> None:
        """Bind to the running event loop, so that other threads can wake it."""
        self._loop = asyncio.get_running_loop()

    def put(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._wake()

    def ring(self) -> None:
        """There may be new requests in the store."""
        self._rung = True
        self._wake()

    def rung(self) -> bool:
        """Whether somebody rang since the last call."""
        rung, self._rung = self._rung, False
        return rung

    def drain(self) -> list[Fact]:
        """All facts that have arrived, in order."""
        facts = list(self._facts)
        self._facts.clear()
        return facts

    async def wait(self, seconds: float) -> None:
        """Return when something has arrived, at the latest after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    def _wake(self) -> None:
        if self._loop is None:
            return
        if asyncio._get_running_loop() is self._loop:
            self._news.set()  # the engine's own thread
        else:
            self._loop.call_soon_threadsafe(self._news.set)
