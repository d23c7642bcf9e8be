"""What makes two plans the same: everything that decides what their tasks compute, and nothing else.

Retries, timeouts, slots and the executor do not: who raises a timeout and runs again goes on with
the run, and only what is missing runs. (docs/adr/0002)
"""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from openbell.config.callables import module_file
from openbell.core.model import Call, Command, Pipeline, Script, Step


def digest(pipeline: Pipeline) -> str:
    """Sixteen hex digits that identify the plan."""
    content = repr(
        (
            pipeline.name,
            pipeline.title,
            pipeline.python,
            sorted(pipeline.params.items()),
            sorted(pipeline.data.items()),
            sorted(pipeline.sessions.items()),
            pipeline.market if pipeline.sessions else None,
            [_step(step, pipeline.folder) for step in pipeline],
            *([pipeline.choice.mode] if pipeline.choice.mode else []),
        )
    )
    return blake2b(content.encode(), digest_size=8).hexdigest()


def _step(step: Step, folder: str) -> tuple[Any, ...]:
    work: Any = step.work
    file = _file(step, folder)
    if isinstance(work, Script):
        work = (_shown(Path(work.path), folder), _content(Path(work.path)))
    elif isinstance(work, Call):
        work = (work, _content(file) if file is not None else "")
    elif file is not None:
        work = (step.work, _content(file))
    needs = sorted((need.step, need.mode.value) for need in step.needs)
    ordered = (step.sequential,) if step.sequential else ()  # without it, the digests of old runs stay
    taken = (step.files.globs, step.files.axis) if step.files else ()
    made = tuple((axis.name, axis.source) for axis in step.matrix.axes if axis.source)
    sampled = (step.matrix.most,) if step.matrix.most else ()
    inputs = (taken, made, *sampled) if taken or made else ()
    return (step.name, work, needs, step.matrix, sorted(step.env.items()), step.mode, *ordered, *inputs)


def files(pipeline: Pipeline) -> dict[str, str]:
    """SHA-256 of the files that a plan is made of: its definition, and the user's files that its steps run.

    By their paths, relative to the pipeline's folder where they lie in it; what cannot be read is left out.
    """
    paths = [Path(pipeline.source)] if pipeline.source else []
    paths += [path for step in pipeline if (path := _file(step, pipeline.folder)) is not None]
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        with suppress(OSError):
            found[_shown(path, pipeline.folder)] = sha256(path.read_bytes()).hexdigest()
    return found


def _file(step: Step, folder: str) -> Path | None:
    """The user's file that a step runs; None for a program of the machine."""
    match step.work:
        case Script(path=path):
            return Path(path)
        case Call() as call:
            file = module_file(call.module, Path(folder))
            return file if file is not None and file.is_relative_to(folder) else None
        case Command(argv=argv):
            return program(argv, folder)


def _shown(path: Path, folder: str) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


_INTERPRETER = re.compile(r"python[0-9.]*|pypy[0-9.]*|bash|sh|zsh|Rscript|julia|node|perl|ruby")


def program(argv: tuple[str, ...], folder: str) -> Path | None:
    """The user's file that a command runs: the program itself, or the script of an interpreter.

    Other files that a command names may be its outputs, which must not make another plan of it.
    """
    words = [*argv]
    if _INTERPRETER.fullmatch(Path(words[0]).name):
        words = words[1:]
        while words and words[0].startswith("-") and words[0] not in ("-c", "-m"):
            words = words[1:]
    if (
        not words
        or words[0].startswith("-")
        or "{" in words[0]
        or ("/" not in words[0] and words[0] == argv[0])
    ):
        return None
    path = Path(folder, words[0])
    return path if path.is_file() and path.is_relative_to(folder) else None


def _content(script: Path) -> str:
    try:
        return blake2b(script.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""  # reported where the file is checked
