"""Builds a run's record from rows: the counterpart of `projection`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from openbell.core.group import MARKED, OUTDATED
from openbell.core.holds import settle_run
from openbell.core.model import Run
from openbell.core.state import Group, Live, RunRecord
from openbell.core.states import FailureKind, RunState, StopReason, TaskState
from openbell.store.codec import decode_forced, decode_past, decode_pipeline, decode_provenance

TaskRow = tuple[str, int, int, int, int, datetime | None, str | None, int]
"""step, cell, state, tries, base, not_before, kind, flags"""


def build(
    run: Any,
    groups: Sequence[Any],
    tasks: Iterable[TaskRow],
    live: Iterable[Any],
    elapsed: Iterable[tuple[str, float]],
    last_end: datetime | None,
) -> RunRecord:
    """The record of one run.

    `live`: rows of attempts without an end; `elapsed`: step and seconds of the others; `last_end`: when
    the last of those ended.
    """
    record = RunRecord(run_of(run), {row["step"]: TaskState(row["rest"]) for row in groups})
    record.paused = run["paused"]
    record.forgiven = run["forgiven"]
    record.overdue = run["overdue"]
    state = RunState(run["state"])
    record.outcome = state if state.final else None
    for row in groups:
        group = record.groups[row["step"]]
        group.refused = row["refused"]
        if group.intake is not None:
            group.intake.since = row["since"]
        if row["rest"] == TaskState.FAILED:  # cells without a row: nothing of them was ever tried
            group.kinds = dict.fromkeys(range(group.size), FailureKind(row["kind"] or "start"))
        if row["flags"]:  # the same
            group.flags, group.marked = bytearray([row["flags"]]) * group.size, group.size
        group.outdates = bool(row["outdates"])
    for step_name, cell, code, tries, base, not_before, kind, flags in tasks:
        _restore(record.groups[step_name], cell, code, tries, base, not_before, kind)
        _mark(record.groups[step_name], cell, flags)
    record.recall(decode_past(run["past"]))
    for row in groups:
        record.groups[row["step"]].fallback = row["fallback"]
    for row in live:
        _revive(record.groups[row["step"]], row)
    settle_run(record)
    record.last_end = last_end or record.last_end
    holding = {step.name for step in record.run.pipeline if step.hold}
    for step_name, seconds in elapsed:
        if step_name not in holding:
            record.durations.add(seconds)
    return record


def run_of(row: Any) -> Run:
    """The run of this row, without its tasks."""
    pipeline, forced = decode_pipeline(row["definition"]), decode_forced(row["forced"])
    origin = decode_provenance(row["provenance"])
    return Run(row["id"], pipeline, row["digest"], row["opened_at"], row["origin"], forced, origin)


def _restore(
    group: Group, cell: int, code: int, tries: int, base: int, not_before: datetime | None, kind: str | None
) -> None:
    group.tries[cell] = tries
    if base:
        group.base[cell] = base
    group.put(cell, TaskState(code), not_before)
    if kind and code == TaskState.FAILED:
        group.kinds[cell] = FailureKind(kind)


def _mark(group: Group, cell: int, flags: int) -> None:
    if group.flags[cell] != flags:
        group.unflag(cell)
        for flag in (MARKED, OUTDATED):
            if flags & flag:
                group.flag(cell, flag)


def _revive(group: Group, row: Any) -> None:
    state = group.state(row["cell"])
    if not state.live or group.tries[row["cell"]] != row["attempt"]:
        return
    group.live[row["cell"]] = Live(
        attempt=row["attempt"],
        state=state,
        since=row["decided_at"],
        started=row["started_at"],
        handle=row["handle"] or "",
        stop=StopReason(row["stop"]) if row["stop"] else None,
        unreachable_since=datetime.fromisoformat(row["unreachable"]) if row["unreachable"] else None,
        heard=row["heard"] or 0,
    )


def snapshot(record: RunRecord) -> dict[str, Any]:
    """Everything about a record that has to survive a restart, as comparable data (for the laws)."""
    return {
        "run": record.run,
        "paused": record.paused,
        "forgiven": record.forgiven,
        "outcome": record.outcome,
        "past": record.past,
        "overdue": record.overdue,
        "alerts": dict(record.alerts),
        "durations": (record.durations.buckets, record.durations.count),
        "groups": {name: _group(group) for name, group in record.groups.items()},
    }


def _group(group: Group) -> dict[str, Any]:
    live = {
        cell: (a.attempt, a.state, a.since, a.started, a.handle, a.stop, a.unreachable_since, a.heard)
        for cell, a in group.live.items()
    }
    counts = {state: group.count(state) for state in TaskState}
    base = {cell: base for cell, base in group.base.items() if base}
    found = group.intake
    intake = (found.since, dict(found.spent), sorted(found.withheld)) if found else None
    return {
        "codes": bytes(group.codes),
        "doomed": sorted(group.doomed),
        "intake": intake,
        "refused": group.refused,
        "results": {cell: dict(result) for cell, result in group.results.items()},
        "fallback": group.fallback,
        "flags": (bytes(group.flags), group.marked, group.outdated, group.outdates),
        "tries": group.tries.tolist(),
        "base": base,
        "due": dict(group.due),
        "live": live,
        "kinds": dict(group.kinds),
        "counts": counts,
    }
