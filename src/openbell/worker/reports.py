"""What a worker tells: appended to a file of its attempt, one line each, and the engine is woken."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

from openbell.worker.checkpoint import Checkpoint

LONGEST = 64 * 1024
"""Bytes of one line; the engine cuts longer ones."""

_TOPICS = ("log", "metric")


def emit(topic: str, message: object = "", **data: Any) -> None:
    """Report a `log` message or a `metric`: `emit("metric", rows=10)`. Values become JSON.

    Raises ValueError for another topic, or when the report is longer than 64 KiB.
    """
    if topic not in _TOPICS:
        raise ValueError(f"a worker emits {' or '.join(_TOPICS)}, not {topic!r}")
    _report(topic, message, data)


def progress(done: float, total: float, message: object = "") -> None:
    """Say how far the task is."""
    _report("progress", message, {"done": done, "total": total})


def result(**values: Any) -> None:
    """Report results of the task: small JSON values by name, kept with the run. Later ones win."""
    _report("result", "", values)


def save_checkpoint(state: Any) -> None:
    """Save JSON data for the next attempt of this task: the same as `context().checkpoint.save(state)`."""
    Checkpoint(os.environ.get("OPENBELL_CHECKPOINT", "")).save(state)


def _report(topic: str, message: object, data: dict[str, Any]) -> None:
    event = {"topic": topic, "message": str(message), "data": data}
    text = json.dumps(event, default=_plain, ensure_ascii=False) + "\n"
    line = text.encode(errors="replace")  # names of files may hold bytes that are no text
    if len(line) > LONGEST:
        raise ValueError(f"a report of {len(line)} bytes is longer than {LONGEST}: write large data to files")
    path = os.environ.get("OPENBELL_EVENTS")
    if not path:
        print(line.decode().rstrip(), file=sys.stderr)  # noqa: T201
        return
    events = _opened(path)
    try:
        os.write(events, line)  # one write: lines of several processes do not mix
    finally:
        os.close(events)
    if topic != "result":
        _wake()


def _opened(path: str) -> int:
    """The file of reports; its folder is made when this is the first that there is to say."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        return os.open(path, flags, 0o600)


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy, Decimal and the like as Python's own; anything else as text."""
    for name in ("tolist", "to_list", "__float__"):
        convert = getattr(type(value), name, None)
        if callable(convert):
            return convert(value)
    return str(value)


def _wake() -> None:
    """Ring at the engine. It notices by itself, later, when this fails."""
    bell, attempt = os.environ.get("OPENBELL_BELL", ""), os.environ.get("OPENBELL_ATTEMPT", "")
    try:
        folder = os.open(os.path.dirname(bell), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(
                    f"attempt {attempt}".encode(),
                    f"/proc/self/fd/{folder}/{os.path.basename(bell)}",  # noqa: PTH119
                )
        finally:
            os.close(folder)
    except OSError:
        pass
