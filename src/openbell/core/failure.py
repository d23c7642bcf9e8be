"""Reads the reason of a failure out of the end of a log, and tells which failures are of one kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

_TRACEBACK = "Traceback (most recent call last):"
_GROUP = "+ Exception Group Traceback (most recent call last):"
_FRAME = re.compile(r"^ +[|+] ?")
_LONGEST_LINE = 300
_LONGEST_TRACEBACK = 8_000
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\d+")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f]")
_EXCEPTION = re.compile(r"^[\w.]+(?:Error|Exception|Exit|Interrupt|Warning|Iteration)?(?::|$)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a program said before it failed. `line` is the essence, `traceback` may be empty."""

    line: str
    traceback: str


def complaint(tail: str) -> Complaint:
    """The complaint at the end of a log: a Python traceback where there is one, else the last line."""
    if (start := tail.rfind(_GROUP)) >= 0:
        lines = [_FRAME.sub("", line) for line in tail[start:].splitlines()]
        told = next((line for line in lines if "ExceptionGroup: " in line), "")
        if told:
            return Complaint(told[:_LONGEST_LINE], "\n".join(lines)[:_LONGEST_TRACEBACK])
    start = tail.rfind(_TRACEBACK)
    if start >= 0:
        lines = tail[start:].splitlines()
        end = next(
            (n for n, line in enumerate(lines[1:], 1) if line and not line[0].isspace()), len(lines) - 1
        )
        if _EXCEPTION.match(lines[end]):
            return Complaint(lines[end][:_LONGEST_LINE], "\n".join(lines[: end + 1])[-_LONGEST_TRACEBACK:])
    return Complaint(last_line(tail), "")


def last_line(tail: str) -> str:
    """The last line of a log that says something, without what only a terminal understands."""
    plain = _UNPRINTABLE.sub("", _ESCAPES.sub("", tail))
    said = (line.strip() for line in reversed(plain.splitlines()))
    return next((line for line in said if line), "")[:_LONGEST_LINE]


def fingerprint(error: str, traceback: str) -> str:
    """The same for failures of one kind: where it was raised and what, without numbers and addresses."""
    frames = [line.strip() for line in traceback.splitlines() if line.lstrip().startswith("File ")]
    essence = "\n".join([*frames, _VARIABLE.sub("#", error)])
    return blake2b(essence.encode(), digest_size=6).hexdigest()
