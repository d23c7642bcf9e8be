"""The statements that are executed every turn, and how a batch of changes is written with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from openbell.core.group import MARKED, OUTDATED
from openbell.core.states import RunState, TaskState
from openbell.store import tables
from openbell.store.changes import Changes, Relay, Sweep
from openbell.store.post import Post
from openbell.store.prepared import Prepared, Row
from openbell.store.projection import NEWEST_WINS


def insert(table: sa.Table) -> sqlite.Insert:
    """An insert that can handle conflicts."""
    return sqlite.insert(table)


def _upsert(table: sa.Table, *keys: str) -> sqlite.Insert:
    """Insert or overwrite."""
    statement = insert(table)
    values = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=values)


def _merge(table: sa.Table, *keys: str) -> sa.Update:
    """Update by key (bound as `key_...`): what is known stays, but for the columns in `NEWEST_WINS`."""
    values = {}
    for column in table.c:
        if column.name not in keys:
            new = sa.bindparam(column.name, type_=column.type)
            order = (new, column) if column.name in NEWEST_WINS else (column, new)
            values[column.name] = sa.func.coalesce(*order)
    return (
        sa.update(table).where(*(table.c[key] == sa.bindparam(f"key_{key}") for key in keys)).values(values)
    )


def marked(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether somebody has said what it is."""
    return table.c.flags.op("&")(MARKED) != 0


NEWEST_FIRST = (tables.runs.c.opened_at.desc(), tables.runs.c.number.desc(), tables.runs.c.id.desc())
"""The order of runs."""


