"""Commands as a user gives them: in a process of their own, in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Outcome:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Desk:
    """A folder with files, in which commands are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[subprocess.Popen[str]] = []
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL", "DH_"))
        }
        self.env |= {"COLUMNS": "120", "TZ": "UTC"}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *words: str, program: str = "openbell") -> list[str]:
        entry = {
            "openbell": "from openbell.cli.entry import main; main()",
            "pq-orchestrator": "from openbell.cli.legacy import pq_orchestrator; pq_orchestrator()",
            "replay-orchestrator": "from openbell.cli import legacy; legacy.replay_orchestrator()",
        }[program]
        return [sys.executable, "-c", f"import sys; sys.argv[0] = {program!r}; {entry}", *words]

    def run(self, *words: str, program: str = "openbell", timeout: float = 60) -> Outcome:
        done = subprocess.run(
            self.command(*words, program=program),
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def begin(self, *words: str, program: str = "openbell") -> subprocess.Popen[str]:
        """Start a command and go on."""
        process = subprocess.Popen(
            self.command(*words, program=program),
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.begun.append(process)
        return process

    def close(self) -> None:
        """End whatever a test has left: engines first, then their attempts."""
        for process in self.begun:
            process.kill()
            process.communicate()
        for claim in self.folder.glob(".openbell/attempts/*/*/claim"):
            shim = claim.read_text().partition(",")[0].rpartition(":")[2].strip()
            if shim.isdigit():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(shim), signal.SIGKILL)

    def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it does not come about"
            time.sleep(0.02)

    def lines(self, name: str) -> list[str]:
        """Lines that workers have written to a file of the folder."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def finish(process: subprocess.Popen[str], seconds: float = 30) -> Outcome:
    """Wait for a command that was begun."""
    out, err = process.communicate(timeout=seconds)
    return Outcome(process.returncode, out, err)


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
