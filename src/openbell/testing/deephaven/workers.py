"""The workers of queries: their script as a process of this machine, or nothing but time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from openbell.testing.deephaven.statuses import REPLAY

_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "JAVA_HOME", "LD_LIBRARY_PATH")
_SOURCE = str(Path(__file__).parents[3])
_TAIL = 16_000  # bytes of a worker's output that an error shows
_PATIENCE = 3.0  # seconds from a request to end to the end of patience
_ENGINE = "openbell.runtimes.deephaven_core"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker has ended. `stopped`: it has stopped its own query."""

    code: int
    output: str = ""
    stopped: bool = False


Done = Callable[[Outcome], None]


class Worker(Protocol):
    """What carries out the script of a query."""

    def end(self) -> None:
        """End it. It reports its end as any other."""
        ...


class Workers(Protocol):
    """Starts workers. `done` is called once, from a thread of theirs."""

    def start(self, serial: int, config: Any, done: Done) -> Worker: ...


class Timed:
    """Workers that do nothing for `seconds`, and succeed."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds

    def start(self, serial: int, config: Any, done: Done) -> Worker:  # noqa: ARG002
        return _Nap(self._seconds, done)


class _Nap:
    def __init__(self, seconds: float, done: Done) -> None:
        self._done = done
        self._timer = threading.Timer(seconds, done, (Outcome(0),))
        self._timer.daemon = True
        if seconds:
            self._timer.start()
        else:
            done(Outcome(0))

    def end(self) -> None:
        self._timer.cancel()
        self._done(Outcome(-signal.SIGTERM))


@dataclass(slots=True)
class Scripts:
    """Workers that are processes. What imports `deephaven` runs on the embedded engine of `engine`, an
    interpreter that has it; the rest as plain Python."""

    folder: Path
    data: Mapping[str, str] = field(default_factory=dict)
    """Folder of each data namespace."""
    output: str = ""
    """Folder of the tables that are written."""
    engine: str | None = None
    tz: str = "America/New_York"
    """The zone of the time at which replays begin."""

    def start(self, serial: int, config: Any, done: Done) -> Worker:
        folder = self.folder / "workers" / str(serial)
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "script.py"
        script.write_text(config.scriptCode)
        embedded = "deephaven" in config.scriptCode
        if embedded and self.engine is None:
            told = "this script needs an engine: name an interpreter that has deephaven-server (--engine)"
            return _Refused(told, done)
        stopped = folder / "stopped"
        stopped.unlink(missing_ok=True)
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        env |= environment(config) | self._about(serial, config) | {"OPENBELL_STOPPED": str(stopped)}
        argv = [sys.executable, str(script)]
        if embedded and self.engine is not None:
            argv = [self.engine, "-m", _ENGINE, str(script)]
            env["PYTHONPATH"] = _SOURCE
        return _Process(argv, env, folder, stopped, done)

    def _about(self, serial: int, config: Any) -> dict[str, str]:
        return {
            "PYTHONUNBUFFERED": "1",
            "OPENBELL_QUERY_SERIAL": str(serial),
            "OPENBELL_DATA": json.dumps(dict(self.data)),
            "OPENBELL_OUTPUT": self.output,
            "OPENBELL_HEAP_GB": str(config.heapSizeGb),
            "OPENBELL_MODE": json.dumps(_mode(config, self.tz)),
        }


def environment(config: Any) -> dict[str, str]:
    """The pairs of a query's configuration: name, value, name, value. The last of a name counts."""
    words = list(config.extraEnvironmentVariables)
    return dict(zip(words[::2], words[1::2], strict=True))


def _mode(config: Any, tz: str) -> dict[str, Any]:
    """What the embedded engine is told of the replay."""
    if config.configurationType != REPLAY:
        return {"kind": "batch", "tz": tz}
    fields = {name: one["value"] for name, one in json.loads(config.typeSpecificFieldsJson or "{}").items()}
    prefix = "-DReplayDatabase.TimestampColumn."
    columns = (arg.removeprefix(prefix) for arg in config.extraJvmArguments if arg.startswith(prefix))
    return {
        "kind": "replay",
        "tz": tz,
        "start": fields.get("ReplayStart", "09:30:00"),
        "speed": float(fields.get("ReplaySpeed", 1.0)),
        "sorted": bool(fields.get("ReplaySorted", True)),
        "timestamp_columns": dict(one.split("=", 1) for one in columns),
    }


class _Refused:
    def __init__(self, told: str, done: Done) -> None:
        done(Outcome(3, told))

    def end(self) -> None:
        pass


class _Process:
    """A script as a process with a session of its own."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: Path, stopped: Path, done: Done) -> None:
        self._stopped, self._done = stopped, done
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                argv,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        code = self._child.wait()
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL))
            output = log.read().decode(errors="replace")
        self._done(Outcome(code, output, self._stopped.exists()))

    def end(self) -> None:
        if self._child.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        timer = threading.Timer(_PATIENCE, self._signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def _signal(self, number: signal.Signals) -> None:
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)
