"""Reads what a worker reports: one JSON object a line, from a file that anybody could have written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbell.executors.process.files import open_regular

LONGEST_LINE = 64 * 1024
"""Bytes of one event; a longer one is cut and kept as log text."""

_MOST = 16 * 1024 * 1024  # bytes of events of one attempt that are read at once
_TOPICS = ("log", "metric", "progress", "result")


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a worker. `end`: position in the file after it."""

    topic: str
    message: str
    data: dict[str, Any]
    end: int


def read_events(path: Path, start: int) -> Iterator[Said]:
    """The complete events behind position `start`; of a flood, the beginning."""
    yield from _read(path, start, _MOST)


def read_result(path: Path) -> dict[str, Any]:
    """What the worker has reported as its result, later values over earlier ones.

    Of a flood the beginning and the end are searched.
    """
    try:
        size = os.stat(path).st_size
    except OSError:
        return {}
    spans = [(0, size)] if size <= 2 * _MOST else [(0, _MOST), (size - _MOST, size)]
    found: dict[str, Any] = {}
    for start, end in spans:
        for said in _read(path, start, end):
            if said.topic == "result":
                found |= said.data
    return found


def _read(path: Path, start: int, end: int) -> Iterator[Said]:
    try:
        with open_regular(path) as file:
            file.seek(start)
            data = file.read(max(0, end - start))
    except OSError:
        return
    position = start
    *lines, _unfinished = data.split(b"\n")
    for line in lines:
        position += len(line) + 1
        if line.strip():
            yield _parse(line, position)


def _nothing(_: str) -> None:
    """NaN and the infinities: no other reader of JSON would take them."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _parse(line: bytes, end: int) -> Said:
    try:
        if len(line) > LONGEST_LINE:
            raise ValueError("too long")
        event = json.loads(line.decode(errors="replace"), parse_constant=_nothing, parse_float=_finite)
        if b"\\ud" in line.lower():  # half a surrogate pair is text that nobody can store
            event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
        topic, message, data = event["topic"], event.get("message", ""), event.get("data", {})
        if topic in _TOPICS and isinstance(message, str) and isinstance(data, dict):
            return Said(topic, message, data, end)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    text = line[:LONGEST_LINE].decode(errors="replace")
    return Said("log", text, {"malformed": True}, end)
