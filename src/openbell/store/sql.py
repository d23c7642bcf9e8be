"""The SQL store: SQLAlchemy Core, one transaction per turn, no policy.

SQLite runs in WAL mode and begins every write with BEGIN IMMEDIATE, so writers queue instead of
failing. Batches are numbered by the engine: one that is there already is not written twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openbell.core.alerts import Topic
from openbell.core.events import Answer, Event
from openbell.core.freshness import Dataset
from openbell.core.inputs import InputFile
from openbell.core.intake import unbound
from openbell.core.model import Run
from openbell.core.requests import Request
from openbell.core.retention import Aged
from openbell.core.state import Limits, RunRecord, State
from openbell.core.states import RunState
from openbell.errors import Fenced, StoreError
from openbell.store import tables
from openbell.store.codec import (
    decode_event,
    decode_fire,
    decode_past,
    decode_pipeline,
    decode_request,
    encode_request,
)
from openbell.store.database import READING, cause, connect, failures, is_locked, migrate, unusable
from openbell.store.inputs import chore, keys_of, recall, recall_ends
from openbell.store.loader import build, run_of
from openbell.store.post import alert_info, escalating, letter_info, standing
from openbell.store.projection import project
from openbell.store.pruning import ages, prune, references
from openbell.store.records import AlertInfo, AttemptInfo, Lease, LetterInfo, MissInfo, RunInfo, TaskInfo
from openbell.store.rows import attempt_info, journal_row, run_info, task_info
from openbell.store.statements import (
    ELAPSED,
    ESCALATING,
    GROUPS,
    HEAD,
    LAST_END,
    LIVE,
    NEWEST_FIRST,
    NOT_PUT_AWAY,
    RECORD,
    REPORTED,
    REPORTED_BY,
    RESULTS,
    STANDING,
    STEPS,
    TASKS,
    TOOK,
    UPSERT_LEASE,
    apply,
    entries_of,
    insert,
    last_success,
)

_AT_ONCE = 5_000  # rows
_MOST_KEYS = 500
_PATIENCE = 30.0  # seconds that a locked database is waited for


class SqlStore:
    """A store in a database. `url` is SQLAlchemy's; `durability` is `process` or `power`."""

    def __init__(self, url: str, *, durability: str = "process") -> None:
        try:
            self._engine = connect(url, durability)
            migrate(self._engine)
            self._writer = self._engine.connect()
            self._reader = self._engine.connect().execution_options(**READING)
            self._failures = failures(self._engine)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise unusable(url, error) from error

    def close(self) -> None:
        self._writer.close()
        self._reader.close()
        self._engine.dispose()

    # ── the leader's side ────────────────────────────────────────────────────────────────────

    def lead(self, holder: str, at: datetime) -> Lease:
        with self._write() as connection:
            epoch = (connection.scalar(sa.select(tables.lease.c.epoch)) or 0) + 1
            row = {"id": 1, "epoch": epoch, "holder": holder, "since": at}
            connection.execute(UPSERT_LEASE, row)
            return Lease(epoch, self._last(connection))

    def append(self, epoch: int, first: int, events: Sequence[Event], state: State) -> None:
        if not events:
            return
        changes = project(events, state)
        rows = [journal_row(first + n, event) for n, event in enumerate(events)]
        with self._write() as connection:
            current, last = HEAD.first(connection)
            if current != epoch:
                raise Fenced(f"engine {current} has taken the lead from engine {epoch}")
            if last >= first:
                return
            RECORD.write(connection, rows)
            apply(connection, changes)
            for pruned in changes.pruned:
                prune(connection, pruned)

    def load(self, limits: Limits) -> State:
        state = State(limits)
        active = [state_.value for state_ in RunState if not state_.final]
        chosen = sa.select(tables.runs).where(tables.runs.c.state.in_(active))
        for row in self._read(chosen.order_by(tables.runs.c.opened_at, tables.runs.c.id)):
            state.runs[row.id] = self._record(row)
        pending = sa.select(tables.requests).where(
            tables.requests.c.taken, tables.requests.c.answered_at.is_(None)
        )
        for row in self._read(pending.order_by(tables.requests.c.at)):
            state.requests[row.id] = (decode_request(row.request), row.run)
        for row in self._read(sa.select(tables.cursors)):
            state.positions[row.pipeline, row.trigger] = row.position
        for row in self._read(sa.select(tables.fires)):
            state.fired[row.run] = decode_fire(row.fire)
        state.datasets = {one.name: one for one in self.datasets()}
        for row in self._read(NOT_PUT_AWAY):
            state.chores[row.run, row.step, row.path] = chore(row)
        state.alerts = {row.number: escalating(row) for row in self._read(ESCALATING)}
        state.next_alert = 1 + (self._read(sa.select(sa.func.max(tables.alerts.c.number)))[0][0] or 0)
        state.epoch = self.epoch()
        return state

    # ── everybody's side ─────────────────────────────────────────────────────────────────────

    def ask(self, request_id: str, request: Request, at: datetime) -> None:
        row = {"id": request_id, "at": at, "request": encode_request(request), "taken": False}
        with self._write() as connection:
            connection.execute(insert(tables.requests).on_conflict_do_nothing(), row)

    def asked(self) -> list[tuple[str, Request]]:
        chosen = sa.select(tables.requests).where(~tables.requests.c.taken)
        rows = self._read(chosen.order_by(tables.requests.c.at, tables.requests.c.id))
        return [(row.id, decode_request(row.request)) for row in rows]

    def answer(self, request_id: str) -> Answer | None:
        chosen = sa.select(tables.requests).where(tables.requests.c.id == request_id)
        for row in self._read(chosen):
            if row.answered_at:
                return Answer(row.answered_at, row.id, row.accepted, row.message, row.run)
        return None

    def run(self, run_id: str) -> RunRecord | None:
        rows = self._read(sa.select(tables.runs).where(tables.runs.c.id == run_id))
        return self._record(rows[0]) if rows else None

    def definition(self, run_id: str) -> Run | None:
        rows = self._read(sa.select(tables.runs).where(tables.runs.c.id == run_id))
        return run_of(rows[0]._mapping) if rows else None

    def newest(self, name: str, digest: str | None = None) -> str | None:
        chosen = sa.select(tables.runs.c.id).where(tables.runs.c.name == name)
        if digest is not None:
            chosen = chosen.where(tables.runs.c.digest == digest)
        rows = self._read(chosen.order_by(*NEWEST_FIRST).limit(1))
        return rows[0].id if rows else None

    def next_key(self, name: str) -> int:
        chosen = sa.select(sa.func.max(tables.runs.c.number)).where(tables.runs.c.name == name)
        return int(self._read(chosen)[0][0] or 0) + 1

    def runs(self, name: str | None = None, limit: int = 100) -> list[RunInfo]:
        chosen = sa.select(tables.runs)
        if name is not None:
            chosen = chosen.where(tables.runs.c.name == name)
        return [run_info(row) for row in self._read(chosen.order_by(*NEWEST_FIRST).limit(limit))]

    def info(self, run_id: str) -> RunInfo | None:
        rows = self._read(sa.select(tables.runs).where(tables.runs.c.id == run_id))
        return run_info(rows[0]) if rows else None

    def last_success(self, name: str, step: str, before: datetime) -> str | None:
        rows = self._read(last_success(name, step, before))
        return rows[0].id if rows else None

    def misses(self, name: str | None = None, limit: int = 100) -> list[MissInfo]:
        chosen = sa.select(tables.misses)
        if name is not None:
            chosen = chosen.where(tables.misses.c.pipeline == name)
        ordered = chosen.order_by(tables.misses.c.at.desc(), tables.misses.c.first.desc())
        return [MissInfo(**row._mapping) for row in self._read(ordered.limit(limit))]

    def tasks(self, run_id: str) -> Iterator[TaskInfo]:
        chosen = sa.select(tables.tasks).where(tables.tasks.c.run == run_id)
        for row in self._stream(chosen.order_by(tables.tasks.c.step, tables.tasks.c.cell)):
            yield task_info(row)

    def attempts(self, run_id: str, *, last_only: bool = False) -> Iterator[AttemptInfo]:
        table = tables.attempts
        chosen = sa.select(table).where(table.c.run == run_id)
        if last_only:
            of_task = (tables.tasks.c.run == table.c.run) & (tables.tasks.c.step == table.c.step)
            newest = (tables.tasks.c.cell == table.c.cell) & (tables.tasks.c.tries == table.c.attempt)
            chosen = chosen.join(tables.tasks, of_task & newest)
        for row in self._stream(chosen.order_by(table.c.step, table.c.cell, table.c.attempt)):
            yield attempt_info(row)

    def results(
        self, run_id: str, step: str, cells: Sequence[int] | None = None
    ) -> Iterator[tuple[int, str]]:
        by_step = {"run": run_id, "step": step}
        if cells is None:
            yield from ((row.cell, row.result) for row in self._stream(REPORTED, by_step))
            return
        for cell in cells:
            with self._reading():
                found = REPORTED_BY.first(self._reader, {**by_step, "cell": cell})
            if found is not None:
                yield found[0], found[1]

    def elapsed(self, run_id: str, most: int) -> Iterator[tuple[str, int, float]]:
        with self._snapshot() as connection:
            for step in connection.scalars(STEPS, {"run": run_id}).all():
                yield from map(
                    tuple, connection.execute(TOOK, {"run": run_id, "step": step, "most": most}).all()
                )

    def journal(
        self,
        after: int = 0,
        run_id: str | None = None,
        limit: int = 1000,
        kinds: Sequence[str] = (),
        name: str | None = None,
    ) -> list[tuple[int, Event]]:
        chosen = sa.select(tables.journal).where(tables.journal.c.seq > after, *entries_of(run_id, name))
        if kinds:
            chosen = chosen.where(tables.journal.c.kind.in_(kinds))
        rows = self._read(chosen.order_by(tables.journal.c.seq).limit(limit))
        return [(row.seq, self._event(row)) for row in rows]

    def consumed(self, pipeline: str, step: str, keys: Sequence[str]) -> dict[str, str]:
        table = tables.consumed
        of_step = (table.c.pipeline == pipeline) & (table.c.step == step)
        found: dict[str, str] = {}
        for first in range(0, len(keys), _MOST_KEYS):
            some = table.c.key.in_(keys[first : first + _MOST_KEYS])
            found |= {row.key: row.run for row in self._read(sa.select(table).where(of_step, some))}
        return found

    def consumed_files(self, pipeline: str, step: str, limit: int = 20_000) -> list[InputFile]:
        table = tables.consumed
        of_step = (table.c.pipeline == pipeline) & (table.c.step == step)
        chosen = sa.select(table).where(of_step).order_by(table.c.at.desc()).limit(limit)
        return [InputFile(row.path, row.size, row.mtime_ns, row.key) for row in self._read(chosen)]

    def before_last(self, count: int, run_id: str | None = None, name: str | None = None) -> int:
        seq = tables.journal.c.seq
        chosen = sa.select(seq).where(*entries_of(run_id, name)).order_by(seq.desc())
        rows = self._read(chosen.offset(count).limit(1))
        return rows[0].seq if rows else 0

    def datasets(self) -> list[Dataset]:
        chosen = sa.select(tables.datasets).order_by(tables.datasets.c.name)
        return [Dataset(row.name, row.at, row.run, row.step, row.session) for row in self._read(chosen)]

    def alerts(
        self, run_id: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> list[AlertInfo]:
        chosen = sa.select(tables.alerts).order_by(tables.alerts.c.number.desc())
        if run_id is not None:
            chosen = chosen.where(tables.alerts.c.run == run_id)
        if open_only:
            not_seen_to = (tables.alerts.c[name].is_(None) for name in ("acknowledged_at", "resolved_at"))
            chosen = chosen.where(tables.alerts.c.topic != Topic.SUCCESS.value, *not_seen_to)
        return [alert_info(row) for row in self._read(chosen.limit(limit))]

    def letters(self, alert: int | None = None, *, waiting: bool = False) -> list[LetterInfo]:
        chosen = sa.select(tables.outbox).order_by(tables.outbox.c.at, tables.outbox.c.id)
        if alert is not None:
            chosen = chosen.where(tables.outbox.c.alert == alert)
        if waiting:
            chosen = chosen.where(
                tables.outbox.c.delivered_at.is_(None), tables.outbox.c.given_up_at.is_(None)
            )
        return [letter_info(row) for row in self._read(chosen)]

    def ages(self) -> list[Aged]:
        with self._snapshot() as connection:
            return ages(connection)

    def references(self) -> set[str]:
        with self._snapshot() as connection:
            return references(connection)

    def last(self) -> int:
        with self._snapshot() as connection:
            return self._last(connection)

    def epoch(self) -> int:
        rows = self._read(sa.select(tables.lease.c.epoch))
        return rows[0].epoch if rows else 0

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        """A transaction that waits for its turn; locked for too long or broken: `StoreError`."""
        try:
            with self._begin():
                yield self._writer
        except self._failures as error:
            raise StoreError(
                f"the store could not be written: {cause(error)}",
                hint="nothing is lost: running tasks go on; free the disk or the lock and run again",
            ) from error

    def _begin(self) -> sa.RootTransaction:
        try:
            return self._writer.begin()
        except self._failures as error:
            if not is_locked(error):
                raise
        import stamina  # 20 ms, for those who have to wait only

        for attempt in stamina.retry_context(on=is_locked, attempts=None, timeout=_PATIENCE):
            with attempt:
                return self._writer.begin()
        raise AssertionError("it has begun, or waited for too long")

    @contextmanager
    def _snapshot(self) -> Iterator[sa.Connection]:
        """One consistent view over several reads."""
        with self._reading(), self._reader.begin():
            yield self._reader

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise StoreError(f"the store could not be read: {cause(error)}") from error

    def _read(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self._snapshot() as connection:
            return connection.execute(query).all()

    def _stream(self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Rows as they are asked for: there may be millions."""
        options = {**READING, "yield_per": _AT_ONCE}
        with self._reading(), self._engine.connect().execution_options(**options) as connection:
            yield from connection.execute(query, parameters)

    def _last(self, connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.max(tables.journal.c.seq))) or 0

    def _record(self, row: Any) -> RunRecord:
        by_run = {"run": row.id}
        with self._snapshot() as connection:
            groups = connection.execute(GROUPS, by_run).mappings().all()
            live = connection.execute(LIVE, by_run).mappings().all()
            elapsed = connection.execute(ELAPSED, by_run)
            last_end = connection.execute(LAST_END, by_run).scalar()
            tasks = connection.execute(TASKS, by_run)
            record = build(row._mapping, groups, tasks, live, elapsed, last_end)
            record.alerts = standing(connection.execute(STANDING, by_run).mappings())
            if record.listed or record.takes_files:
                ends = connection.execute(RESULTS, by_run)
                recall_ends(record, ((one.step, one.cell, one.result, one.exit) for one in ends))
        for step, keys in keys_of(record).items():
            recall(record, step, self.consumed(record.run.pipeline.name, step, keys))
        return record

    def _event(self, row: Any) -> Event:
        apart: Any = None
        match row.kind:
            case "OpenRun":
                run = self.definition(row.run)
                apart = replace(run, pipeline=unbound(run.pipeline)) if run else None
            case "Amend":
                chosen = sa.select(tables.runs.c.definition).where(tables.runs.c.id == row.run)
                apart = decode_pipeline(self._read(chosen)[0].definition)
            case "Recalled":
                chosen = sa.select(tables.runs.c.past).where(tables.runs.c.id == row.run)
                apart = decode_past(self._read(chosen)[0].past)
            case "Requested":
                about = json.loads(row.data)["id"]
                chosen = sa.select(tables.requests.c.request).where(tables.requests.c.id == about)
                apart = decode_request(self._read(chosen)[0].request)
        return decode_event(row.kind, row._mapping, row.data, apart)
