"""Everything about one run as one JSON document, for whoever has to account for it.

The form is stable: `audit.schema.json` beside this file describes it, and `schema` in the document names
its version. It is written piece by piece, for a run may have a million tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from itertools import chain
from typing import Any

from openbell.core.events import Answer, Requested
from openbell.core.group import MARKED
from openbell.core.model import AttemptKey
from openbell.core.render import task_path
from openbell.core.state import RunRecord
from openbell.core.states import TaskState
from openbell.core.telling import Teller
from openbell.store.codec import encode_pipeline, encode_request, encode_value
from openbell.store.protocol import Store
from openbell.store.records import AttemptInfo, RunInfo

SCHEMA = "openbell.audit/1"
"""The version of the form. Keys may be added under it; none changes its meaning."""

_ATTEMPTS = ("Start", "Started", "Exited", "Refused", "Lost", "Reported", "Unreachable", "Reached")
_QUIET = (*_ATTEMPTS, "Requested", "Answer", "FilesSeen", "Clear")
"""Entries that the history leaves out: `tasks` and `requests` tell them, or they decide nothing."""

_PAGE = 2_000

Data = dict[str, Any]


def schema() -> Data:
    """The JSON Schema of the document."""
    text = files("openbell.report").joinpath("audit.schema.json").read_text("utf-8")
    found: Data = json.loads(text)
    return found


def audit(store: Store, info: RunInfo, record: RunRecord) -> Iterator[str]:
    """The document as pieces of text."""
    head = {
        "schema": SCHEMA,
        "run": _run(info, record),
        "definition": _definition(record),
        "provenance": json.loads(encode_value(info.provenance)),
        "requests": requests(store, record.id),
    }
    yield _text(head)[:-1]
    yield from _listed("history", history(store, record))
    yield from _listed("tasks", _tasks(record, store.attempts(record.id)))
    yield "}\n"


def requests(store: Store, run_id: str) -> list[Data]:
    """What was asked of a run, by whom, and what came of it."""
    answers: dict[str, Answer] = {}
    asked: list[Requested] = []
    for event in _events(store, run_id, ("Requested", "Answer")):
        if isinstance(event, Requested):
            asked.append(event)
        elif isinstance(event, Answer):
            answers[event.request] = event
    return [_request(event, answers.get(event.id)) for event in asked]


def history(store: Store, record: RunRecord) -> Iterator[Data]:
    """What was decided about the run and its steps, in order: pauses, skips, reopenings, stops, its end."""
    teller = Teller(record.run)
    after = 0
    while entries := store.journal(after, record.id, _PAGE):
        after = entries[-1][0]
        for seq, event in entries:
            if type(event).__name__ not in _QUIET and (line := teller.line(seq, event)) is not None:
                keys = ("seq", "timestamp", "stage", "task", "attempt", "msg", "data")
                yield {key: line[key] for key in keys}


def _run(info: RunInfo, record: RunRecord) -> Data:
    pipeline = record.run.pipeline
    return {
        "id": info.id,
        "uid": record.run.uid,
        "pipeline": info.name,
        "title": pipeline.shown,
        "state": info.state.value,
        "paused": info.paused,
        "opened_at": info.opened_at.isoformat(),
        "closed_at": _moment(info.closed_at),
        "origin": info.origin,
        "market": pipeline.market,
        "tz": pipeline.tz,
        "session": info.session or None,
        "mode": info.mode or None,
        "forced": asdict(info.forced) if info.forced else None,
        "tasks": record.size,
        "counts": {state.name.lower(): record.count(state) for state in TaskState},
    }


def _definition(record: RunRecord) -> Data:
    pipeline = record.run.pipeline
    return {
        "digest": record.run.digest,
        "source": pipeline.source,
        "folder": pipeline.folder,
        "calendars": dict(pipeline.calendars),
        "compiled": json.loads(encode_pipeline(pipeline)),
    }


def _request(event: Requested, answer: Answer | None) -> Data:
    asked: Data = json.loads(encode_request(event.request))
    asked.pop("pipeline", None)
    asked.pop("run", None)
    kind, actor = asked.pop("type"), asked.pop("actor", None) or asked.get("origin", "")
    return {
        "id": event.id,
        "request": kind,
        "at": event.at.isoformat(),
        "actor": actor,
        "reason": asked.pop("reason", ""),
        "said": asked,
        "accepted": answer.accepted if answer else None,
        "answer": answer.message if answer else None,
        "answered_at": _moment(answer.at) if answer else None,
    }


def _tasks(record: RunRecord, attempts: Iterable[AttemptInfo]) -> Iterator[Data]:
    """Every task with its attempts, by step and cell."""
    coming = chain(attempts, [None])
    following = next(coming)
    for name in sorted(record.groups):
        group = record.groups[name]
        for cell in range(group.size):
            own: list[Data] = []
            while following is not None and _place(following.key) <= (name, cell):
                if _place(following.key) == (name, cell):
                    own.append(_attempt(following))
                following = next(coming)
            kind = group.kinds.get(cell)
            yield {
                "task": task_path(record.run.pipeline, AttemptKey(record.id, name, cell, 0).task),
                "step": name,
                "cell": cell,
                "coordinates": group.step.matrix.coordinates(cell),
                "state": group.state(cell).name.lower(),
                "kind": kind.value if kind else None,
                "marked": bool(group.flags[cell] & MARKED),
                "attempts": own,
            }


def _place(key: AttemptKey) -> tuple[str, int]:
    return key.step, key.cell


def _attempt(info: AttemptInfo) -> Data:
    return {
        "attempt": info.key.attempt,
        "decided_at": info.decided_at.isoformat(),
        "started_at": _moment(info.started_at),
        "ended_at": _moment(info.ended_at),
        "handle": info.handle or None,
        "stop": info.stop.value if info.stop else None,
        "kind": info.kind.value if info.kind else None,
        "error": info.error or None,
        "exit": json.loads(encode_value(info.exit)) if info.exit else None,
        "result": dict(info.result),
    }


def _events(store: Store, run_id: str, kinds: tuple[str, ...]) -> Iterator[Any]:
    after = 0
    while entries := store.journal(after, run_id, _PAGE, kinds):
        after = entries[-1][0]
        yield from (event for _, event in entries)


def _listed(name: str, entries: Iterable[Data]) -> Iterator[str]:
    """One key with a list, an entry a line."""
    yield f',"{name}":['
    for number, entry in enumerate(entries):
        yield (",\n" if number else "\n") + _text(entry)
    yield "]"


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
