"""What a task knows about itself, out of its environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from datetime import date as day
from importlib import import_module
from typing import TYPE_CHECKING, Any

from openbell.worker.checkpoint import Checkpoint
from openbell.worker.upstream import Result, read, read_like

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from openbell.replay import Tape


_OWN: Any = object()
"""In place of dates: those of the task."""


@dataclass(frozen=True, slots=True)
class Context:
    """One task. `params`: the pipeline's parameters and this task's coordinates, by name."""

    name: str
    """The pipeline's name (SIMULATION_NAME)."""
    date: date | None
    """The date of the task, where its step has an axis of dates."""
    partition: int
    num_partitions: int
    attempt: int
    """1 for the first try."""
    run: str
    step: str
    params: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """A folder that outlives the attempts of this task: `load()`, `save(state)`, `/ "name"`."""
    mode: Mapping[str, Any] = field(default_factory=dict)
    """Replay or batch settings: `kind`, `speed`, `start` ...; empty for neither."""
    session: day | None = None
    """The session that the run is bound to, where it is."""
    run_mode: str = ""
    """The mode that the run was started in, such as `daily`; empty for a pipeline without modes."""
    files: tuple[str, ...] = ()
    """The input files that the task takes, relative to its folder where they lie in it."""
    coordinates: Mapping[str, Any] = field(default_factory=dict)
    """The cell: the value of each axis, in the order of the matrix."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The folder of each namespace of tables."""
    output: str = ""
    """The folder of results."""
    needs: Mapping[str, Mapping[str, str]] | None = None
    """For each step that this one needs: the `run` and the `step` whose results count. None by hand."""

    def results(self, step: str) -> list[Result]:
        """What all cells of a needed step have come to: (coordinates, result, state), in their order.

        Where this cell waits for its like only (`needs: {step: same}`) and others go on: the like alone.
        By hand there are none. Raises LookupError for a step that is not needed.
        """
        path = self._path(step)
        return read(path) if path else []

    def result(self, step: str) -> Result:
        """What the like of this cell has come to: the one with these coordinates, as far as it has such axes.

        Raises LookupError when there is none.
        """
        path = self._path(step)
        if not path:
            raise LookupError(f"by hand, {step} has come to nothing")
        return read_like(path, self.coordinates)

    def _path(self, step: str) -> str:
        if self.needs is None:
            return ""
        if step not in self.needs:
            known = ", ".join(self.needs) or "none"
            raise LookupError(f"{self.step} does not need a step {step!r}; it needs {known}")
        return self.needs[step].get("path", "")

    def table(
        self, namespace: str, name: str, dates: Any = _OWN, *, columns: Sequence[str] | None = None
    ) -> pl.LazyFrame:
        """A table of the task's date as a lazy Polars frame (extra `data`).

        `dates`: another date, a range `(first, last)`, or None for all of them; then `Date` is a column.
        Keys of the path below the date are columns. Raises DataError, naming the file or folder.
        """
        own = self.date or self.session
        asked = own if dates is _OWN else dates
        return _data_side().table(self, namespace, name, asked, columns)  # type: ignore[no-any-return]

    def replay(self, *tables: str | Sequence[str], **settings: Any) -> Tape:
        """The tape of these tables (`namespace.table`), set as the step's `replay:` says (extra `data`).

        `settings` are arguments of `openbell.replay.Tape` and win over those of the file. In a step that is
        no replay, the tape runs from midnight on without waiting.
        """
        return _data_side().tape(self, tables, settings)  # type: ignore[no-any-return]

    def write(self, namespace: str, name: str, frame: Any) -> Path:
        """Write a result as a partitioned table (extra `data`); every axis is a key of its path.

        The file appears whole or not at all; a retry replaces it. `table()` reads it back. `frame`: Polars,
        Arrow, pandas, or columns by name. Raises DataError where it contradicts the path.
        """
        return _data_side().write(self, namespace, name, frame)  # type: ignore[no-any-return]


def context(environ: Mapping[str, str] | None = None) -> Context:
    """The context of this process. By hand, whatever the environment does not say has a plain default.

    Raises ValueError for a variable that cannot be read, and names it.
    """
    env = os.environ if environ is None else environ
    coordinates = _read(env, json.loads, "OPENBELL_COORDINATES") or {}
    return Context(
        name=env.get("SIMULATION_NAME", ""),
        date=_read(env, date.fromisoformat, "SIMULATION_DATE"),
        session=_read(env, date.fromisoformat, "OPENBELL_SESSION"),
        partition=_read(env, int, "PARTITION_ID", "WORKER_ID") or 0,
        num_partitions=_read(env, int, "NUM_PARTITIONS", "NUM_WORKERS") or 1,
        attempt=_read(env, _number_of_attempt, "OPENBELL_ATTEMPT") or 1,
        run=env.get("OPENBELL_RUN_ID", ""),
        step=env.get("OPENBELL_STEP", ""),
        params={**(_read(env, json.loads, "OPENBELL_PARAMS") or {}), **coordinates},
        env=dict(env),
        checkpoint=Checkpoint(env.get("OPENBELL_CHECKPOINT", "")),
        mode=_read(env, json.loads, "OPENBELL_MODE") or {},
        files=tuple(_read(env, json.loads, "OPENBELL_FILES") or ()),
        run_mode=env.get("OPENBELL_RUN_MODE", ""),
        coordinates=coordinates,
        data=_read(env, json.loads, "OPENBELL_DATA") or {},
        output=env.get("OPENBELL_OUTPUT", ""),
        needs=_read(env, json.loads, "OPENBELL_NEEDS"),
    )


def _data_side() -> Any:
    """What needs the extra `data`. Imported on use: this room is the standard library's."""
    return import_module("openbell.replay.task")


def _read(env: Mapping[str, str], parse: Callable[[str], Any], *names: str) -> Any:
    """The first of these variables that is set and not empty; None without any."""
    for name in names:
        if text := env.get(name):
            try:
                return parse(text)
            except ValueError as error:
                raise ValueError(f"{name}={text!r}: {error}") from None
    return None


def _number_of_attempt(text: str) -> int:
    return int(text.rpartition("#")[2])
