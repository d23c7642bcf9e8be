"""The zygotes of an executor: the bare one, and a warm one for each set of preloaded modules."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from openbell.executors.process.spawner import Spawner
from openbell.executors.process.specification import automatic
from openbell.executors.protocol import Brief


class Parent(Protocol):
    """Who asks for shims, and hears what has become of each request."""

    def forked(self, name: str, shim: int) -> None: ...

    def refused(self, name: str, reason: str, *, counted: bool) -> None: ...

    def orphaned(self, name: str) -> None: ...

    def hosted(self, number: int, pid: int, link: int) -> None: ...

    def unhosted(self, number: int, reason: str) -> None: ...


@dataclass(slots=True)
class Zygote:
    """A zygote and what it has been asked for. A warm one is not ready at once: requests wait."""

    spawner: Spawner
    warm: bool
    ready: bool = False
    asked: set[str] = field(default_factory=set)
    hosts: set[int] = field(default_factory=set)
    """Hosts that it has been asked for."""
    waiting: list[dict[str, Any]] = field(default_factory=list)


class ZygotePool:
    """Starts zygotes as they are needed and passes requests on. `folder`: the project's state folder."""

    def __init__(self, folder: Path, parent: Parent) -> None:
        self._folder = folder
        self._parent = parent
        self.zygotes: dict[Any, Zygote] = {}

    def ask(self, brief: Brief, spec: dict[str, Any]) -> None:
        """Ask for the shim of this attempt."""
        self._ask(self._for(brief), spec)

    def ask_host(self, spec: dict[str, Any]) -> None:
        """Ask for a host."""
        zygote = self._named("", {})
        zygote.hosts.add(spec["host"])
        self._ask(zygote, spec)

    def _ask(self, zygote: Zygote, spec: dict[str, Any]) -> None:
        if zygote.ready:
            self._send(zygote, spec)
        else:
            zygote.waiting.append(spec)

    def withdraw(self, name: str) -> bool:
        """Take back a request that waits for the imports of a warm zygote. False: there is none."""
        for zygote in self.zygotes.values():
            left = [spec for spec in zygote.waiting if spec.get("id") != name]
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
        env = {name: value for name, value in brief.env.items() if not automatic(name)} if preload else None
        if env is None:
            return self._named("", {})
        name = (brief.python, preload, tuple(sorted(env.items())))
        return self._named(name, {"python": brief.python, "preload": preload, "env": env})

    def _named(self, name: Any, keys: dict[str, Any]) -> Zygote:
        """The zygote of that name; it is made when there is none."""
        zygote = self.zygotes.get(name)
        if zygote is None:

            def hear(message: dict[str, Any] | None) -> None:
                self._heard(name, message)

            zygote = self.zygotes[name] = Zygote(Spawner(self._folder, hear, **keys), warm=bool(keys))
        return zygote

    def _send(self, zygote: Zygote, spec: dict[str, Any]) -> None:
        if "id" in spec:
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
            case {"host": number, "pid": pid, "link": link}:
                zygote.hosts.discard(number)
                self._parent.hosted(number, pid, link)
            case {"host": number, "error": error}:
                zygote.hosts.discard(number)
                self._parent.unhosted(number, error)
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
            if "id" in spec:
                self._parent.refused(spec["id"], reason, counted=zygote.warm)
        for number in zygote.hosts:
            self._parent.unhosted(number, reason)
        for name in zygote.asked:
            self._parent.orphaned(name)
