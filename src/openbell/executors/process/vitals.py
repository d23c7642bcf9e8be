"""What can be seen of an attempt from outside while it runs, by any process of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openbell.core.failure import last_line
from openbell.core.model import AttemptKey
from openbell.executors.process import kernel
from openbell.executors.process.files import AttemptFiles, claim_of


@dataclass(frozen=True, slots=True)
class Vitals:
    """The last line of an attempt's output, the bytes of memory that its processes hold, those of its log."""

    said: str
    memory: int
    output: int = 0


def vitals(attempts: Path, key: AttemptKey) -> Vitals:
    """How an attempt is doing. `attempts`: the folder of all attempts' files."""
    files = AttemptFiles(attempts, key)
    claim = claim_of(attempts, key)
    pids = kernel.descendants(claim.shim) if claim else []
    return Vitals(last_line(files.tail()), kernel.memory(pids), files.log_size)
