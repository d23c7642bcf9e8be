"""The zygotes of an executor: the bare one, and a warm one for each set of preloaded modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from openbell.core.render import AUTOMATIC
from openbell.executors.process.spawner import Spawner
from openbell.executors.protocol import Brief


class Parent(Protocol):
    """Who asks for shims, and hears what has become of each request."""

    def forked(self, name: str, shim: int) -> None: ...

    def refused(self, name: str, reason: str, *, counted: bool) -> None: ...

    def orphaned(self, name: str) -> None: ...


@dataclass(slots=True)
class Zygote:
    """A zygote and what it has been asked for. A warm one is not ready at once: requests wait."""

    spawner: Spawner
    warm: bool
    ready: bool = False
    asked: set[str] = field(default_factory=set)
    waiting: list[dict[str, Any]] = field(default_factory=list)


class ZygotePool:
    """Starts zygotes as they are needed and passes requests on. `folder`: the project's state folder."""

    def __init__(self, folder: Path, parent: Parent) -> None:
        self._folder = folder
        self._parent = parent
        self.zygotes: dict[Any, Zygote] = {}

    def ask(self, brief: Brief, spec: dict[str, Any]) -> None:
        """Ask for the shim of this attempt."""
        zygote = self._for(brief)
        if zygote.ready:
            self._send(zygote, spec)
        else:
            zygote.waiting.append(spec)

    def withdraw(self, name: str) -> bool:
        """Take back a request that waits for the imports of a warm zygote. False: there is none."""
        for zygote in self.zygotes.values():
            left = [spec for spec in zygote.waiting if spec["id"] != name]
            if zygote.warm and len(left) < len(zygote.waiting):
                zygote.waiting = left
                return True
        return False

    def close(self) -> None:
        """Let all of them go; their shims stay."""
        for zygote in self.zygotes.values():
            zygote.spawner.close(kill=not zygote.ready)
        self.zygotes.clear()

    def _for(self, brief: Brief) -> Zygote:
        """The bare zygote, or a warm one with the modules and the environment of this brief."""
        preload = brief.step.preload
        env = {name: value for name, value in brief.env.items() if not _automatic(name)} if preload else None
        name = (brief.python, preload, tuple(sorted(env.items()))) if env is not None else ""
        zygote = self.zygotes.get(name)
        if zygote is None:

            def hear(message: dict[str, Any] | None) -> None:
                self._heard(name, message)

            python = brief.python if preload else None
            spawner = Spawner(self._folder, hear, python=python, preload=preload, env=env)
            zygote = self.zygotes[name] = Zygote(spawner, warm=bool(preload))
        return zygote

    def _send(self, zygote: Zygote, spec: dict[str, Any]) -> None:
        zygote.asked.add(spec["id"])
        zygote.spawner.spawn(spec)

    def _heard(self, name: Any, message: dict[str, Any] | None) -> None:
        """Something a zygote has to say; None: it has died."""
        zygote = self.zygotes[name]
        match message:
            case None:
                del self.zygotes[name]
                self._died(zygote)
            case {"ready": True}:
                zygote.ready = True
                for spec in zygote.waiting:
                    self._send(zygote, spec)
                zygote.waiting.clear()
            case {"ready": False, "module": module, "error": error}:
                del self.zygotes[name]
                zygote.spawner.close()
                for spec in zygote.waiting:
                    self._parent.refused(spec["id"], f"preload of {module!r}: {error}", counted=True)
            case {"id": attempt, "pid": pid}:
                zygote.asked.discard(attempt)
                self._parent.forked(attempt, pid)
            case {"id": attempt, "error": error}:
                zygote.asked.discard(attempt)
                self._parent.refused(attempt, error, counted=False)

    def _died(self, zygote: Zygote) -> None:
        """What waits has not been asked for: nothing of it can have begun. A bare zygote has been killed."""
        reason = f"its interpreter has ended before it was ready ({zygote.spawner.ended})"
        for spec in zygote.waiting:
            self._parent.refused(spec["id"], reason, counted=zygote.warm)
        for name in zygote.asked:
            self._parent.orphaned(name)


def _automatic(name: str) -> bool:
    """Variables that differ from task to task: they are no reason for another zygote."""
    return name in AUTOMATIC or name.startswith("OPENBELL_")
