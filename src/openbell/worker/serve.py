"""A warm worker: takes one call after the other from its supervisor, and is for each as new as it can be.

What a call may leave behind for the next is what modules keep. Everything else is put back: environment,
folder, signals, streams. When threads or children of a call go on, or a module has changed on the disk, the
process ends as Python does, and another one takes its place.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from openbell.worker.call import call, guarded, search_here
from openbell.worker.context import context

_FAR = 500  # descriptors from here on: out of the way of what calls open


Carry = Callable[[str, dict[str, str]], tuple[int, dict[str, Any] | None]]
"""Carries out what is asked for, in this environment: its exit status and its result."""


def main(descriptor: int, carry: Carry | None = None) -> None:
    """Serve the line until it is closed. `carry`: what a request asks for; without it, a call."""
    line = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FAR)
    _Worker(line, carry or _called).serve()


def _called(target: str, environ: dict[str, str]) -> tuple[int, dict[str, Any] | None]:
    return guarded(lambda: call(target, context(environ)))


class _Worker:
    """This process, and what it was like before its first call."""

    def __init__(self, line: int, carry: Carry) -> None:
        self.carry = carry
        self.line = socket.socket(fileno=line)
        self.pid = os.getpid()
        search_here()
        self.folder = sys.path[0]
        self.path = [*sys.path]
        self.environ = _Environ()
        self.output = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, _FAR)
        self.streams = (sys.stdin, sys.stdout, sys.stderr)
        self.threads = _threads()
        self.modules: dict[str, tuple[int, ...]] = {}
        """Files of imported modules in the folder of the pipeline, as they were."""
        self.known = 0

    def serve(self) -> None:
        requests = self.line.makefile("rb")
        for text in requests:
            request = json.loads(text)
            if self._stale():
                self._say({"stale": True})
                return
            environ = self._renew(request)
            said = self._carry_out(request["call"], environ)
            if os.getpid() != self.pid:
                os._exit(said["code"])  # a fork that the call has let run into our house
            self._say(said)
            if said["leave"]:
                sys.exit(said["code"])

    def _carry_out(self, target: str, environ: dict[str, str]) -> dict[str, Any]:
        """One call: how it came out, and what it took."""
        _begin_peak()
        before = _seconds()
        code, found = self.carry(target, environ)
        code = _flushed() or code
        self._note_modules()
        said = {"code": code, "result": found or {}, "leave": self._goes_on(), "cpu": _seconds() - before}
        return said | {"peak_rss": _peak()}

    def _say(self, what: dict[str, Any]) -> None:
        self.line.sendall(json.dumps(what, ensure_ascii=False).encode(errors="replace") + b"\n")

    # ── as new ───────────────────────────────────────────────────────────────────────────────

    def _renew(self, request: dict[str, Any]) -> dict[str, str]:
        """Put everything back that a call may have changed, and take over what this one is told.

        Gives its environment.
        """
        wanted = self.environ.renew(request["env"])
        os.chdir(self.folder)
        for descriptor in (1, 2):
            os.dup2(self.output, descriptor)
        sys.stdin, sys.stdout, sys.stderr = self.streams
        if sys.stdout.closed or sys.stderr.closed:
            sys.stdout, sys.stderr = (_stream(number) for number in (1, 2))
            self.streams = (sys.stdin, sys.stdout, sys.stderr)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if sys.path != self.path:
            sys.path[:] = self.path
        sys.argv = [request["call"]]
        _name(request["mark"])
        if request["call"].partition(":")[0] not in sys.modules:
            importlib.invalidate_caches()
        return wanted

    def _note_modules(self) -> None:
        """Remember the files of modules of the pipeline's folder, when there are new modules."""
        if len(sys.modules) == self.known:
            return
        self.known = len(sys.modules)
        inside = self.folder.rstrip("/") + "/"
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(inside) and file not in self.modules:
                self.modules[file] = _version(file)

    def _stale(self) -> bool:
        """Whether a module has changed since it was imported."""
        return any(_version(file) != version for file, version in self.modules.items())

    def _goes_on(self) -> bool:
        """Whether something of the call goes on that has to be waited for as Python does at its end."""
        if _threads() > self.threads:
            return True
        processes = sys.modules.get("multiprocessing.process")
        return bool(processes is not None and processes.active_children())


def _threads() -> int:
    """How many threads Python has begun: those of a virtual machine in this process are its own affair."""
    return sum(not isinstance(thread, threading._DummyThread) for thread in threading.enumerate())


class _Environ:
    """The environment of this process: what it has begun with, and over that what a call is told."""

    def __init__(self) -> None:
        self._ours = os.environ
        self._base = dict(os.environ)
        self._told: dict[str, str] = {}
        self._left = self._behind()

    def renew(self, told: dict[str, str]) -> dict[str, str]:
        """Make it what it was at the beginning, but for what this call is told. Gives all of it."""
        ours = self._ours
        if self._behind() != self._left:  # the call before has changed something
            for name in ours.keys() - self._base.keys():
                del ours[name]
            ours.update(self._base)
            self._told = {}
        for name in self._told.keys() - told.keys():
            if name in self._base:
                ours[name] = self._base[name]
            else:
                del ours[name]
        ours.update(told.items() - self._told.items())
        self._told = told
        self._left = self._behind()
        return {**self._base, **told}

    def _behind(self) -> dict[bytes, bytes]:
        """A copy of the dictionary that it keeps: one through its front takes as long as a small call."""
        return dict(self._ours._data)  # type: ignore[attr-defined]


def _flushed() -> int:
    """Write out what is buffered. 120 when that fails, as Python has it."""
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            code = 120 if stream is sys.stdout and not getattr(stream, "closed", True) else code
    return code


def _stream(number: int) -> Any:
    return open(number, "w", buffering=1, closefd=False, errors="backslashreplace")


def _version(file: str) -> tuple[int, ...]:
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _seconds() -> float:
    """User and system time of this process and its children."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _name(mark: str) -> None:
    """The name that the kernel shows, which forks inherit: what is left of a call is found by it."""
    _put("/proc/self/comm", mark.encode())


def _begin_peak() -> None:
    """From here on the kernel notes the largest amount of memory anew."""
    _put("/proc/self/clear_refs", b"5")


def _put(path: str, data: bytes) -> None:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # not on this platform
    try:
        os.write(file, data)
    except OSError:
        pass
    finally:
        os.close(file)


def _peak() -> int:
    """Bytes of memory that this process has held at most since `_begin_peak`."""
    try:
        file = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(file, 4096)
        finally:
            os.close(file)
        return int(text.partition(b"VmHWM:")[2].split(None, 1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
