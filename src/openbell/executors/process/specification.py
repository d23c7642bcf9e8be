"""What a shim or a host has to know about an attempt, as JSON data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from openbell.core.model import Call, Command
from openbell.core.render import AUTOMATIC
from openbell.executors.embedded import RUNTIME, Embedded
from openbell.executors.process.files import AttemptFiles, checkpoint_folder, mark_of
from openbell.executors.protocol import Brief

HEAP = "OPENBELL_HEAP_GB"
"""The variable that tells a host how large the heap of its virtual machine may become."""

_SOURCE = str(Path(__file__).parents[3])
_CHECKER = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.worker.call import check; "
    "del sys.path[0]; check(sys.argv[1])"
)
"""The program that calls a check."""

_ENGINE = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.runtimes.deephaven_core.serve import main; "
    "del sys.path[0]; main(int(sys.argv[1]))"
)
"""The same for scripts on the embedded engine."""

_SERVER = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.worker.serve import main; "
    "del sys.path[0]; main(int(sys.argv[1]))"
)
"""The program of a warm worker. It brings `openbell.worker` along, whatever the interpreter has."""


def automatic(name: str) -> bool:
    """Whether a variable differs from task to task: then it is no reason for another process."""
    return name in AUTOMATIC or name.startswith("OPENBELL_")


def _told_to_scripts(name: str) -> bool:
    """Whether a variable matters to a script alone: then pipelines with others share a virtual machine."""
    return name not in ("HOME", "PATH", "TMPDIR", "TZ") and not name.startswith(_AT_START)


_AT_START = ("JAVA_", "JDK_", "JPY_", "LANG", "LC_", "LD_", "PYTHON")
"""Beginnings of the names of variables that an interpreter or a virtual machine reads when it starts."""


def specify(brief: Brief, files: AttemptFiles, folder: Path, *, log_cap: int, power: bool) -> dict[str, Any]:
    """What a shim has to know. `folder`: the project's state folder; `log_cap` in bytes."""
    in_place = bool(brief.step.preload)
    argv = list(brief.argv)
    if not isinstance(brief.step.work, Command) and not in_place:
        argv.insert(0, brief.python or sys.executable)
    return {
        **_common(brief, files, folder, log_cap, power),
        "argv": argv,
        "env": {"PYTHONUNBUFFERED": "1", **brief.env, **_places(brief, files, folder)},
        "bell": "engine.sock",
        "script": in_place,
    }


def specify_hosted(
    brief: Brief, files: AttemptFiles, folder: Path, log_cap: int, power: bool, embedded: Embedded
) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """The same for a host: what tells its host from others, its worker, and its specification.

    Raises ExecutorUnavailable when the embedded engine is asked for and is not there.
    """
    engine = brief.step.runtime == RUNTIME
    varies = _told_to_scripts if engine else automatic
    own = {name: value for name, value in brief.env.items() if varies(name)}
    base = {name: value for name, value in brief.env.items() if name not in own}
    if engine:
        python, program = embedded.interpreter(brief.python), _ENGINE
        base |= {HEAP: str(brief.step.heap_gb or embedded.heap_gb or "")}
    else:
        python, program = brief.python or sys.executable, _SERVER
    worker: dict[str, Any] = {
        "argv": [python, "-c", program],
        "env": {"PYTHONUNBUFFERED": "1", **base},
        "cwd": brief.cwd,
    }
    if engine:
        worker |= {"recycle": embedded.recycle, "wear": 1.0}  # a virtual machine keeps what it has taken
    spec = {
        **_common(brief, files, folder, log_cap, power),
        "call": brief.argv[0],
        "env": own | _places(brief, files, folder),
    }
    return (python, program, brief.cwd, *sorted(base.items())), worker, spec


def _common(brief: Brief, files: AttemptFiles, folder: Path, log_cap: int, power: bool) -> dict[str, Any]:
    step, marker = brief.step, brief.step.done_when
    return {
        "id": str(brief.key),
        "dir": str(files.folder),
        "cwd": brief.cwd,
        "outputs": brief.outputs,
        "verify": _verify(brief) if brief.verify else None,
        "cache": {**brief.cache, "folder": str(folder / "cache")} if brief.cache is not None else None,
        "folder": checkpoint_folder(folder, brief.key.task) if step.checkpoint else "",
        "marker": {"output": marker.output, "linger": marker.linger.total_seconds()} if marker else None,
        "timeout": step.timeout.total_seconds() if step.timeout else None,
        "grace": step.grace.total_seconds(),
        "memory": step.demand.memory if step.demand.memory_cap else 0,
        "log_cap": log_cap,
        "power": power,
        "mark": mark_of(files.folder),
    }


def _verify(brief: Brief) -> dict[str, Any]:
    argv = list(brief.verify)
    if isinstance(brief.step.verify, Call):
        argv = [brief.python or sys.executable, "-c", _CHECKER, *argv]
    return {"argv": argv, "told": " ".join(brief.verify)}


def _places(brief: Brief, files: AttemptFiles, folder: Path) -> dict[str, str]:
    """Where the worker writes what."""
    return {
        "OPENBELL_EVENTS": f"{files.folder}/events",
        "OPENBELL_CHECKPOINT": checkpoint_folder(folder, brief.key.task),
        "OPENBELL_BELL": f"{folder}/engine.sock",
    }
