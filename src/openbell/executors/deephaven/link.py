"""One login at one controller: the gateway process behind it, and the queries that it tells of."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from openbell.core.matrix import Scalar

_SOURCE = str(Path(__file__).parents[3])
_PROGRAM = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.executors.deephaven.gateway import main; "
    "del sys.path[0]; main()"
)
LOGIN = ("connection_url", "auth_method", "username", "password", "private_key_path")
"""Settings that tell one login from another."""

_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "TRUSTSTORE_FILE")
PING = 5.0  # seconds between two looks whether the controller answers
_OPENS = 90.0  # seconds until a login that does not come about is given up
_SHORTEST, _LONGEST = 0.5, 30.0  # seconds between two logins
REFUSED = 60.0  # seconds until a refused login is tried again: accounts get locked
_AGAIN = 3.0  # seconds until something is asked for again that has failed
_TRIES = 5  # to take a query away
_LINE = 1 << 24  # bytes of an event, at most
_LOG = 1 << 20  # bytes of the gateways' log, after which it begins anew

Mark = tuple[str, str]
"""What a query of ours bears: the uid of its run, and its attempt."""

FINAL = frozenset({"STOPPED", "COMPLETED", "FAILED", "ERROR", "DISCONNECTED"})
BEGUN = frozenset({"INITIALIZING", "EXECUTING", "RUNNING"})


class Query(NamedTuple):
    """A query of our user as the controller tells it. `seconds`: from its initialization to its last news."""

    serial: int
    name: str
    mark: Mark
    status: str = ""
    error: str = ""
    stack: str = ""
    details: str = ""
    seconds: float = 0.0

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(slots=True)
class Table:
    """The queries of our user."""

    queries: dict[int, Query] = field(default_factory=dict)
    marks: dict[Mark, set[int]] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)

    def put(self, query: Query) -> None:
        self.remove(query.serial)
        self.queries[query.serial] = query
        self.names[query.name] += 1
        if query.mark[1]:
            self.marks.setdefault(query.mark, set()).add(query.serial)

    def remove(self, serial: int) -> None:
        if (query := self.queries.pop(serial, None)) is not None:
            self.names -= Counter((query.name,))
            self.marks.get(query.mark, set()).discard(serial)

    def marked(self, mark: Mark) -> Iterator[Query]:
        """The queries that bear this mark, oldest first."""
        return (self.queries[serial] for serial in sorted(self.marks.get(mark, ())))


News = Callable[["Link", str, dict[str, Any]], None]
"""Who is told: `synced`, `lost`, `query`, `gone`, `added`, `refused`, `unsure`, `out`, `reach`."""


class Link:
    """Keeps a gateway alive, and takes away what is to go. `python`: an interpreter with the client."""

    def __init__(self, settings: Mapping[str, Scalar], folder: Path, python: str, news: News) -> None:
        self._login = {name: settings.get(name) or "" for name in LOGIN}
        self._folder = folder
        self._python = python
        self._news = news
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: asyncio.WriteTransport | None = None
        self._events: asyncio.ReadTransport | None = None
        self._task: asyncio.Task[None] | None = None
        self._staged = Table()
        self._synced = False
        self._out = False
        self._leaving = False
        self._not_before = 0.0
        self._tries: Counter[int] = Counter()
        self.doomed: set[int] = set()
        """Queries that are to be stopped where they run, and deleted."""
        self.table = Table()
        self.owner = ""
        self.reason = ""
        """Why the controller cannot be reached."""
        self.refusal = ""
        """Why there is no sense in waiting: it is the login, the address or the interpreter."""

    @property
    def ready(self) -> bool:
        """The table is what the controller says, and orders arrive."""
        return self._synced and not self._out

    def open(self) -> None:
        """Log in, and stay logged in. A login that has been refused is not tried again at once."""
        now = asyncio.get_running_loop().time()
        if self._task is None and now >= self._not_before:
            self.refusal = ""
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self) -> None:
        """What has been asked for is finished behind our back."""
        self._leaving = True
        if self._synced:
            self._send({"op": "leave"})
        elif self._process is not None:
            self._process.kill()
        self._hang_up()
        if self._task is not None:
            self._task.cancel()

    def _hang_up(self) -> None:
        for pipe in (self._orders, self._events):
            if pipe is not None:
                pipe.close()

    def add(self, attempt: str, config: dict[str, Any]) -> None:
        self._send({"op": "add", "attempt": attempt, "config": config})

    def stop(self, serial: int) -> None:
        self._send({"op": "stop", "serial": serial})

    def doom(self, serial: int) -> None:
        """Stop the query if it runs, then delete it."""
        if serial in self.table.queries:
            self.doomed.add(serial)
            self._pursue(serial)

    def _pursue(self, serial: int) -> None:
        query = self.table.queries.get(serial)
        if query is None:
            self.doomed.discard(serial)
        elif self.ready:
            self._send({"op": "delete" if query.final else "stop", "serial": serial})

    def _send(self, order: dict[str, Any]) -> None:
        if self._orders is not None and not self._orders.is_closing():
            self._orders.write(json.dumps(order).encode() + b"\n")

    # ── the process ──────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        wait = _SHORTEST
        while not self._leaving:
            self._staged = Table()
            began = await self._one_life()
            self._synced = self._out = False
            self._news(self, "lost", {})
            if self.refusal:
                self._not_before = asyncio.get_running_loop().time() + REFUSED
                self._task = None
                return
            wait = _SHORTEST if began else min(2 * wait, _LONGEST)
            await asyncio.sleep(wait)

    async def _one_life(self) -> bool:
        """One gateway from its begin to its end. Whether it ever got as far as to log in."""
        try:
            process = self._process = self._spawn()
        except OSError as error:
            self.refusal = self.reason = f"{self._python} cannot be run: {error.strerror}"
            return False
        assert process.stdin is not None
        assert process.stdout is not None
        threading.Thread(target=process.wait, daemon=True).start()  # it may outlive us
        loop = asyncio.get_running_loop()
        self._orders, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
        reader = asyncio.StreamReader(_LINE)
        self._events, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), process.stdout
        )
        lock = blake2b(json.dumps(self._login, sort_keys=True).encode(), digest_size=6).hexdigest()
        lock = str(self._folder / f"deephaven-{lock}.lock")
        self._send({"op": "open", "lock": lock, "ping": PING, **self._login})
        hurry = loop.call_later(_OPENS, self._give_up, process)
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        except ValueError:  # it was killed in the middle of a line, or says what nobody can read
            self.reason = "the gateway has broken off"
        finally:
            hurry.cancel()
            self._hang_up()
            if not self._leaving:
                process.kill()
        if self._synced or not self.reason:
            self.reason = "the gateway has ended"
        return self._synced

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start a gateway. Raises `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / "deephaven.log"
        fresh = not path.exists() or path.stat().st_size > _LOG
        log = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND), 0o600)
        names = [name for name in os.environ if name in _KEPT or name.startswith("GRPC_")]
        try:
            return subprocess.Popen(
                (self._python, "-c", _PROGRAM),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={name: os.environ[name] for name in names},
                start_new_session=True,  # Ctrl-C is for us
            )
        finally:
            os.close(log)

    def _give_up(self, process: subprocess.Popen[bytes]) -> None:
        if not self._synced:
            self.reason = f"no login within {_OPENS:g} s"
            process.kill()

    def _hear(self, event: dict[str, Any]) -> None:
        ev = event.pop("ev")
        match ev:
            case "query" | "gone":
                self._put(ev, event)
            case "synced":
                self.table, self.owner = self._staged, event["owner"]
                self._synced, self.reason, self.refusal = True, "", ""
                for serial in list(self.doomed):
                    self._pursue(serial)
                self._news(self, ev, event)
            case "denied" | "unusable" | "down":
                self.reason = event["reason"]
                self.refusal = "" if ev == "down" else self.reason
            case "out" | "reach":
                self._out, self.reason = ev == "out", event["reason"]
                self._news(self, ev, event)
            case "failed":
                self._failed(event["serial"])
            case _:
                self._news(self, ev, event)

    def _put(self, ev: str, event: dict[str, Any]) -> None:
        table = self.table if self._synced else self._staged
        serial = event["serial"]
        if ev == "gone":
            table.remove(serial)
        else:
            mark = (event.pop("uid"), event.pop("attempt"))
            table.put(Query(mark=mark, **event))
        if self._synced:
            if serial in self.doomed:
                self._pursue(serial)
            self._news(self, ev, {"serial": serial})

    def _failed(self, serial: int) -> None:
        """An order has failed. To stop is asked for again by whoever wants it; to delete, here."""
        if serial not in self.doomed:
            return
        self._tries[serial] += 1
        if self._tries[serial] >= _TRIES:
            self.doomed.discard(serial)  # it stays; whoever looks at the queries sees it
            return
        asyncio.get_running_loop().call_later(_AGAIN, self._pursue, serial)
