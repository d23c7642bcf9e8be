"""The rows about what steps take in: what is consumed, what is to be put away, what a record needs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from openbell.core.events import Exited, Fire
from openbell.core.group import MARKED
from openbell.core.inputs import Cleared, Consume, InputFile
from openbell.core.intake import chore_of, consumed_by, vouched
from openbell.core.state import Chore, RunRecord, State
from openbell.core.states import TaskState

Row = dict[str, Any]

CONSUMED_KEY = ("pipeline", "step", "key", "path")


def consumed_rows(event: Exited, state: State) -> list[Row]:
    """What the success of this task has used up. Empty for a task that has not succeeded."""
    record = state.runs.get(event.task.run)
    group = record.groups[event.task.step] if record else None
    if record is None or group is None or group.intake is None:
        return []
    if group.state(event.task.cell) is not TaskState.SUCCEEDED:
        return []
    found = []
    for file in consumed_by(record, group, event.task.cell):
        chore = chore_of(record, group.step, file) if not file.role else None
        row: Row = {"pipeline": record.run.pipeline.name, "step": group.step.name, "key": file.key}
        row |= {"path": file.path, "size": file.size, "mtime_ns": file.mtime_ns}
        row |= {"run": record.id, "at": event.at, "done_at": None, "note": ""}
        row |= {"consume": (chore.consume if chore else Consume.KEEP).value}
        found.append({**row, "folder": chore.folder if chore else ""})
    return found


def arrived_rows(event: Fire) -> list[Row]:
    """The files that have opened a run, and open no other one. Their trigger stands where a step would."""
    about: Row = {"pipeline": event.pipeline, "step": event.trigger, "run": event.run, "at": event.at}
    about |= {"consume": Consume.KEEP.value, "folder": "", "done_at": None, "note": ""}
    return [
        {**about, "path": file.path, "key": file.key, "size": file.size, "mtime_ns": file.mtime_ns}
        for file in event.files
    ]


def dataset_rows(run: str, step: str, state: State) -> list[Row]:
    """The data sets that a success of this step has made fresh."""
    record = state.runs.get(run)
    provided = record.groups[step].step.provides if record else ()
    found = (state.datasets.get(name) for name in provided)
    return [asdict(one) for one in found if one is not None and one.run == run]


def cleared_row(event: Cleared) -> Row:
    """What has become of a consumed file."""
    done: datetime | None = None if event.error else event.at
    row: Row = {"key_run": event.run, "key_step": event.step, "key_path": event.path, "key_key": event.key}
    return {**row, "done_at": done, "note": event.error or event.note}


def chore(row: Any) -> Chore:
    """A consumed file that has to be put away, out of its row."""
    file = InputFile(row.path, row.size, row.mtime_ns, row.key)
    return Chore(row.run, row.step, file, Consume(row.consume), row.folder)


def keys_of(record: RunRecord) -> dict[str, list[str]]:
    """The keys of the files that each step of a run has bound."""
    found = {}
    for name, group in record.groups.items():
        if group.step.files is not None and group.step.files.bound:
            found[name] = [file.key for file in group.step.files.bound]
    return found


def recall(record: RunRecord, step: str, spent: dict[str, str]) -> None:
    """Which of the files of a step have been consumed, and by which runs."""
    if (intake := record.groups[step].intake) is not None:
        intake.spent = spent


def recall_ends(record: RunRecord, rows: Iterable[tuple[str, int, str | None, str | None]]) -> None:
    """What successful cells have reported, and whether they used their files up.

    `rows`: (step, cell, result, exit) of attempts, the last of a task last, the latter two as JSON.
    """
    for step, cell, result, end in rows:
        group = record.groups[step]
        if group.state(cell) is not TaskState.SUCCEEDED or group.flags[cell] & MARKED:
            continue
        if step in record.listed:
            group.results[cell] = json.loads(result) if result else {}
        if group.intake is not None:
            found = json.loads(end) if end else {}
            withheld = found.get("ended_after_marker", False) and not found.get("verified", False)
            (group.intake.withheld.add if withheld else group.intake.withheld.discard)(cell)
    for group in record.groups.values():
        if group.intake is not None:
            group.intake.withheld |= vouched(group)
