"""The engine's end of hosts: has them made as they are needed, gives them attempts, hears how these end.

A host gets its next attempt only when the end of the last one is recorded: until then its slate is the only
place where that end stands.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from openbell.executors.process.slates import Found, Slates
from openbell.executors.process.zygotes import ZygotePool

Key = tuple[Any, ...]
"""What the attempts of one host have in common: interpreter, folder, environment."""


class Listener(Protocol):
    """Who hears what becomes of attempts."""

    def begun(self, name: str, child: int, at: float) -> None: ...

    def over(self, name: str, record: dict[str, Any]) -> None: ...

    def orphaned(self, name: str) -> None: ...

    def refused(self, name: str, reason: str, *, counted: bool) -> None: ...


@dataclass(slots=True, eq=False)
class Host:
    """One host. `attempt`: what it has in hand, until the end of that is recorded."""

    number: int
    key: Key
    slate: Path
    pid: int = 0
    link: socket.socket | None = None
    ready: bool = False
    attempt: str = ""
    received: bytes = b""
    unsent: bytes = b""
    stuck: bool = False
    """It does not take what it is sent as fast as it is sent."""


@dataclass(slots=True)
class Trade:
    """The hosts of one key. `worker`: what they start, and after how many calls or how much it is worn."""

    worker: dict[str, Any]
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    idle: list[Host] = field(default_factory=list)
    coming: int = 0


class HostPool:
    """`folder`: the project's state folder; `most`: hosts at once; `recycle`: calls of one worker."""

    def __init__(
        self, folder: Path, zygotes: ZygotePool, listener: Listener, *, most: int, recycle: int
    ) -> None:
        self._zygotes = zygotes
        self._listener = listener
        self._most = most
        self._recycle = recycle
        self._slates = Slates(folder / "workers")
        self._trades: dict[Key, Trade] = {}
        self._hosts: dict[int, Host] = {}
        self._busy: dict[str, Host] = {}
        self._token = os.urandom(6).hex()
        self._count = 0

    # ── attempts ─────────────────────────────────────────────────────────────────────────────

    def start(self, key: Key, worker: dict[str, Any], spec: dict[str, Any]) -> None:
        """Have this attempt carried out by a host of that key. `worker`: argv, env, cwd."""
        trade = self._trades.get(key)
        if trade is None:
            trade = self._trades[key] = Trade(worker)
        if trade.idle:
            self._give(trade.idle.pop(), spec)
            return
        trade.waiting.append(spec)
        self._staff(key, trade)

    def stop(self, name: str, reason: str, grace: float) -> bool | None:
        """End an attempt: True when its host has been told, False when none had it yet, None for others'."""
        host = self._busy.get(name)
        if host is not None:
            self._send(host, {"stop": name, "reason": reason, "grace": grace})
            _rouse(host)
            return True
        for trade in self._trades.values():
            for spec in trade.waiting:
                if spec["id"] == name:
                    trade.waiting.remove(spec)
                    return False
        return None

    def has(self, name: str) -> bool:
        """Whether it waits for one of our hosts, or is in its hands."""
        if (host := self._busy.get(name)) is not None:
            return host.link is not None
        return any(spec["id"] == name for trade in self._trades.values() for spec in trade.waiting)

    def settle(self, name: str) -> None:
        """The end of this attempt is recorded: its host may go on."""
        host = self._busy.pop(name, None)
        if host is None:
            self._slates.forget(name)
            return
        host.attempt = ""
        if host.link is None:
            self._slates.forget(name)
            return
        trade = self._trades[host.key]
        if trade.waiting:
            self._give(host, trade.waiting.popleft())
        else:
            trade.idle.append(host)

    def adopt(self, names: Sequence[str]) -> None:
        """Look at what hosts of former engines have left. `names`: the attempts that are looked for."""
        self._slates.look(set(names))

    def find(self, name: str) -> Found:
        """What has become of an attempt whose host has gone, or is not ours."""
        return self._slates.find(name)

    def close(self) -> None:
        """Let all hosts go: each when it has finished what it has in hand."""
        for host in self._hosts.values():
            self._leave(host)
            if host.ready and not host.attempt:
                host.slate.unlink(missing_ok=True)
        self._hosts.clear()
        self._busy.clear()
        self._trades.clear()

    # ── hosts ────────────────────────────────────────────────────────────────────────────────

    def _staff(self, key: Key, trade: Trade) -> None:
        """As many hosts on their way as attempts wait."""
        while trade.coming < len(trade.waiting):
            self._count += 1
            name = f"{self._token}-{self._count}"
            host = Host(self._count, key, self._slates.folder / name)
            self._hosts[host.number] = host
            trade.coming += 1
            label = f"OPENBELL_WORKER={name}"
            worker = {**trade.worker, "env": {**trade.worker["env"], "OPENBELL_WORKER": name}}
            spec = {"host": host.number, "slate": str(host.slate), "label": label, "worker": worker}
            recycle = trade.worker.get("recycle", self._recycle)
            self._zygotes.ask_host({**spec, "recycle": recycle, "bell": "engine.sock"})
            self._retire()

    def _retire(self) -> None:
        """Let an idle host go when there are too many."""
        if len(self._hosts) <= self._most:
            return
        for trade in self._trades.values():
            if trade.idle:
                host = trade.idle.pop(0)
                self._leave(host)
                host.slate.unlink(missing_ok=True)
                del self._hosts[host.number]
                return

    def hosted(self, number: int, pid: int, link: int) -> None:
        """A zygote has forked this host."""
        line = socket.socket(fileno=link)
        host = self._hosts.get(number)
        if host is None:
            line.close()
            return
        line.setblocking(False)
        host.pid, host.link = pid, line
        asyncio.get_running_loop().add_reader(line, self._read, host)

    def unhosted(self, number: int, reason: str) -> None:
        """There will be no such host."""
        host = self._hosts.pop(number, None)
        if host is not None:
            self._failed(host, reason)

    def _failed(self, host: Host, reason: str) -> None:
        """A host that was to come does not come: an attempt that waits for it is given back."""
        trade = self._trades[host.key]
        trade.coming -= 1
        if trade.waiting:
            self._listener.refused(trade.waiting.pop()["id"], reason, counted=False)

    def _read(self, host: Host) -> None:
        assert host.link is not None
        try:
            data = host.link.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._died(host)
            return
        *lines, host.received = (host.received + data).split(b"\n")
        for said in map(json.loads, lines):
            self._heard(host, said)

    def _heard(self, host: Host, said: dict[str, Any]) -> None:
        match said:
            case {"ended": str(name), "record": dict(record)}:
                if said.get("leaves"):
                    self._gone(host)
                self._listener.over(name, record)
            case {"began": str(name), "child": child, "at": at}:
                self._listener.begun(name, child, at)
            case {"ready": _}:
                host.ready = True
                trade = self._trades[host.key]
                trade.coming -= 1
                if trade.waiting:
                    self._give(host, trade.waiting.popleft())
                else:
                    trade.idle.append(host)

    def _died(self, host: Host) -> None:
        """A host is gone, or cannot be heard any more."""
        if not host.ready:
            self._leave(host)
            self._hosts.pop(host.number, None)
            self._failed(host, "its host could not be started; supervisor.log may say why")
            return
        self._gone(host)
        if host.attempt:
            self._listener.orphaned(host.attempt)

    def _gone(self, host: Host) -> None:
        """It takes no more calls. What it has in hand stands on its slate."""
        self._leave(host)
        self._hosts.pop(host.number, None)
        idle = self._trades[host.key].idle
        if host in idle:
            idle.remove(host)
        if host.attempt:
            self._slates.left(host.slate, host.attempt)
        else:
            host.slate.unlink(missing_ok=True)

    def _give(self, host: Host, spec: dict[str, Any]) -> None:
        host.attempt = spec["id"]
        self._busy[host.attempt] = host
        self._send(host, {"run": spec})

    def _send(self, host: Host, what: dict[str, Any]) -> None:
        host.unsent += json.dumps(what).encode() + b"\n"
        self._write(host)

    def _write(self, host: Host) -> None:
        if host.link is None:
            return
        try:
            sent = host.link.send(host.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it has died: the reader hears that
        host.unsent = host.unsent[sent:]
        if host.stuck != bool(host.unsent):
            host.stuck = not host.stuck
            loop = asyncio.get_running_loop()
            if host.stuck:
                loop.add_writer(host.link, self._write, host)
            else:
                loop.remove_writer(host.link)

    def _leave(self, host: Host) -> None:
        if host.link is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(host.link)
            loop.remove_writer(host.link)
            host.link.close()
            host.link = None


def _rouse(host: Host) -> None:
    """Somebody may have stopped it."""
    try:
        os.kill(host.pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        pass
