"""An executor on a bench: attempts are started by hand, facts are collected."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from openbell.clock import SystemClock
from openbell.core.events import Exit, Exited, Fact, Lost, Refused, Reported, Started
from openbell.core.model import AttemptKey, Call, Command, Script, Step
from openbell.doorbell import Doorbell
from openbell.executors.process.executor import ProcessExecutor
from openbell.executors.process.files import AttemptFiles, claim_of
from openbell.executors.protocol import Brief, Orphan

PATIENCE = 20.0
"""Seconds after which a fact that has not come will not come."""


class Bench:
    """A process executor with its folder and everything that it has reported."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        self.folder = folder / "state"
        self.folder.mkdir(exist_ok=True)
        self.doorbell = Doorbell(self.folder / "engine.sock")
        self.executor = ProcessExecutor(self.folder, self.doorbell, SystemClock(), slots=4, **keys)
        self.facts: list[Fact] = []
        self._news = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, folder: Path, **keys: Any) -> AsyncIterator[Bench]:
        bench = cls(folder, **keys)
        bench.doorbell.open()
        bench.executor.open(bench._hear)
        try:
            yield bench
        finally:
            bench.executor.close()
            bench.doorbell.close()

    def _hear(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._news.set()

    def start(self, *argv: str, attempt: int = 1, name: str = "a", **keys: Any) -> AttemptKey:
        """Start a command (or, with `script`, a worker script)."""
        key = AttemptKey("run/1", name, 0, attempt)
        env = {"PATH": os.environ["PATH"], "OPENBELL_ATTEMPT": str(key), **keys.pop("env", {})}
        script, call = keys.pop("script", None), keys.pop("call", None)
        work = Script(str(script)) if script else Call(call) if call else Command(argv)
        python, proof = keys.pop("python", None), dict(keys.pop("proof", {}))
        if isinstance(proof.get("verify"), str):
            keys["verify"] = Call(proof["verify"])
            proof["verify"] = (proof["verify"],)
        step = Step(name, work, **keys)
        words = (str(script),) if script else (call,) if call else argv
        self.executor.start(Brief(key, str(key), step, words, env, str(self.folder.parent), python, **proof))
        return key

    def python(self, code: str, **keys: Any) -> AttemptKey:
        return self.start(sys.executable, "-c", code, **keys)

    def files(self, key: AttemptKey) -> AttemptFiles:
        return AttemptFiles(self.folder / "attempts", key)

    def orphan(self, key: AttemptKey, *, call: bool = False, **keys: Any) -> Orphan:
        return Orphan(key, Step(key.step, Call("m:f") if call else Command(("x",))), **keys)

    async def until(self, wanted: Callable[[Fact], bool]) -> Fact:
        """The first fact that is wanted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for fact in self.facts:
                    if wanted(fact):
                        return fact
                self._news.clear()
                await self._news.wait()

    async def started(self, key: AttemptKey) -> Started:
        return await self.until(
            lambda f: isinstance(f, Started) and (f.task, f.attempt) == (key.task, key.attempt)
        )  # type: ignore[return-value]

    async def ended(self, key: AttemptKey) -> Exited | Lost | Refused:
        """The end of the attempt, whichever it is."""
        return await self.until(  # type: ignore[return-value]
            lambda f: (
                isinstance(f, Exited | Lost | Refused) and (f.task, f.attempt) == (key.task, key.attempt)
            )
        )

    async def exit(self, key: AttemptKey) -> Exit:
        """How the attempt ended, by its supervisor's word."""
        fact = await self.ended(key)
        assert isinstance(fact, Exited), fact
        return fact.exit

    def said(self, key: AttemptKey) -> list[Reported]:
        return [fact for fact in self.facts if isinstance(fact, Reported) and fact.task == key.task]

    def log(self, key: AttemptKey) -> bytes:
        return self.files(key).log.read_bytes()

    def shim(self, key: AttemptKey) -> int:
        """The process that supervises it: its shim, or its host."""
        claim = claim_of(self.folder / "attempts", key)
        assert claim is not None
        return claim.shim


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids_of(mark: str) -> list[int]:
    """Living processes whose command line contains the mark."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                if mark.encode() in file.read() and alive(int(name)):
                    found.append(int(name))
    return found


def own(number: int) -> str:
    """A mark that no other test run on this machine has: seconds for a `sleep` that is to be found."""
    return f"{10_000 + os.getpid()}{number}"


def gone(mark: str) -> bool:
    """Whether all processes with this mark vanish soon."""
    deadline = time.monotonic() + PATIENCE
    while pids_of(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


KEY = AttemptKey("run/1", "a", 0, 1)
"""The first attempt that a bench starts."""

SECOND = timedelta(seconds=1)
