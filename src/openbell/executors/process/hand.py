"""The warm worker of a host: a process of the user's Python that takes one call after the other."""

import json
import os
import select
import signal
import socket
import time
from typing import Any

from openbell.executors.process import kernel
from openbell.executors.process.child import launch
from openbell.executors.process.watch import end_of, signal_group, signal_one

_PATIENCE = 5.0  # seconds in which a worker that has begun takes a call
_FAREWELL = 1.0  # seconds that a worker may take to leave
_BURIAL = 10.0  # seconds that killed processes may take to vanish


class Hand:
    """A worker that lives, or has lived. `said`: its last word about the call that it was given."""

    def __init__(self, pid: int, line: socket.socket, output: int) -> None:
        self.pid = pid
        self.line = line
        self.output = output
        self.end = end_of(pid)
        self.calls = 0
        self.said: dict[str, Any] | None = None
        self.mute = False
        self._received = b""

    @classmethod
    def hired(cls, spec: dict[str, Any]) -> tuple["Hand | None", str]:
        """A new worker, or why there is none. Raises OSError when there is no room for another process.

        `spec`: argv, env, cwd. The number of its line is added to the arguments.
        """
        ours, theirs = socket.socketpair()
        output, its_output = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_inheritable(theirs.fileno(), True)
            pid, error = launch({**spec, "argv": [*spec["argv"], str(theirs.fileno())]}, its_output)
        except OSError:
            ours.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(its_output)
        if error:
            ours.close()
            os.close(output)
            return None, error
        ours.setblocking(False)
        os.set_blocking(output, False)
        return cls(pid, ours, output), ""

    @property
    def descriptors(self) -> list[int]:
        """What has news when it has died, or prints without a call."""
        return [self.output] if self.end is None else [self.output, self.end]

    def idles(self) -> bool:
        """Whether it is there for the next call. What it has printed since the last one goes nowhere."""
        try:
            while os.read(self.output, 1 << 16):
                pass
            return False  # it has closed its output
        except BlockingIOError:
            pass
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def ask(self, request: dict[str, Any]) -> None:
        """Give it a call. When it has died, its end tells."""
        told = {name: request[name] for name in ("call", "env", "mark")}
        self.said = None
        self.calls += 1
        data = json.dumps(told).encode() + b"\n"
        try:
            sent = self.line.send(data)
            if sent < len(data):
                self._insist(data[sent:])
        except BlockingIOError:
            self._insist(data)
        except OSError:
            pass

    def _insist(self, data: bytes) -> None:
        """It does not take what it is sent at once."""
        self.line.settimeout(_PATIENCE)
        try:
            self.line.sendall(data)
        except TimeoutError:
            signal_group(self.pid, signal.SIGKILL)
        except OSError:
            pass
        self.line.setblocking(False)

    def hear(self) -> bool:
        """Take what it says; True when it has said how its call came out, or will never say."""
        try:
            data = self.line.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.mute = True
            return True
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self.said = json.loads(line)
        return self.said is not None

    def dismiss(self) -> None:
        """Let it go: ask, and then insist, and wait until nothing of it is left."""
        self.line.close()
        if self.end is not None:
            poller = select.poll()
            poller.register(self.end, select.POLLIN)
            poller.poll(_FAREWELL * 1000)
        signal_group(self.pid, signal.SIGKILL)
        bury()
        self.close()

    def close(self) -> None:
        """Forget it: it has ended."""
        self.line.close()
        os.close(self.output)
        if self.end is not None:
            os.close(self.end)


def bury(spared: int = 0) -> int:
    """Kill all descendants but this one, and wait until they are gone: how many there were."""
    buried: set[int] = set()
    deadline = time.monotonic() + _BURIAL
    while True:
        left = [pid for pid in kernel.descendants(os.getpid()) if pid != spared]
        living = [pid for pid in left if kernel.exists(pid)]
        buried.update(living)
        for pid in living:
            signal_one(pid, signal.SIGKILL)
        for pid in left:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass  # its parent is another one, who has to see to it
        if not living or time.monotonic() > deadline:
            return len(buried)
        time.sleep(0.001)
