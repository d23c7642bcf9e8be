"""The engine's end of a zygote: asks for shims, hears their pids, notices when the zygote is gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openbell.executors.process.zygote import HEADER

_MOST_LINKS = 64  # descriptors that are taken at once
_PATIENCE = 1.0  # seconds that a zygote may take to leave; the engine waits
_SOURCE = str(Path(__file__).parents[3])
_BOOT = (
    "import sys; sys.path.insert(0, {source!r}); "
    "from openbell.executors.process.zygote import main; "
    "sys.path[:] = [path for path in sys.path[1:] if path]; main(sys.argv[1:])"
)


class Spawner:
    """One zygote. `hear` is called with each of its messages, and with None when it has died."""

    def __init__(
        self,
        folder: Path,
        hear: Callable[[dict[str, Any] | None], None],
        *,
        python: str | None = None,
        preload: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self._hear = hear
        self._unsent = b""
        self._received = b""
        self._links: list[int] = []
        """Descriptors that have come with messages, in their order."""
        ours, theirs = socket.socketpair()
        bare = [] if preload else ["-I", "-S"]
        errors = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        program = _BOOT.format(source=_SOURCE)
        self._process = subprocess.Popen(
            [python or sys.executable, *bare, "-c", program, str(theirs.fileno()), *preload],
            cwd=folder,
            env=env if env is not None else {"PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=(theirs.fileno(),),
        )
        os.close(errors)
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ours, self._read)

    def spawn(self, spec: dict[str, Any]) -> None:
        """Ask for a shim or a host."""
        body = json.dumps(spec).encode()
        self._unsent += HEADER.pack(len(body)) + body
        self._write()

    @property
    def ended(self) -> str:
        """How the zygote has ended."""
        code = self._process.wait()
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def close(self, *, kill: bool = False) -> None:
        """Let the zygote go; its shims stay. `kill`: it may not listen."""
        if kill:
            self._process.kill()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for link in self._links:
            os.close(link)
        self._links.clear()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # somebody has stopped it
            self._process.kill()
            self._process.wait()

    def _write(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # it has died: the reader hears that
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            data, links, _, _ = socket.recv_fds(self._socket, 1 << 16, _MOST_LINKS)
        except BlockingIOError:
            return
        except OSError:
            data, links = b"", []
        self._links += links
        if not data:
            self.close()
            self._hear(None)
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "host" in message and "pid" in message:
                message["link"] = self._links.pop(0)
            self._hear(message)
