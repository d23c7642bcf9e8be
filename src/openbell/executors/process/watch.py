"""One attempt under watch: its output, its limits, its end. Shims and hosts have this in common."""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from openbell.executors.process import kernel
from openbell.executors.process.logfile import LogFile

_MEMORY_TICK = 0.25  # seconds between looks at the memory of a capped attempt
_QUIET = 0.01  # seconds that a child lives before its start is announced; short ones just end
_SETTLED = 1.0  # seconds after which the kernel's count of memory kills is worth a look
_DRAIN = 1 << 20  # bytes taken from the pipe at most before looking at anything else


class Watch:
    """Watches the child of one attempt, and brings its end about when its time or memory is up.

    `output`: the pipe that it writes to, `wake`: a pipe that signals write to, `announce`: tells an engine
    that the attempt runs, and gives False when it has to be told again.
    """

    def __init__(
        self, spec: dict[str, Any], *, output: int, wake: int, ooms: int, announce: Callable[[], bool]
    ) -> None:
        self.spec = spec
        self.log = LogFile(spec["dir"], spec["log_cap"])
        self.output = output
        self.wake = wake
        self.ooms = ooms
        self.announce = announce
        self.child = 0
        self.reason = ""
        self.kill_at: float | None = None
        self.killed = False
        self.settled = False
        self.look_at = 0.0
        self.marker = _Marker(spec["marker"]["output"]) if spec["marker"] else None
        self.linger_at: float | None = None
        self.lingered = False
        if spec["folder"]:
            os.makedirs(spec["folder"], 0o700, exist_ok=True)
        self.began, self.wall = time.monotonic(), time.time()
        self.announce_at: float | None = self.began + _QUIET

    def renew(self, output: int) -> None:
        """Another child comes: what has brought about the end of the last one is no matter any more."""
        self.output = output
        self.marker = None
        self.linger_at = None
        self.kill_at = None
        self.killed = False

    def until_end(
        self, child: int, others: Mapping[int, Callable[[], bool]] | None = None, known: int | None = None
    ) -> tuple[int, Any] | None:
        """Wait for the end of the child: its status and usage.

        `others`: what to do about other descriptors that have news. One that gives True ends the waiting,
        with None. `known`: the descriptor that tells its end, where there is one already.
        """
        self.child = child
        others = others or {}
        poller = select.poll()
        for descriptor in (self.output, self.wake, *others):
            poller.register(descriptor, select.POLLIN)
        end = end_of(child) if known is None else known
        if end is not None:
            poller.register(end, select.POLLIN)
        try:
            return self._wait(poller, others, polling=end is None)
        finally:
            if end is not None and known is None:
                os.close(end)

    def _wait(
        self, poller: select.poll, others: Mapping[int, Callable[[], bool]], *, polling: bool
    ) -> tuple[int, Any] | None:
        if os.path.exists(self._stop_file):  # the signal came before there was somebody to hear it
            self.asked_to_stop()
        while True:
            ready = [descriptor for descriptor, _ in poller.poll(self._patience(polling=polling))]
            if self.output in ready and not self.drain():
                poller.unregister(self.output)
            news = [others[descriptor]() for descriptor in ready if descriptor in others]
            if any(news):
                return None
            pid, status, usage = os.wait4(self.child, os.WNOHANG)
            if pid:
                return status, usage
            if self.wake in ready:  # not before it is known that the child has not ended by itself
                os.read(self.wake, 512)
                self.asked_to_stop()
            self._note_age()
            self._reap_orphans()
            self._check_limits()

    def _patience(self, *, polling: bool) -> float:
        """Milliseconds until something is due."""
        now = time.monotonic()
        due = [now + 60.0]
        if not self.settled:
            due.append(self.began + _SETTLED)
        if self.announce_at is not None:
            due.append(self.announce_at)
        if self.kill_at is not None and not self.killed:
            due.append(self.kill_at)
        if self.linger_at is not None:
            due.append(self.linger_at)
        if self.spec["timeout"] is not None and not self.reason:
            due.append(self.began + self.spec["timeout"])
        if self.spec["memory"] and not self.killed:
            due.append(self.look_at)
        if polling or self.killed:
            due.append(now + 0.05)
        return max(0.0, (min(due) - now) * 1000 + 0.5)

    def _note_age(self) -> None:
        """What is done only for children that live for a while."""
        now = time.monotonic()
        if self.announce_at is not None and now >= self.announce_at:
            heard = self.announce()
            self.announce_at = None if heard else now + min(2 * (now - self.began), 1.0)
        if not self.settled and now >= self.began + _SETTLED:
            self.settled = True
            self.ooms = kernel.oom_kills()

    def _check_limits(self) -> None:
        now = time.monotonic()
        timeout, cap = self.spec["timeout"], self.spec["memory"]
        if timeout is not None and not (self.reason or self.lingered) and now >= self.began + timeout:
            self.stop("timeout", self.spec["grace"])
        if self.linger_at is not None and now >= self.linger_at:
            self.linger_at = None
            self.lingered = True
            self.stop("", self.spec["grace"])
        if cap and not self.killed and now >= self.look_at:
            self.look_at = now + _MEMORY_TICK
            if _too_large(cap):
                self.reason = self.reason or "memory"
                self._kill()
        if self.killed or (self.kill_at is not None and now >= self.kill_at):
            self._kill()

    def asked_to_stop(self) -> None:
        """SIGTERM: the engine says why in the file `stop`; without it, somebody else wants us gone."""
        try:
            with open(self._stop_file) as file:
                asked = json.load(file)
        except (OSError, ValueError):
            asked = {}
        if not isinstance(asked, dict) or not isinstance(asked.get("grace"), int | float):
            asked = {"reason": "terminated", "grace": self.spec["grace"]}
        self.stop(str(asked.get("reason")), asked["grace"])

    @property
    def _stop_file(self) -> str:
        return os.path.join(self.spec["dir"], "stop")

    def stop(self, reason: str, grace: float) -> None:
        """Ask the child to end; after `grace` seconds, insist. No reason: it has done what it was for."""
        self.reason = self.reason or reason
        kill_at = time.monotonic() + grace
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
        signal_group(self.child, signal.SIGTERM)

    def _kill(self) -> None:
        """The whole tree, until nothing of it is left to kill."""
        self.killed = True
        signal_group(self.child, signal.SIGKILL)
        for pid in kernel.descendants(os.getpid()):
            signal_one(pid, signal.SIGKILL)

    def _reap_orphans(self) -> None:
        """Descendants that became ours and have ended. The child's own status is not for here."""
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in (0, self.child):
                return
            os.waitpid(ended.si_pid, 0)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def outcome(self, status: int, usage: Any, ended: float) -> dict[str, Any]:
        """What a record says about a child that has ended. `ended`: when, by the monotonic clock."""
        code: int | None = None
        name = ""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
        else:
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        return {
            "code": code,
            "signal": name,
            "stopped": self.reason or None,
            "ended_after_marker": self.lingered and not self.reason,
            "oom": name == "SIGKILL"
            and not self.reason
            and not self.lingered
            and kernel.oom_kills() > self.ooms,
            "elapsed": ended - self.began,
            "peak_rss": usage.ru_maxrss * 1024,
            "cpu": usage.ru_utime + usage.ru_stime,
        }

    def recalled(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """The same, for one whose result was kept: its log says so."""
        self.log.write(f"[openbell: not run; this is the result of {outcome['cached']}]\n".encode())
        return outcome

    def close(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """The record: the outcome with what is to be said about the log, and the time."""
        self.log.close()
        outcome.update(log_bytes=self.log.received, log_dropped=self.log.dropped, at=time.time())
        return outcome

    def drain(self) -> bool:
        """Take what is in the pipe; False when nobody can write to it any more."""
        taken = 0
        while taken < _DRAIN:
            try:
                data = os.read(self.output, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.log.write(data)
            if self.marker is not None and self.marker.is_in(data):
                self.marker = None
                self.linger_at = time.monotonic() + self.spec["marker"]["linger"]
            taken += len(data)
        return True

    def drain_all(self) -> None:
        """What the dead have written. Somebody who escaped us may hold the pipe: do not wait for him."""
        received = -1
        while received != self.log.received:
            received = self.log.received
            if not self.drain():
                return


class _Marker:
    """A text in a stream of bytes, wherever the pieces are cut."""

    def __init__(self, text: str) -> None:
        self.wanted = text.encode()
        self.before = b""

    def is_in(self, data: bytes) -> bool:
        """Whether it is in what has come so far."""
        joined = self.before + data
        self.before = joined[-(len(self.wanted) - 1) :] if len(self.wanted) > 1 else b""
        return self.wanted in joined


def _too_large(cap: int) -> bool:
    pids = kernel.descendants(os.getpid())
    return kernel.memory(pids) > cap and kernel.proportional_memory(pids) > cap


def ring(bell: str, message: str) -> bool:
    """Wake the engine, if there is one. False: there is one, and it is too busy to hear it now."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
            line.sendto(message.encode(), bell)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the next engine looks by itself
    return True


def wake_pipe() -> int:
    """A pipe that gets a byte with each SIGTERM; its end to read from."""
    wake, wake_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    return wake


def end_of(pid: int) -> int | None:
    """A descriptor that is readable when the process has ended, where the kernel has such."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def signal_one(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def signal_group(leader: int, number: int) -> None:
    if leader <= 0:
        return  # nobody yet
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass
