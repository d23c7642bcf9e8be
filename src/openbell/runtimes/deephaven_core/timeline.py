"""The simulated time of one script: a replay that advances while the script sleeps, or a clock that stands.

The update graph is event-driven: a cycle happens when it is asked for, on the script's own thread, and moves
the clock by one step. What a script computes takes no simulated time, so every run sees the same.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from openbell.runtimes.deephaven_core.machine import java
from openbell.runtimes.deephaven_core.settings import NS, Settings

_numbers = itertools.count(1)
_sleep = time.sleep


class Leave(SystemExit):
    """The script is over: it has ended its own query (code 0), or what it would go on with is wrong (a text).

    No script takes it for an error that it could handle.
    """


class Timeline:
    """The clock, the update graph and the replayed tables of one script."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.now = settings.start
        self.rows_until = settings.start
        self.stopped = False
        self.failures: list[str] = []
        """What the engine has told of tables and listeners that failed."""
        self._due = float(settings.start)
        self._began: float | None = None
        self._cycles = 0
        self._tables: list[tuple[str, Any]] = []
        self._graph: Any = None
        self._replayer: Any = None
        self._name = f"openbell-{next(_numbers)}"
        if settings.replay:
            kind = java("io.deephaven.engine.updategraph.impl.EventDrivenUpdateGraph")
            self._graph = kind.newBuilder(self._name).build()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Within it, this thread lives in that time: its context, its clock."""
        clocks = java("io.deephaven.time.DateTimeUtils")
        scopes, scope = java("io.deephaven.engine.liveness.LivenessScopeStack"), _scope()
        opened = _context(self._graph).open()
        scopes.push(scope)
        try:
            if self._settings.day is not None:
                self._replayer = _replayer(self._settings)
                clocks.setClock(self._replayer.clock())
            yield
        finally:
            clocks.setClock(None)
            scopes.pop(scope)
            opened.close()
            scope.release()
            if self._graph is not None:
                self._graph.stop()
                java("io.deephaven.engine.updategraph.impl.BaseUpdateGraph").removeInstance(self._name)

    # ── tables ───────────────────────────────────────────────────────────────────────────────

    def replay(self, name: str, table: Any, column: str, last: int | None) -> Any:
        """The Java table as it arrives. `last`: its last timestamp; None when it has no rows."""
        found = self._replayer.replay(table, column)
        self._tables.append((name, found))
        self.rows_until = max(self.rows_until, last or 0)
        return found

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def sleep(self, seconds: float) -> None:
        """So much time of the script goes by: a replay advances. Raises what ends the script."""
        if self._graph is None:
            _sleep(seconds)
            return
        self._due += seconds * self._settings.scale * NS
        while self.now + self._settings.step <= self._due:
            self._cycle()
        self._heed()

    def finish(self) -> None:
        """The script has come to its end: what has not arrived yet still does."""
        if self._settings.replay and self._tables:
            while self.now < self.rows_until and not self.stopped:
                self._cycle()
        self._heed()

    def _cycle(self) -> None:
        """One step of the clock, in its time."""
        self._heed()
        if self.now >= self._settings.horizon:
            told = f"the script still waits at {self._clock()}, a day after its date has ended"
            raise Leave(f"error: {told} (stop_and_wait ends it, as it ends a query of Enterprise)")
        if self._began is None:
            self._replayer.start()
            self._began = time.monotonic()
        self._cycles += 1
        if self._settings.speed is not None:
            ahead = self._cycles * self._settings.step / (NS * self._settings.speed)
            _sleep(max(0.0, self._began + ahead - time.monotonic()))
        self._graph.requestRefresh()
        self.now += self._settings.step

    def _heed(self) -> None:
        """Raise when the query has been ended, or when something in the update graph has failed."""
        for name, table in self._tables:
            if table.isFailed():
                raise Leave(f"error: the replay of {name} failed at {self._clock()}: {self._why()}")
        if self.failures:
            told = f"a table or a listener failed in the update graph at {self._clock()}"
            raise Leave(f"error: {told}, and what derives from it stands still: {self.failures[0]}")
        if self.stopped:
            raise Leave(0)

    def _why(self) -> str:
        if not self._settings.sorted:
            return "are its rows in the order of their timestamps? `sorted: true` puts them in order"
        return self.failures[0] if self.failures else "the log says more"

    def _clock(self) -> str:
        moment = datetime.fromtimestamp(self.now // NS, self._settings.zone)
        return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def install_sleep(current: Any) -> None:
    """Let `time.sleep` of the main thread be that of the current replay. `current()`: its timeline, or None.

    It stays installed: a library that keeps the function keeps one that is right in every script.
    """
    from threading import current_thread, main_thread

    def sleep(seconds: Any, /) -> None:
        timeline = current()
        if timeline is None or current_thread() is not main_thread():
            _sleep(seconds)
            return
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        sys.stdout.flush()
        timeline.sleep(float(seconds))

    time.sleep = sleep


def instant(ns: int) -> Any:
    """A Java instant."""
    whole, rest = divmod(ns, NS)
    return java("java.time.Instant").ofEpochSecond(whole, rest)


def _replayer(settings: Settings) -> Any:
    """It belongs to the update graph of the context in which it is made. In batch mode it is not started."""
    kind = java("io.deephaven.engine.table.impl.replay.FixedStepReplayer")
    return kind(instant(settings.start), instant(settings.horizon), settings.step)


def _context(graph: Any) -> Any:
    """A context of its own: with its update graph, and without what earlier scripts have imported.

    Its library of imports bears a constant version, so that formulas that were compiled are found again; it
    gets another one as soon as a script imports something.
    """
    kind = java("io.deephaven.engine.context.ExecutionContext")
    base = kind.getContext()
    built = kind.newBuilder().captureQueryCompiler().newQueryLibrary("openbell").captureQueryScope()
    built = built.setUpdateGraph(graph if graph is not None else base.getUpdateGraph())
    built = built.setOperationInitializer(base.getOperationInitializer())
    return built.build().withAuthContext(base.getAuthContext())


def _scope() -> Any:
    return java("io.deephaven.engine.liveness.LivenessScope")()
