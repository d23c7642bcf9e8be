"""What a shim has to know, as JSON data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from openbell.core.model import Call, Command
from openbell.executors.process.files import AttemptFiles, mark_of
from openbell.executors.protocol import Brief

_SOURCE = str(Path(__file__).parents[3])
CALLER = (
    f"import sys; sys.path.insert(0, {_SOURCE!r}); from openbell.worker.call import main; "
    "del sys.path[0]; main(sys.argv[1])"
)
"""A program that calls its argument. It brings `openbell.worker` along, whatever the interpreter has."""


def specify(brief: Brief, files: AttemptFiles, folder: Path, *, log_cap: int, power: bool) -> dict[str, Any]:
    """The specification of this attempt. `folder`: the project's state folder; `log_cap` in bytes."""
    step = brief.step
    in_place = bool(step.preload)
    argv = list(brief.argv)
    python = brief.python or sys.executable
    if isinstance(step.work, Call):
        argv = [python, "-c", CALLER, *argv]
    elif not isinstance(step.work, Command) and not in_place:
        argv.insert(0, python)
    checkpoint = folder / "checkpoints" / f"{files.folder.parent.name}.{step.name}.{brief.key.cell}"
    env = {
        "PYTHONUNBUFFERED": "1",
        **brief.env,
        "OPENBELL_EVENTS": str(files.events),
        "OPENBELL_CHECKPOINT": str(checkpoint),
        "OPENBELL_BELL": str(folder / "engine.sock"),
    }
    return {
        "id": str(brief.key),
        "dir": str(files.folder),
        "argv": argv,
        "env": env,
        "cwd": brief.cwd,
        "timeout": step.timeout.total_seconds() if step.timeout else None,
        "grace": step.grace.total_seconds(),
        "memory": step.demand.memory if step.demand.memory_cap else 0,
        "log_cap": log_cap,
        "bell": "engine.sock",
        "power": power,
        "mark": mark_of(files.folder),
        "script": in_place,
    }
