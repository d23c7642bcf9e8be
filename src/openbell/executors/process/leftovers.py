"""Finds and kills the processes of an attempt whose supervisor has died.

Two marks, because a process can lose one of them: the attempt's files, or the host's worker, in the
environment that it was exec'ed with, and for what never exec's, the process name, which a fork inherits.
"""

from __future__ import annotations

import os
import signal
import time

from openbell.executors.process import kernel
from openbell.executors.process.files import AttemptFiles, Claim, mark_of

_PATIENCE = 0.5  # seconds that killed processes may take to vanish; the engine waits


def sweep(files: AttemptFiles, claim: Claim | None) -> int | None:
    """Kill all that is left of the attempt: how many processes. None when something would not die."""
    if claim is not None and claim.boot != kernel.boot_id():
        return 0  # the machine has been started anew since
    deadline = time.monotonic() + _PATIENCE
    killed: set[int] = set()
    while found := _find(files, claim):
        killed.update(found)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # gone, or become somebody else's
        if time.monotonic() > deadline:
            return None
        time.sleep(0.005)
    return len(killed)


def _find(files: AttemptFiles, claim: Claim | None) -> list[int]:
    """Living processes that bear a mark of the attempt, this one excepted.

    The mark is the place of its files, for its id may occur in another project as well.
    """
    labels = {b"OPENBELL_EVENTS=" + os.fsencode(files.events)}
    if claim is not None and claim.label:
        labels.add(os.fsencode(claim.label))
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    names = {mark_of(files.folder), *([claim.mark] if claim is not None else [])}
    return [pid for pid in pids if pid != os.getpid() and _bears(pid, labels, names)]


def _bears(pid: int, labels: set[bytes], names: set[str]) -> bool:
    name, state = _status(pid)
    if state in ("Z", "X", ""):
        return False
    if name in names:
        return True
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return not labels.isdisjoint(file.read().split(b"\0"))
    except OSError:
        return False


def _status(pid: int) -> tuple[str, str]:
    """Name and state letter of a process; empty when it is gone."""
    text = kernel.read(f"/proc/{pid}/stat")
    if not text:
        return "", ""
    return text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2]
