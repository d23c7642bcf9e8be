"""Rows that go: of runs that are let go, and of what is about no run and old."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openbell.core.retention import Aged, Prune
from openbell.core.states import RunState
from openbell.store import tables
from openbell.store.statements import NEWEST_FIRST

_SUCCEEDED = RunState.SUCCEEDED.value


def ages(connection: sa.Connection) -> list[Aged]:
    """Every run, newest first."""
    runs = tables.runs.c
    chosen = sa.select(runs.id, runs.name, runs.opened_at, runs.closed_at, runs.size)
    return [Aged(*row) for row in connection.execute(chosen.order_by(*NEWEST_FIRST))]


def references(connection: sa.Connection) -> set[str]:
    """Runs that something refers to: other runs, data sets, inputs, letters, the next number."""
    runs, alerts, outbox = tables.runs.c, tables.alerts.c, tables.outbox.c
    consumed = tables.consumed.c
    waiting = outbox.delivered_at.is_(None) & outbox.given_up_at.is_(None)
    found: set[str] = set()
    for chosen in (
        sa.select(tables.datasets.c.run),
        sa.select(tables.groups.c.fallback).where(tables.groups.c.fallback != "").distinct(),
        sa.select(consumed.run).where(consumed.done_at.is_(None), consumed.consume != "keep").distinct(),
        sa.select(outbox.run).where(waiting).distinct(),
        sa.select(alerts.run).where(alerts.escalate_at.is_not(None), alerts.escalated_at.is_(None), unseen()),
        sa.select(alerts.run).order_by(alerts.number.desc()).limit(1),
        sa.select(tables.fires.c.run),
    ):
        found.update(row[0] for row in connection.execute(chosen))
    for name, number in connection.execute(
        sa.select(runs.name, sa.func.max(runs.number)).group_by(runs.name)
    ):
        if number is not None:
            chosen = sa.select(runs.id).where(runs.name == name, runs.number == number)
            found.update(row[0] for row in connection.execute(chosen))
    unwell = sa.select(runs.past).where(runs.past != "", runs.state != _SUCCEEDED)
    for row in connection.execute(unwell):
        found.update((json.loads(row[0]) or {}).get("successes", {}).values())
    return found


def unseen() -> sa.ColumnElement[bool]:
    """Alerts that nobody has seen to, and that are not over."""
    return tables.alerts.c.acknowledged_at.is_(None) & tables.alerts.c.resolved_at.is_(None)


def prune(connection: sa.Connection, event: Prune) -> None:
    """Delete the rows of these runs, and what is older than `before` and about no run."""
    if "runs" in event.parts:
        of_runs = tables.journal.c.run.in_(event.runs)
        _forget_requests(connection, of_runs)
        for table in (
            tables.journal,
            tables.attempts,
            tables.tasks,
            tables.groups,
            tables.outbox,
            tables.alerts,
        ):
            connection.execute(sa.delete(table).where(table.c.run.in_(event.runs)))
        connection.execute(sa.delete(tables.runs).where(tables.runs.c.id.in_(event.runs)))
    if event.before is not None:
        _forget_the_old(connection, event.before)


def _forget_the_old(connection: sa.Connection, before: datetime) -> None:
    """What is about no run: it stays as long as the oldest run does, which may have been touched by it."""
    first = connection.scalar(sa.select(sa.func.min(tables.runs.c.opened_at)))
    last = min(before, first) if first is not None else before
    journal = tables.journal.c
    about_none = journal.run.is_(None) | journal.run.not_in(sa.select(tables.runs.c.id))
    old = about_none & (journal.at < last) & (journal.kind != Prune.__name__)
    _forget_requests(connection, old & (journal.kind == "Requested"))
    connection.execute(sa.delete(tables.journal).where(old))
    connection.execute(sa.delete(tables.misses).where(tables.misses.c.at < last))


def _forget_requests(connection: sa.Connection, entries: sa.ColumnElement[bool]) -> None:
    """The requests that these journal entries are about."""
    chosen = sa.select(tables.journal.c.data).where(tables.journal.c.kind == "Requested", entries)
    ids = [json.loads(row[0])["id"] for row in connection.execute(chosen)]
    for portion in _portions(ids, 500):
        connection.execute(sa.delete(tables.requests).where(tables.requests.c.id.in_(portion)))


def _portions(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