def entries_of(run_id: str | None, name: str | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on journal entries: about this run, about runs of this pipeline."""
    about = tables.journal.c.run
    conditions: list[sa.ColumnElement[bool]] = []
    if run_id is not None:
        conditions.append(about == run_id)
    if name is not None:
        conditions.append(about.in_(sa.select(tables.runs.c.id).where(tables.runs.c.name == name)))
    return conditions


def last_success(name: str, step: str, before: datetime) -> sa.Select[tuple[str]]:
    """The newest ended run of a pipeline, opened before, in which all of the step succeeded by itself."""
    runs, groups, tasks = tables.runs.c, tables.groups.c, tables.tasks.c
    of_step = (tasks.run == runs.id) & (tasks.step == step)
    succeeded = int(TaskState.SUCCEEDED)
    return (
        sa.select(runs.id)
        .join(tables.groups, (groups.run == runs.id) & (groups.step == step))
        .where(
            runs.name == name,
            runs.closed_at.is_not(None),
            runs.opened_at < before,
            groups.rest == int(TaskState.WAITING),  # every cell has a row then
            sa.exists().where(of_step, tasks.state == succeeded),
            ~sa.exists().where(of_step, (tasks.state != succeeded) | marked(tables.tasks)),
        )
        .order_by(*NEWEST_FIRST)
        .limit(1)
    )


_last_entry = sa.select(
    sa.func.coalesce(sa.func.max(tables.journal.c.seq), sa.literal_column("0"))
).scalar_subquery()

HEAD = Prepared(sa.select(tables.lease.c.epoch, _last_entry))
"""Who leads, and how far the journal is."""

RECORD = Prepared(tables.journal.insert())
"""Writes journal entries."""

UPSERT_LEASE = _upsert(tables.lease, "id")

_by_run: sa.BindParameter[str] = sa.bindparam("run")
GROUPS = sa.select(tables.groups).where(tables.groups.c.run == _by_run)
TASKS = sa.select(
    tables.tasks.c.step,
    tables.tasks.c.cell,
    tables.tasks.c.state,
    tables.tasks.c.tries,
    tables.tasks.c.base,
    tables.tasks.c.not_before,
    tables.tasks.c.kind,
    tables.tasks.c.flags,
).where(tables.tasks.c.run == _by_run)
LIVE = sa.select(tables.attempts).where(
    tables.attempts.c.run == _by_run, tables.attempts.c.ended_at.is_(None)
)
ELAPSED = sa.select(tables.attempts.c.step, tables.attempts.c.elapsed).where(
    tables.attempts.c.run == _by_run, tables.attempts.c.elapsed.is_not(None)
)

TOOK = (
    sa.select(tables.attempts.c.step, tables.attempts.c.cell, tables.attempts.c.elapsed)
    .where(tables.attempts.c.run == _by_run, tables.attempts.c.step == sa.bindparam("step"))
    .where(tables.attempts.c.kind.is_(None), tables.attempts.c.elapsed > 0)
    .where(tables.attempts.c.exit.contains('"cached":""'))
    .limit(sa.bindparam("most"))
)
"""How long the successes of a step took, kept results aside."""
STEPS = sa.select(tables.groups.c.step).where(tables.groups.c.run == _by_run)

LAST_END = sa.select(sa.func.max(tables.attempts.c.ended_at)).where(tables.attempts.c.run == _by_run)

_OF_LAST = (
    (tables.tasks.c.run == tables.attempts.c.run)
    & (tables.tasks.c.step == tables.attempts.c.step)
    & (tables.tasks.c.cell == tables.attempts.c.cell)
    & (tables.tasks.c.tries == tables.attempts.c.attempt)
)
REPORTED = (
    sa.select(tables.attempts.c.cell, tables.attempts.c.result)
    .join(tables.tasks, _OF_LAST)
    .where(tables.attempts.c.run == _by_run, tables.attempts.c.step == sa.bindparam("step"))
    .where(tables.attempts.c.result.is_not(None), ~marked(tables.tasks))
    .order_by(tables.attempts.c.cell)
)
"""What the last attempts of a step have reported."""
REPORTED_BY = Prepared(REPORTED.where(tables.attempts.c.cell == sa.bindparam("cell")))

_UPSERT_TASK = Prepared(_upsert(tables.tasks, "run", "step", "cell"))
_BEGIN_ATTEMPT = Prepared(tables.attempts.insert())
_ATTEMPT_KEY = ("run", "step", "cell", "attempt")
_MERGE_ATTEMPT = Prepared(_merge(tables.attempts, *_ATTEMPT_KEY))
_CHANGING = ("title", "size", "definition", "state", "paused", "forgiven", "forced", "overdue", "closed_at")
_UPDATE_RUN = Prepared(
    sa.update(tables.runs)
    .where(tables.runs.c.id == sa.bindparam("key"))
    .values({name: sa.bindparam(name) for name in _CHANGING})
)
_UPDATE_GROUP = Prepared(
    sa.update(tables.groups)
    .where(tables.groups.c.run == sa.bindparam("key_run"), tables.groups.c.step == sa.bindparam("key_step"))
    .values(since=sa.bindparam("since"), refused=sa.bindparam("refused"))
)
_CONSUME = Prepared(insert(tables.consumed).on_conflict_do_nothing())
_CLEARED = Prepared(
    sa.update(tables.consumed)
    .where(
        tables.consumed.c.run == sa.bindparam("key_run"),
        tables.consumed.c.step == sa.bindparam("key_step"),
        tables.consumed.c.path == sa.bindparam("key_path"),
        tables.consumed.c.key == sa.bindparam("key_key"),
    )
    .values(done_at=sa.bindparam("done_at"), note=sa.bindparam("note"))
)
_UPSERT_DATASET = Prepared(_upsert(tables.datasets, "name"))
RESULTS = (
    sa.select(
        tables.attempts.c.step, tables.attempts.c.cell, tables.attempts.c.result, tables.attempts.c.exit
    )
    .where(tables.attempts.c.run == _by_run, tables.attempts.c.ended_at.is_not(None))
    .order_by(tables.attempts.c.attempt)
)
"""In the order of the attempts, so that the last one of a task counts."""

STANDING = sa.select(tables.alerts.c.step, tables.alerts.c.topic, tables.alerts.c.number).where(
    tables.alerts.c.run == _by_run, tables.alerts.c.resolved_at.is_(None)
)
ESCALATING = sa.select(tables.alerts).where(
    tables.alerts.c.escalate_at.is_not(None),
    *(tables.alerts.c[name].is_(None) for name in ("escalated_at", "acknowledged_at", "resolved_at")),
)

NOT_PUT_AWAY = sa.select(tables.consumed).where(
    tables.consumed.c.done_at.is_(None), tables.consumed.c.consume != "keep"
)
_TAKEN = (
    sa.update(tables.requests)
    .where(tables.requests.c.id == sa.bindparam("key"))
    .values(taken=True, run=sa.bindparam("run"))
)
_ANSWERED = Prepared(
    sa.update(tables.requests)
    .where(tables.requests.c.id == sa.bindparam("key"))
    .values({name: sa.bindparam(name) for name in ("answered_at", "accepted", "message", "run")})
)


def apply(connection: sa.Connection, changes: Changes) -> None:
    """Write the rows of one batch."""
    if changes.requested:
        rows = [{**row, "taken": True} for row in changes.requested]
        connection.execute(insert(tables.requests).on_conflict_do_nothing(), rows)
        connection.execute(_TAKEN, [{"key": row["id"], "run": row["run"]} for row in changes.requested])
    if changes.opened:
        blank = {
            "title": "",
            "size": 0,
            "definition": "",
            "state": RunState.ACTIVE.value,
            "paused": "",
            "forgiven": 0,
        }
        connection.execute(tables.runs.insert(), [{**row, **blank} for row in changes.opened])
        connection.execute(tables.groups.insert(), changes.groups)
    for sweep in changes.sweeps:
        match sweep:
            case Relay():
                _relay(connection, sweep)
            case _:
                _sweep(connection, sweep)
    attempts = list(changes.attempts.values())
    ongoing = [
        {f"key_{name}" if name in _ATTEMPT_KEY else name: value for name, value in row.items()}
        for row in attempts
        if row["decided_at"] is None
    ]
    written: tuple[tuple[Prepared, Sequence[Row]], ...] = (
        (_UPDATE_RUN, list(changes.runs.values())),
        (_UPSERT_TASK, list(changes.tasks.values())),
        (_BEGIN_ATTEMPT, [row for row in attempts if row["decided_at"]]),
        (_MERGE_ATTEMPT, ongoing),
        (_ANSWERED, changes.answered),
        (_UPDATE_GROUP, list(changes.waits.values())),
        (_CONSUME, changes.consumed),
        (_CLEARED, changes.cleared),
        (_UPSERT_DATASET, list(changes.datasets.values())),
    )
    for statement, batch in written:
        if batch:
            statement.write(connection, batch)
    _outdated(connection, changes)
    _pasts(connection, changes)
    _occasions(connection, changes)
    if not changes.post.empty:
        _post(connection, changes.post)


def _post(connection: sa.Connection, post: Post) -> None:
    """Alerts, and the letters about them."""
    alerts, outbox = tables.alerts, tables.outbox
    if post.raised:
        connection.execute(alerts.insert(), post.raised)
    for number, values in post.marked.items():
        connection.execute(sa.update(alerts).where(alerts.c.number == number).values(values))
    for run, (at, numbers) in post.standing.items():
        gone = (alerts.c.run == run) & alerts.c.resolved_at.is_(None) & alerts.c.number.not_in(numbers)
        connection.execute(sa.update(alerts).where(gone).values(resolved_at=at))
    if post.letters:
        connection.execute(outbox.insert(), post.letters)
    for letter, values in post.posted.items():
        connection.execute(sa.update(outbox).where(outbox.c.id == letter).values(values))


def _outdated(connection: sa.Connection, changes: Changes) -> None:
    """What has got out of date, and what can bring that about."""
    tasks, groups = tables.tasks, tables.groups
    for (run, step), cells in changes.outdated.items():
        of_step = (tasks.c.run == run) & (tasks.c.step == step)
        rows = [{"key_cell": cell} for cell in cells]
        by_cell = sa.update(tasks).where(of_step, tasks.c.cell == sa.bindparam("key_cell"))
        connection.execute(by_cell.values(flags=tasks.c.flags.op("|")(OUTDATED)), rows)
    for (run, step), outdates in changes.outdating.items():
        of_step = (groups.c.run == run) & (groups.c.step == step)
        connection.execute(sa.update(groups).where(of_step).values(outdates=outdates))


def _pasts(connection: sa.Connection, changes: Changes) -> None:
    """What runs have of earlier ones."""
    for run, past in changes.pasts.items():
        connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run).values(past=past))
    for (run, step), source in changes.fallbacks.items():
        of_step = (tables.groups.c.run == run) & (tables.groups.c.step == step)
        connection.execute(sa.update(tables.groups).where(of_step).values(fallback=source))


def _occasions(connection: sa.Connection, changes: Changes) -> None:
    """What triggers are at, and what they missed."""
    for (pipeline, trigger), position in changes.cursors.items():
        key = (tables.cursors.c.pipeline == pipeline) & (tables.cursors.c.trigger == trigger)
        connection.execute(sa.delete(tables.cursors).where(key))
        if position is not None:
            row = {"pipeline": pipeline, "trigger": trigger, "position": position}
            connection.execute(tables.cursors.insert(), row)
    for run, fire in changes.fires.items():
        connection.execute(sa.delete(tables.fires).where(tables.fires.c.run == run))
        if fire is not None:
            connection.execute(tables.fires.insert(), {"run": run, "fire": fire})
    if changes.misses:
        connection.execute(insert(tables.misses).on_conflict_do_nothing(), changes.misses)


def _relay(connection: sa.Connection, relay: Relay) -> None:
    """Forget the rows of a step whose cells are others from now on."""
    groups, tasks = tables.groups, tables.tasks
    connection.execute(sa.delete(tasks).where(tasks.c.run == relay.run, tasks.c.step == relay.step))
    of_step = (groups.c.run == relay.run) & (groups.c.step == relay.step)
    connection.execute(sa.update(groups).where(of_step).values(rest=int(TaskState.WAITING), flags=0))


def _sweep(connection: sa.Connection, sweep: Sweep) -> None:
    """Move all tasks of a step that are in one of the states, and the cells that have no row yet."""
    states = [int(state) for state in sweep.states]
    reopening = sweep.to is TaskState.WAITING
    of_step = (tables.tasks.c.run == sweep.run) & (tables.tasks.c.step == sweep.step)
    connection.execute(
        sa.update(tables.tasks)
        .where(of_step, tables.tasks.c.state.in_(states), ~marked(tables.tasks))
        .values(
            state=int(sweep.to),
            flags=sweep.flags,
            not_before=None,
            kind=sweep.kind.value if sweep.kind else None,
            base=tables.tasks.c.tries if reopening else tables.tasks.c.base,
            finished_at=None if reopening else sweep.at,
        )
    )
    connection.execute(
        sa.update(tables.groups)
        .where(tables.groups.c.run == sweep.run, tables.groups.c.step == sweep.step)
        .where(tables.groups.c.rest.in_(states), ~marked(tables.groups))
        .values(rest=int(sweep.to), kind=sweep.kind.value if sweep.kind else None, flags=sweep.flags)
    )
