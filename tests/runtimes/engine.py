"""One warm host of the embedded engine, spoken to as its supervisor does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openbell
from openbell.errors import ExecutorUnavailable
from openbell.executors.embedded import Embedded

ROOT = Path(openbell.__file__).parents[2]
_PATIENCE = 120.0  # seconds


def located() -> tuple[str, str]:
    """The Python that has the engine; else why there is none."""
    try:
        return Embedded(ROOT).interpreter(None), ""
    except ExecutorUnavailable as error:
        return "", f"{error.message} (`make deephaven` gets it)"


PYTHON, MISSING = located()


@dataclass
class Told:
    """How one script has ended."""

    code: int
    output: str
    said: dict[str, Any]

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@dataclass
class Host:
    """`folder`: where its scripts, tables and results are."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    """Of every script, over that of the process."""

    def __post_init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(_PATIENCE)
        self.log = (self.folder / "log").open("w+b")
        self.process = subprocess.Popen(
            [PYTHON, "-m", "openbell.runtimes.deephaven_core.serve", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "OPENBELL_HEAP_GB": "0.5"},
            stdout=self.log,
            stderr=self.log,
        )
        theirs.close()
        self.line = ours.makefile("rwb")
        ours.close()  # the file keeps it

    def play(self, text: str, name: str = "worker.py", **env: str) -> Told:
        """Carry out a script with these variables."""
        script = self.folder / name
        script.write_text(textwrap.dedent(text))
        before = self.log.seek(0, os.SEEK_END)
        request = {"call": str(script), "env": {**self.env, **env}, "mark": ""}
        self.line.write(json.dumps(request).encode() + b"\n")
        self.line.flush()
        said = json.loads(self.line.readline() or b'{"code": -1}')
        self.log.seek(before)
        return Told(said["code"], self.log.read().decode(), said)

    def close(self) -> None:
        self.line.close()
        self.process.wait(_PATIENCE)
        self.log.close()


def mode(kind: str = "replay", **settings: Any) -> str:
    """What OPENBELL_MODE says."""
    return json.dumps({"kind": kind, "tz": "America/New_York", "speed": "max", **settings})
