"""Rows to records and back."""

from __future__ import annotations

import json
from typing import Any

from openbell.core.events import Event, Exit
from openbell.core.model import AttemptKey, TaskKey
from openbell.core.states import FailureKind, RunState, StopReason, TaskState
from openbell.store.codec import decode_forced, decode_provenance, encode_event, event_kind
from openbell.store.records import AttemptInfo, RunInfo, TaskInfo


def journal_row(seq: int, event: Event) -> dict[str, Any]:
    """The journal entry of one event."""
    task = getattr(event, "task", None)
    return {
        "seq": seq,
        "at": event.at,
        "kind": event_kind(event),
        "run": task.run if task else _run_of(event),
        "step": task.step if task else getattr(event, "step", None),
        "cell": task.cell if task else getattr(event, "cell", None),
        "attempt": getattr(event, "attempt", None),
        "data": encode_event(event),
    }


def _run_of(event: Event) -> str | None:
    run = getattr(event, "run", None)
    return run if run is None or isinstance(run, str) else run.id


def run_info(row: Any) -> RunInfo:
    return RunInfo(
        id=row.id,
        name=row.name,
        title=row.title,
        digest=row.digest,
        state=RunState(row.state),
        paused=row.paused,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        size=row.size,
        origin=row.origin,
        session=row.session,
        mode=row.mode,
        forced=decode_forced(row.forced),
        provenance=decode_provenance(row.provenance),
        overdue=row.overdue,
    )


def task_info(row: Any) -> TaskInfo:
    return TaskInfo(
        key=TaskKey(row.run, row.step, row.cell),
        state=TaskState(row.state),
        attempts=row.tries,
        kind=FailureKind(row.kind) if row.kind else None,
        not_before=row.not_before,
        finished_at=row.finished_at,
    )


def attempt_info(row: Any) -> AttemptInfo:
    return AttemptInfo(
        key=AttemptKey(row.run, row.step, row.cell, row.attempt),
        decided_at=row.decided_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        handle=row.handle or "",
        stop=StopReason(row.stop) if row.stop else None,
        kind=FailureKind(row.kind) if row.kind else None,
        error=row.error or "",
        exit=_exit(row.exit) if row.exit else None,
        result=json.loads(row.result) if row.result else {},
    )


def _exit(text: str) -> Exit:
    """By hand: reports read a million of them."""
    data = json.loads(text)
    stopped = data.pop("stopped")
    return Exit(**data, stopped=StopReason(stopped) if stopped else None)


class Namespace:
    """A row of the memory store with the attribute access of a SQL row."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return self._row[name]
