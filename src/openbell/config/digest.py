"""What makes two plans the same: everything that decides what their tasks compute, and nothing else.

Retries, timeouts, slots and the executor do not: who raises a timeout and runs again goes on with
the run, and only what is missing runs. (docs/adr/0002)
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from openbell.core.model import Pipeline, Script, Step


def digest(pipeline: Pipeline) -> str:
    """Sixteen hex digits that identify the plan."""
    content = repr(
        (
            pipeline.name,
            pipeline.title,
            pipeline.python,
            sorted(pipeline.params.items()),
            sorted(pipeline.data.items()),
            [_step(step, pipeline.folder) for step in pipeline],
        )
    )
    return blake2b(content.encode(), digest_size=8).hexdigest()


def _step(step: Step, folder: str) -> tuple[Any, ...]:
    work: Any = step.work
    if isinstance(work, Script):
        path = Path(work.path)
        name = path.relative_to(folder) if path.is_relative_to(folder) else path
        work = (str(name), _content(path))
    needs = sorted((need.step, need.mode.value) for need in step.needs)
    return (step.name, work, needs, step.matrix, sorted(step.env.items()), step.mode)


def _content(script: Path) -> str:
    try:
        return blake2b(script.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""  # reported where the file is checked
