"""What commands are about: `RUN`, `RUN/STEP`, `RUN/STEP/CELL`, `RUN/STEP/CELL#ATTEMPT`.

A run is `momentum/3` or `us_eq/2026-11-20`, or `momentum` for the newest one. A cell is its coordinates
(`2012-01-03,20` or `date=2012-01-03,lookback=20`) or its number.
"""

from __future__ import annotations

from dataclasses import dataclass

from openbell.config.findings import nearest
from openbell.core.matrix import Matrix, Scalar
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.state import RunRecord
from openbell.errors import NotFound
from openbell.store.protocol import Store

_RECENT = 20  # runs that are looked through for a step


@dataclass(frozen=True, slots=True)
class Target:
    """A part of a run, as named on the command line."""

    record: RunRecord
    step: str | None = None
    cell: int | None = None
    attempt: int | None = None

    @property
    def task(self) -> TaskKey | None:
        """The task, when one is named or the step has only one."""
        if self.step is None:
            return None
        cell = self.cell
        if cell is None and self.record.groups[self.step].size == 1:
            cell = 0
        return None if cell is None else TaskKey(self.record.id, self.step, cell)

    def covers(self, key: AttemptKey) -> bool:
        """Whether an attempt belongs to this part."""
        return (
            self.step in (None, key.step)
            and self.cell in (None, key.cell)
            and self.attempt in (None, key.attempt)
        )


def find(store: Store, text: str) -> Target:
    """The part of a run that the text names. Raises `NotFound` with the nearest thing."""
    body, _, attempt = text.partition("#")
    parts = body.strip("/").split("/")
    record, rest = _run(store, parts)
    if not rest:
        return Target(record)
    step = rest[0]
    if step not in record.groups:
        near = nearest(step, record.groups)
        hint = f"did you mean `{near}`?" if near else f"steps: {', '.join(record.groups)}"
        raise NotFound(f"{record.id} has no step {step!r}", hint=hint)
    if len(rest) == 1:
        return Target(record, step)
    cell = _cell(record.groups[step].step.matrix, "/".join(rest[1:]), f"{record.id}/{step}")
    return Target(record, step, cell, _number(attempt, text) if attempt else None)


def find_pipeline(store: Store, name: str) -> Target:
    """The newest run of a pipeline; where there is none of that name, of one that has a step of that name."""
    try:
        return find(store, name)
    except NotFound:
        for info in store.runs(limit=_RECENT):
            if (record := store.run(info.id)) is not None and name in record.groups:
                return Target(record, name)
        raise


def _run(store: Store, parts: list[str]) -> tuple[RunRecord, list[str]]:
    """The run at the beginning of the parts, and the parts behind it."""
    name = parts[0]
    if len(parts) > 1 and (record := store.run(f"{name}/{parts[1]}")):
        return record, parts[2:]
    newest = store.newest(name)
    record = store.run(newest) if newest else None
    if record is None or (len(parts) > 1 and parts[1].isdigit()):
        known = list(dict.fromkeys(info.name for info in store.runs()))
        near = nearest(name, known)
        hint = f"did you mean `{near}`?" if near and near != name else "see `openbell runs ls`"
        raise NotFound(f"there is no run {'/'.join(parts[:2])}", hint=hint)
    return record, parts[1:]


def _cell(matrix: Matrix, text: str, where: str) -> int:
    if not matrix.axes:
        return 0
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and len(matrix.axes) > 1 and words[0].isdigit() and int(words[0]) < len(matrix):
        return int(words[0])
    coordinates: dict[str, Scalar] = {}
    for axis, word in zip(matrix.axes, words, strict=False):
        key, equals, value = word.partition("=")
        coordinates[key if equals else axis.name] = value if equals else word
    try:
        return matrix.cell(coordinates)
    except KeyError as error:
        axes = ",".join(axis.name for axis in matrix.axes)
        raise NotFound(
            f"{where} has no cell {text!r}: {error.args[0]}",
            hint=f"a cell is named by its {axes}, for example {_example(matrix)}",
        ) from None


def _example(matrix: Matrix) -> str:
    return ",".join(str(axis.values[0]) for axis in matrix.axes)


def _number(text: str, whole: str) -> int:
    if not text.isdigit():
        raise NotFound(f"{whole!r}: an attempt is a number, as in {whole.partition('#')[0]}#1")
    return int(text)
