"""The supervisor of one attempt: starts it once, watches it, ends it, and writes down how it ended.

It lives in a session of its own and outlives the engine. Whoever cannot take its lock knows that
it lives; whoever can, and finds no exit record, knows that it died.
"""

import fcntl
import json
import os
import select
import signal
import socket
import time
from typing import Any, NoReturn

from openbell.executors.process import kernel
from openbell.executors.process.child import become
from openbell.executors.process.logfile import LogFile

_RECORD = 4096  # bytes kept free for the exit record, so that it can be written on a full disk
_MEMORY_TICK = 0.25  # seconds between looks at the memory of a capped attempt
_QUIET = 0.01  # seconds that a child lives before its start is announced; short ones just end
_SETTLED = 1.0  # seconds after which the kernel's count of memory kills is worth a look
_DRAIN = 1 << 20  # bytes taken from the pipe at most before looking at anything else


def supervise(spec: dict[str, Any]) -> NoReturn:
    """Supervise the attempt of this spec to its end. Leaves at once when it is claimed already."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kernel.become_subreaper()
    kernel.set_name("openbell-shim")
    _make_folder(spec["dir"])
    if _lock(spec) and (claim := _claim(spec)) is not None:
        _Shim(spec, claim).run()
    os._exit(0)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass  # an engine has looked for this attempt
    except FileNotFoundError:
        os.makedirs(path, 0o700, exist_ok=True)


def _lock(spec: dict[str, Any]) -> bool:
    """Take the lock for life. The descriptor stays open until this process is gone."""
    lock = os.open(os.path.join(spec["dir"], "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False  # an engine is finding out what became of this attempt
    return True


def _claim(spec: dict[str, Any]) -> int | None:
    """The right to start: given once, for ever."""
    path = os.path.join(spec["dir"], "claim")
    try:
        claim = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return None
    _write(claim, {"shim": os.getpid(), "boot": spec["boot"], "mark": spec["mark"]})
    return claim


class _Shim:
    """One life: start, watch, end."""

    def __init__(self, spec: dict[str, Any], claim: int) -> None:
        self.spec = spec
        self.claim = claim
        self.record = self._reserve()
        self.log = LogFile(spec["dir"], spec["log_cap"])
        self.wake, wake_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.reason = ""
        self.kill_at: float | None = None
        self.killed = False
        self.ooms: int = spec["ooms"]
        self.settled = False
        self.ring_at: float | None = None
        self.look_at = 0.0

    def run(self) -> None:
        self.began, self.wall = time.monotonic(), time.time()
        self.ring_at = self.began + _QUIET
        self.output, child_output = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output, False)
        failed, failure = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        try:
            self.child = os.fork()
        except OSError as full:
            self._finish({"refused": f"cannot fork: {full.strerror}"})
            return
        if self.child == 0:
            signal.set_wakeup_fd(-1)
            become(self.spec, parent, child_output, failure)  # never returns
        os.close(child_output)
        os.close(failure)
        error = os.read(failed, 4096).decode(errors="replace")
        os.close(failed)
        if error:
            os.waitpid(self.child, 0)
            self._finish({"code": None, "started": False, "error": error})
            return
        _write(self.claim, {"child": self.child, "at": self.wall})
        status, usage = self._watch()
        ended = time.monotonic()
        stragglers = self._bury()
        self._drain_all()
        self._finish(self._outcome(status, usage, ended - self.began, stragglers))

    # ── watching ─────────────────────────────────────────────────────────────────────────────

    def _watch(self) -> tuple[int, Any]:
        """Wait for the child's end, and bring it about when its time or memory is up."""
        poller = select.poll()
        poller.register(self.output, select.POLLIN)
        poller.register(self.wake, select.POLLIN)
        end = _end_of(self.child)
        if end is not None:
            poller.register(end, select.POLLIN)
        if os.path.exists(self._path("stop")):  # the signal came before there was somebody to hear it
            self._asked_to_stop()
        while True:
            ready = [descriptor for descriptor, _ in poller.poll(self._patience(polling=end is None))]
            if self.output in ready and not self._drain():
                poller.unregister(self.output)
            pid, status, usage = os.wait4(self.child, os.WNOHANG)
            if pid:
                if end is not None:
                    os.close(end)
                return status, usage
            if self.wake in ready:  # not before it is known that the child has not ended by itself
                os.read(self.wake, 512)
                self._asked_to_stop()
            self._note_age()
            self._reap_orphans()
            self._check_limits()

    def _patience(self, *, polling: bool) -> float:
        """Milliseconds until something is due."""
        now = time.monotonic()
        due = [now + 60.0]
        if not self.settled:
            due.append(self.began + _SETTLED)
        if self.ring_at is not None:
            due.append(self.ring_at)
        if self.kill_at is not None and not self.killed:
            due.append(self.kill_at)
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
        if self.ring_at is not None and now >= self.ring_at:
            heard = ring(self.spec["bell"], "attempt " + self.spec["id"])
            self.ring_at = None if heard else now + min(2 * (now - self.began), 1.0)
        if not self.settled and now >= self.began + _SETTLED:
            self.settled = True
            self.ooms = kernel.oom_kills()

    def _check_limits(self) -> None:
        now = time.monotonic()
        timeout, cap = self.spec["timeout"], self.spec["memory"]
        if timeout is not None and not self.reason and now >= self.began + timeout:
            self._stop("timeout", self.spec["grace"])
        if cap and not self.killed and now >= self.look_at:
            self.look_at = now + _MEMORY_TICK
            if self._too_large(cap):
                self.reason = self.reason or "memory"
                self._kill()
        if self.killed or (self.kill_at is not None and now >= self.kill_at):
            self._kill()

    def _too_large(self, cap: int) -> bool:
        pids = kernel.descendants(os.getpid())
        return kernel.memory(pids) > cap and kernel.proportional_memory(pids) > cap

    def _asked_to_stop(self) -> None:
        """SIGTERM: the engine says why in the file `stop`; without it, somebody else wants us gone."""
        try:
            with open(self._path("stop")) as file:
                asked = json.load(file)
        except (OSError, ValueError):
            asked = {}
        if not isinstance(asked, dict) or not isinstance(asked.get("grace"), int | float):
            asked = {"reason": "terminated", "grace": self.spec["grace"]}
        self._stop(str(asked.get("reason")), asked["grace"])

    def _stop(self, reason: str, grace: float) -> None:
        self.reason = self.reason or reason
        kill_at = time.monotonic() + grace
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)
        _signal_group(self.child, signal.SIGTERM)

    def _kill(self) -> None:
        """The whole tree, until nothing of it is left to kill."""
        self.killed = True
        _signal_group(self.child, signal.SIGKILL)
        for pid in kernel.descendants(os.getpid()):
            _signal(pid, signal.SIGKILL)

    def _reap_orphans(self) -> None:
        """Descendants that became ours and have ended. The child's own status is not for here."""
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid in (0, self.child):
                return
            os.waitpid(ended.si_pid, 0)

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _bury(self) -> int:
        """Kill whatever the child has left behind. Returns how many processes that were."""
        buried: set[int] = set()
        deadline = time.monotonic() + 10
        while True:
            try:
                pid, _, _ = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return len(buried)
            if pid:
                continue
            for orphan in kernel.descendants(os.getpid()):
                buried.add(orphan)
                _signal(orphan, signal.SIGKILL)
            if time.monotonic() > deadline:
                return len(buried)
            time.sleep(0.001)

    def _outcome(self, status: int, usage: Any, elapsed: float, stragglers: int) -> dict[str, Any]:
        code: int | None = None
        name = ""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
        else:
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
        starved = name == "SIGKILL" and not self.reason and kernel.oom_kills() > self.ooms
        return {
            "code": code,
            "signal": name,
            "stopped": self.reason or None,
            "oom": starved,
            "elapsed": elapsed,
            "peak_rss": usage.ru_maxrss * 1024,
            "cpu": usage.ru_utime + usage.ru_stime,
            "stragglers": stragglers,
        }

    def _drain(self) -> bool:
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
            taken += len(data)
        return True

    def _drain_all(self) -> None:
        """What the dead have written. Somebody who escaped us may hold the pipe: do not wait for him."""
        received = -1
        while received != self.log.received:
            received = self.log.received
            if not self._drain():
                return

    def _reserve(self) -> int:
        """Room for the exit record."""
        record = os.open(self._path("exit.tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(record, 0, _RECORD)
        except (AttributeError, OSError):
            pass  # then the record takes its chance
        return record

    def _finish(self, outcome: dict[str, Any]) -> None:
        """The record appears in one piece, as the very last thing."""
        self.log.close()
        outcome.update(log_bytes=self.log.received, log_dropped=self.log.dropped, at=time.time())
        data = json.dumps(outcome).encode()
        os.pwrite(self.record, data, 0)
        os.ftruncate(self.record, len(data))
        if self.spec["power"]:
            os.fsync(self.record)
        try:
            os.rename(self._path("exit.tmp"), self._path("exit"))
        except OSError:
            self._insist(data)

    def _insist(self, data: bytes) -> None:
        """The worker has removed its folder, or put something in the way of the record."""
        import shutil  # seldom needed, and slow to import

        shutil.rmtree(self._path("exit"), ignore_errors=True)
        _make_folder(self.spec["dir"])
        with open(self._path("exit.tmp"), "wb") as record:
            record.write(data)
        os.rename(self._path("exit.tmp"), self._path("exit"))

    def _path(self, name: str) -> str:
        return os.path.join(self.spec["dir"], name)


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


def _end_of(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass


def _write(descriptor: int, data: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(data).encode() + b"\n")
