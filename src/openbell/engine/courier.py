"""Delivers the letters of the outbox. It never holds up the engine: each channel has a thread of its own.

What becomes of a letter is a fact as any other, and recorded. A letter of which nothing is recorded is
delivered again by the next engine, so one may arrive twice: its `id` tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from queue import SimpleQueue
from threading import Thread
from typing import Any

from openbell.channels.protocol import Channel
from openbell.clock import Clock
from openbell.core.alarms import message
from openbell.core.alerts import Bounced, Delivered, Letter, Notify, letters
from openbell.core.events import Event, Fact
from openbell.core.state import State
from openbell.engine.inbox import Inbox
from openbell.errors import ChannelError
from openbell.store.protocol import Store

PATIENCE = 10.0
"""Seconds that an engine that wants to leave waits for a letter that is under way."""

_WAITS = (10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds before the next try; the last one goes on
_LONGEST = timedelta(days=1)  # after which a letter is given up
_Job = tuple[Channel, Letter, Mapping[str, Any]]


Channels = Callable[[], Mapping[str, Channel]]
"""Gives the channels by name, as they are now."""


class Courier:
    """An observer of the engine that delivers what is to be told."""

    def __init__(self, channels: Channels, store: Store, clock: Clock) -> None:
        self._channels = channels
        self._store = store
        self._clock = clock
        self._inbox: Inbox | None = None
        self._lines: dict[str, SimpleQueue[_Job | None]] = {}
        self._known: set[str] = set()
        self._flying: dict[str, float] = {}
        """Letters that are under way, and since when, by the loop's clock."""
        self._timers: set[asyncio.TimerHandle] = set()

    def open(self, inbox: Inbox) -> None:
        """Begin: what becomes of letters goes into this inbox. With the event loop running."""
        self._loop = asyncio.get_running_loop()
        self._inbox = inbox

    @property
    def busy(self) -> bool:
        """Whether a letter is under way that is worth waiting for."""
        return any(self._loop.time() - since < PATIENCE for since in self._flying.values())

    def see(self, events: Sequence[Event], state: State) -> None:  # noqa: ARG002
        if self._inbox is None:
            return
        if not self._known:  # whatever an engine before has left, and the first of our own
            for info in self._store.letters(waiting=True):
                self._take(info.letter)
            self._known.add("")
        for event in events:
            if isinstance(event, Notify):
                for letter in letters(event):
                    self._take(letter)

    def close(self) -> None:
        """Take nothing more on."""
        self._inbox = None
        for timer in self._timers:
            timer.cancel()
        for line in self._lines.values():
            line.put(None)

    def _take(self, letter: Letter) -> None:
        if letter.id not in self._known:
            self._known.add(letter.id)
            self._send(letter)

    def _send(self, letter: Letter) -> None:
        if self._inbox is None:
            return
        channel = self._channels().get(letter.channel)
        if channel is None:
            self._posted(letter, f"there is no channel {letter.channel} any more", final=True)
            return
        line = self._lines.get(letter.channel)
        if line is None:
            line = self._lines[letter.channel] = SimpleQueue()
            Thread(target=self._work, args=(line,), daemon=True, name=letter.channel).start()
        self._flying[letter.id] = self._loop.time()
        self._later(PATIENCE, self._inbox.ring)  # who waits for it does not wait longer
        line.put((channel, letter, message(letter, self._store.definition(letter.run))))

    def _work(self, line: SimpleQueue[_Job | None]) -> None:
        """The thread of a channel: one letter after the other."""
        while (job := line.get()) is not None:
            channel, letter, told = job
            error = ""
            try:
                channel.send(told)
            except ChannelError as bounced:
                error = bounced.message
            except Exception as unexpected:  # whatever a channel does, it must not stay unsaid
                error = f"{type(unexpected).__name__}: {unexpected}"
            try:
                self._loop.call_soon_threadsafe(self._posted, letter, error)
            except RuntimeError:  # the engine has left
                return

    def _posted(self, letter: Letter, error: str, *, final: bool = False) -> None:
        self._flying.pop(letter.id, None)
        inbox, now = self._inbox, self._clock.now()
        if inbox is None:
            return
        tries = letter.tries + 1
        fact: Fact
        if not error:
            fact = Delivered(now, letter.run, letter.id, letter.channel, tries)
        else:
            final = final or now - letter.at > _LONGEST
            fact = Bounced(now, letter.run, letter.id, letter.channel, tries, error, final)
            if not final:
                self._again(letter, tries)
        inbox.put(fact)

    def _again(self, letter: Letter, tries: int) -> None:
        wait = _WAITS[min(tries, len(_WAITS)) - 1]
        self._later(wait, self._send, replace(letter, tries=tries))

    def _later(self, seconds: float, do: Any, *given: Any) -> None:
        def now() -> None:
            self._timers.discard(timer)
            do(*given)

        timer = self._loop.call_later(seconds, now)
        self._timers.add(timer)
