"""Simulated time against the wall clock: absolute deadlines, so that nothing drifts.

A replay wakes at most a hundred times a second. What is due by then is delivered together, or in `strict`
mode cycle by cycle. Whoever watches a replay in the foreground can halt it, and let single cycles through.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any, Protocol

LEAST = 10_000_000  # ns between two wakings
_TOLD_EVERY = 100_000_000  # ns between two lines to whoever watches


class Wall(Protocol):
    """The clock on the wall, in nanoseconds."""

    def now(self) -> int: ...

    def sleep(self, ns: int) -> None: ...


class Monotonic:
    """The machine's steady clock."""

    def now(self) -> int:
        return time.monotonic_ns()

    def sleep(self, ns: int) -> None:
        time.sleep(ns / 1e9)


class Line:
    """The line to whoever watches: figures go out, `p` (pause, go on) and `s` (one step) come in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._open = True
        self.paused = False
        self.steps = 0
        """Cycles to let through while it is halted."""

    def listen(self, seconds: float | None) -> None:
        """Take in what has been asked; wait so long for it, or for ever."""
        if not self._open:
            if seconds:
                time.sleep(seconds)
            return
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return
        asked = os.read(self._descriptor, 64)
        if not asked:
            self._open = self.paused = False  # nobody watches any more: go on
        for byte in asked:
            if byte == ord("p"):
                self.paused = not self.paused
            elif byte == ord("s"):
                self.paused = True
                self.steps += 1

    def tell(self, **figures: Any) -> None:
        """Send figures, unless nobody takes them."""
        try:
            os.write(self._descriptor, (json.dumps(figures) + "\n").encode())
        except OSError:
            self._open = self.paused = False


class Pace:
    """When each cycle is due. `speed`: simulated seconds in a second; None: at once."""

    def __init__(self, speed: float | None, wall: Wall, line: Line | None) -> None:
        self._speed, self._wall, self._line = speed, wall, line
        self._origin: tuple[int, int] | None = None  # (wall, simulated)
        self._woke = self._told = -LEAST
        self.lag = 0.0
        """Seconds by which the last delivery was late."""
        self.worst = 0.0
        self.step = False
        """Whether only the next cycle is to be let through."""

    @property
    def attended(self) -> bool:
        """Whether deliveries have to ask at all."""
        return self._speed is not None or self._line is not None

    def begin(self, simulated: int) -> None:
        self._origin = (self._wall.now(), simulated)

    def wait(self, until: int) -> int:
        """Wait until this simulated time is due; gives the one that is due by now."""
        self._attend(until)
        if self._speed is None or self._origin is None:
            return until
        due = self._due(until)
        now = self._wall.now()
        while now < due:
            self._rest(max(due, self._woke + LEAST) - now, until)
            due, now = self._due(until), self._wall.now()
            if self.step:
                return until
        self._woke = now
        self.lag = (now - due) / 1e9
        self.worst = max(self.worst, self.lag)
        return max(until, self._origin[1] + int((now - self._origin[0]) * self._speed))

    def _due(self, simulated: int) -> int:
        """Wall time at which a simulated time is due."""
        assert self._origin is not None
        assert self._speed is not None
        return self._origin[0] + int((simulated - self._origin[1]) / self._speed)

    def _rest(self, ns: int, until: int) -> None:
        if self._line is None:
            self._wall.sleep(ns)
        else:
            self._line.listen(min(ns, _TOLD_EVERY) / 1e9)
            self._attend(until)

    def _attend(self, until: int) -> None:
        """Halt while whoever watches wants it so. The halt does not count as time."""
        line, self.step = self._line, False
        if line is None:
            return
        line.listen(0)
        halted = self._wall.now()
        while line.paused and not line.steps:
            line.tell(now=until, paused=True)
            line.listen(None)
        self.step = line.paused and line.steps > 0
        line.steps = max(0, line.steps - 1) if line.paused else 0
        if self._origin is not None:
            self._origin = (self._origin[0] + self._wall.now() - halted, self._origin[1])

    def tell(self, now: int, rows: int) -> None:
        """Figures for whoever watches, ten times a second."""
        if self._line is None:
            return
        wall = self._wall.now()
        if self._line.paused or wall - self._told >= _TOLD_EVERY:
            self._told = wall
            self._line.tell(now=now, rows=rows, lag=self.lag, paused=self._line.paused)
