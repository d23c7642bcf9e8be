"""Forks a shim for every request that comes over its socket; leaves when the engine does.

It is started once, before there is anything worth copying: one thread, few pages, nothing open. A
warm one has imported the modules of `preload` beforehand, and its children find them there.
"""

import gc
import json
import os
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

from openbell.executors.process import kernel
from openbell.executors.process.host import serve
from openbell.executors.process.shim import supervise

HEADER = struct.Struct("!I")
"""Each message is preceded by its length."""


def main(arguments: list[str]) -> NoReturn:
    """`descriptor module ...`: serve the socket, with these modules imported."""
    line = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(line.fileno(), False)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)  # SIGCHLD ignored: shims are reaped by the kernel
    _tell(line, _preload(arguments[1:]))
    kernel.set_name("openbell-zygote")
    always = {
        "boot": kernel.boot_id(),
        "ooms": kernel.oom_kills(),
        "keep": _descriptors() - {line.fileno()} | {0, 1, 2},
    }
    gc.disable()  # a collection would write to every page that the children share
    gc.freeze()
    while (spec := _hear(line)) is not None:
        spec.update(always)
        if "host" in spec:
            _fork_host(spec, line)
            continue
        try:
            pid = os.fork()
        except OSError as error:
            _tell(line, {"id": spec["id"], "error": f"cannot fork: {error.strerror}"})
            continue
        if pid == 0:
            line.close()
            supervise(spec)
        _tell(line, {"id": spec["id"], "pid": pid})
    os._exit(0)


def _fork_host(spec: dict[str, Any], line: socket.socket) -> None:
    """Fork a host, and send the engine's end of its link along with its pid."""
    engines, link = socket.socketpair()
    with engines, link:
        try:
            pid = os.fork()
        except OSError as error:
            _tell(line, {"host": spec["host"], "error": f"cannot fork: {error.strerror}"})
            return
        if pid == 0:
            line.close()
            engines.close()
            serve(spec, link)
        message = json.dumps({"host": spec["host"], "pid": pid}).encode() + b"\n"
        try:
            socket.send_fds(line, [message], [engines.fileno()])
        except OSError:
            os._exit(0)


HARMLESS = {
    "jemalloc_bg_thd": "jemalloc holds its own locks over a fork, and goes on without these threads",
    "polars-ooc-clea": "deletes files of spilled queries; it sleeps until there are some",
}
"""Threads, by the name that the kernel shows, whose loss in a fork is known to do no harm. (docs/adr/0003)"""


def _preload(modules: list[str]) -> dict[str, Any]:
    """Import the modules. One that starts a thread is refused by name: a fork would lose the thread."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", "background_thread:false")
    for name in modules:
        before = _threads()
        try:
            __import__(name)
        except BaseException as error:  # a module may even leave (SystemExit)
            return {"ready": False, "module": name, "error": f"{type(error).__name__}: {error}"}
        if started := {thread: title for thread, title in _threads().items() if thread not in before}:
            titles = ", ".join(sorted(set(started.values())))
            return {"ready": False, "module": name, "error": f"it starts threads when imported ({titles})"}
    return {"ready": True}


def _descriptors() -> set[int]:
    """What is open by now: the modules of `preload` may need it in the children."""
    try:
        listed = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return set()
    return {descriptor for descriptor in listed if _is_open(descriptor)}  # that of the listing is not


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _threads() -> dict[int, str]:
    """The threads of this process that a fork must not lose, by id and name."""
    try:
        listed = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        import threading

        return {thread.ident or 0: thread.name for thread in threading.enumerate()}
    named = {thread: kernel.read(f"/proc/self/task/{thread}/comm").strip() for thread in listed}
    return {thread: name for thread, name in named.items() if name not in HARMLESS}


def _hear(line: socket.socket) -> dict[str, Any] | None:
    """The next request; None when the engine is gone."""
    header = _read(line, HEADER.size)
    body = _read(line, HEADER.unpack(header)[0]) if header else b""
    return json.loads(body) if body else None


def _read(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            part = line.recv(size - len(data))
        except ConnectionResetError:  # the engine was killed with something unread
            return b""
        if not part:
            return b""
        data += part
    return data


def _tell(line: socket.socket, message: dict[str, Any]) -> None:
    try:
        line.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
