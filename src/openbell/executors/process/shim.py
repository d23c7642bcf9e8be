"""The supervisor of one attempt: starts it once, watches it, ends it, and writes down how it ended.

It lives in a session of its own and outlives the engine. Whoever cannot take its lock knows that
it lives; whoever can, and finds no exit record, knows that it died.
"""

import fcntl
import json
import os
import signal
import time
from typing import Any, NoReturn

from openbell.executors.process import kernel
from openbell.executors.process.cache import consult, outcome
from openbell.executors.process.child import launch
from openbell.executors.process.proof import prove
from openbell.executors.process.watch import Watch, ring, signal_one, wake_pipe

_RECORD = 4096  # bytes kept free for the exit record, so that it can be written on a full disk
_BURIAL = 10.0  # seconds that killed processes may take to vanish


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
        self.output, self.child_output = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.output, False)
        self.watch = Watch(
            spec, output=self.output, wake=wake_pipe(), ooms=spec["ooms"], announce=self._announce
        )

    def run(self) -> None:
        key = ""
        if self.spec["cache"] is not None:
            key, entry = consult(self.spec, self.watch.wall)
            if entry is not None:
                self._finish(self.watch.recalled(outcome(entry, time.monotonic() - self.watch.began)))
                return
        try:
            child, error = launch(self.spec, self.child_output)
        except OSError as full:
            self._finish({"refused": f"cannot fork: {full.strerror}"})
            return
        os.close(self.child_output)
        if error:
            self._finish({"code": None, "started": False, "error": error})
            return
        _write(self.claim, {"child": child, "at": self.watch.wall})
        status, usage = self.watch.until_end(child) or (0, None)
        ended = time.monotonic()
        stragglers = _bury()
        self.watch.drain_all()
        end = self.watch.outcome(status, usage, ended) | {"stragglers": stragglers, "cache_key": key}
        prove(self.watch, end, self.spec["env"], _bury)
        self._finish(end)

    def _announce(self) -> bool:
        return ring(self.spec["bell"], "attempt " + self.spec["id"])

    def _reserve(self) -> int:
        """Room for the exit record."""
        record = os.open(self._path("exit.tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(record, 0, _RECORD)
        except (AttributeError, OSError):
            pass  # then the record takes its chance
        return record

    def _finish(self, end: dict[str, Any]) -> None:
        """The record appears in one piece, as the very last thing."""
        data = json.dumps(self.watch.close(end)).encode()
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


def _bury() -> int:
    """Kill whatever the child has left behind. Returns how many processes that were."""
    buried: set[int] = set()
    deadline = time.monotonic() + _BURIAL
    while True:
        try:
            pid, _, _ = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return len(buried)
        if pid:
            continue
        for orphan in kernel.descendants(os.getpid()):
            buried.add(orphan)
            signal_one(orphan, signal.SIGKILL)
        if time.monotonic() > deadline:
            return len(buried)
        time.sleep(0.001)


def _write(descriptor: int, data: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(data).encode() + b"\n")
