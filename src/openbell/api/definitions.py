"""`ob.Pipeline` and `ob.Step`: a pipeline file, written in Python.

Their keywords are the keys of the file, with Python's own values where that is nicer: dates, timedeltas,
paths, ranges, the callable itself for `call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openbell.config.document import Document
from openbell.config.findings import Finding, reject
from openbell.config.tree import NOWHERE, document_of


class Step:
    """A step. `keys`: those of a step in a pipeline file, such as `run`, `script`, `needs`, `matrix`."""

    def __init__(self, name: str, **keys: Any) -> None:
        self.name = name
        self.keys = _given(keys)

    def __repr__(self) -> str:
        return _shown("Step", {"name": self.name, **self.keys})


class Pipeline:
    """A definition. `keys`: those of a pipeline file, such as `market`, `params`, `modes`, `concurrency`.

    `steps`: a list of `Step`, or a mapping as in a file. `folder`: what its paths are relative to, where its
    tasks run, and where its project is looked for; default: the working directory.
    """

    def __init__(
        self,
        name: str,
        steps: Iterable[Step] | Mapping[str, Mapping[str, Any]],
        *,
        folder: str | Path | None = None,
        **keys: Any,
    ) -> None:
        self.name = name
        self.steps = dict(steps) if isinstance(steps, Mapping) else list(steps)
        self.folder = Path.cwd() if folder is None else Path(folder).resolve()
        self.keys = _given(keys)

    def __repr__(self) -> str:
        return _shown("Pipeline", {"name": self.name, **self.keys, "steps": self.steps})

    @property
    def tree(self) -> dict[str, Any]:
        """What its file would hold."""
        steps = self.steps if isinstance(self.steps, dict) else {step.name: step.keys for step in self.steps}
        tree: dict[str, Any] = _named({"name": self.name, **self.keys, "steps": steps})
        return tree

    def document(self) -> Document:
        """The tree as the loader takes it. Raises `ConfigError` for two steps of one name."""
        path = self.folder / str(self.name)
        if isinstance(self.steps, list):
            names = [step.name for step in self.steps]
            twice = dict.fromkeys(name for name in names if names.count(name) > 1)
            found = [
                Finding("OB109", f"two steps are called `{one}`", NOWHERE, path=("steps", one))
                for one in twice
            ]
            if found:
                raise reject(path, found)
        return document_of(self.tree, path)


def _given(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that have a value: None stands for a key that is not there."""
    return {name: value for name, value in keys.items() if value is not None}


def _named(value: Any) -> Any:
    """The value with steps by their names: `needs=[ingest]` takes the step itself."""
    match value:
        case Step():
            return value.name
        case Mapping():
            return {_named(key): _named(item) for key, item in value.items()}
        case list() | tuple():
            return [_named(item) for item in value]
        case _:
            return value


def _shown(name: str, keys: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in keys.items())})"
