"""The executor on a bench: attempts are started by hand, facts are collected."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from openbell.clock import SystemClock
from openbell.core.events import Exit, Exited, Fact, Lost, Refused, Started
from openbell.core.model import AttemptKey, Batch, Script, Step
from openbell.executors.deephaven.executor import DeephavenExecutor
from openbell.executors.process.files import AttemptFiles
from openbell.executors.protocol import Brief, Orphan
from tests.enterprise import Controller, client_python

PATIENCE = 40.0
_NUMBERS = itertools.count(1)

F = TypeVar("F", bound=Fact)


class Bench:
    """An executor with its folder and everything that it has reported."""

    def __init__(self, folder: Path, controller: Controller, **settings: Any) -> None:
        self.folder = folder
        self.controller = controller
        self.executor = DeephavenExecutor(
            folder / "state", SystemClock(), client_python(), settings=controller.settings | settings
        )
        self.facts: list[Fact] = []
        self._news = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, folder: Path, controller: Controller, **settings: Any) -> AsyncIterator[Bench]:
        bench = cls(folder, controller, **settings)
        bench.executor.open(bench._hear)
        try:
            yield bench
        finally:
            bench.executor.close()
            await asyncio.sleep(0)

    def _hear(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._news.set()
        if isinstance(fact, Exited | Refused | Lost):  # as the engine does when it is recorded
            self.executor.settle(AttemptKey(*fact.task, fact.attempt))

    def brief(self, script: str, attempt: int = 1, **keys: Any) -> Brief:
        """What it takes to start a script; a batch, unless there is a `mode`."""
        number = next(_NUMBERS)
        key = AttemptKey(f"run/{number}", "a", 0, attempt)
        path = self.folder / f"worker{number}.py"
        path.write_text(script)
        keys.setdefault("mode", Batch())
        env = {"QUERY_NAME": f"q{number}", "SIMULATION_DATE": "2024-01-02", "OPENBELL_ATTEMPT": str(key)}
        step = Step("a", Script(str(path)), **keys)
        uid = f"{number:08d}-{os.getpid()}"
        return Brief(key, f"q{number}", step, (str(path),), env, str(self.folder), uid=uid)

    def start(self, script: str, **keys: Any) -> Brief:
        brief = self.brief(script, **keys)
        self.executor.start(brief)
        return brief

    def orphan(self, brief: Brief, handle: str = "") -> Orphan:
        """The attempt as another engine finds it."""
        return Orphan(brief.key, brief.step, handle, name=brief.name, uid=brief.uid)

    async def until(self, wanted: Callable[[Fact], bool]) -> Fact:
        async with asyncio.timeout(PATIENCE):
            while True:
                for fact in self.facts:
                    if wanted(fact):
                        return fact
                self._news.clear()
                await self._news.wait()

    async def first(self, kind: type[F] | tuple[type[F], ...], brief: Brief) -> F:
        """The first fact of this kind about the attempt."""

        def wanted(fact: Fact) -> bool:
            about = (getattr(fact, "task", None), getattr(fact, "attempt", None))
            return isinstance(fact, kind) and about == (brief.key.task, brief.key.attempt)

        return await self.until(wanted)  # type: ignore[return-value]

    async def started(self, brief: Brief) -> Started:
        return await self.first(Started, brief)

    async def ended(self, brief: Brief) -> Exited | Refused | Lost:
        return await self.first((Exited, Refused, Lost), brief)

    async def exit(self, brief: Brief) -> Exit:
        fact = await self.ended(brief)
        assert isinstance(fact, Exited), fact
        return fact.exit

    async def until_there(self, holds: Callable[[], bool]) -> None:
        """Until this holds at the controller."""
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.05)

    def log(self, brief: Brief) -> str:
        files = AttemptFiles(self.folder / "state" / "attempts", brief.key)
        return files.log.read_text() if files.log.exists() else ""

    def kill(self) -> None:
        """The gateways die, and with them whatever an engine that is killed would have."""
        for link in self.executor._links.all:
            if link._process is None:
                continue
            link._process.kill()
