"""The tables. The invariants of the state machine stand here a second time, as constraints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from openbell.core.states import TaskState

_FINAL = ", ".join(str(int(state)) for state in TaskState if state.final)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime: ISO text in SQLite (which has no such type), timestamptz elsewhere."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        text = dialect.name == "sqlite"
        return dialect.type_descriptor(sa.Text() if text else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return datetime.fromisoformat(value) if isinstance(value, str) else value


metadata = sa.MetaData()

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("run", sa.Text),
    sa.Column("step", sa.Text),
    sa.Column("cell", sa.Integer),
    sa.Column("attempt", sa.Integer),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("journal_by_run", "run", "seq"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("paused", sa.Text, nullable=False),
    sa.Column("forgiven", sa.Integer, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False, server_default=""),
    sa.Column("number", sa.Integer),
    sa.Column("mode", sa.Text, nullable=False, server_default=""),
    sa.Column("forced", sa.Text, nullable=False, server_default=""),
    sa.Column("provenance", sa.Text, nullable=False, server_default=""),
    sa.Column("past", sa.Text, nullable=False, server_default=""),
    sa.Column("overdue", Instant),
    sa.CheckConstraint(
        "(closed_at IS NOT NULL) = (state IN ('succeeded', 'partial', 'failed', 'cancelled'))",
        name="closed_runs_are_final",
    ),
    sa.Index("runs_by_name", "name", "opened_at"),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("rest", sa.Integer, nullable=False),
    sa.Column("since", Instant),
    sa.Column("fallback", sa.Text, nullable=False, server_default=""),
    sa.Column("refused", sa.Text, nullable=False, server_default=""),
    sa.Column("kind", sa.Text),
    sa.Column("flags", sa.Integer, nullable=False, server_default="0"),
    sa.Column("outdates", sa.Boolean, nullable=False, server_default=sa.false()),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("cell", sa.Integer, primary_key=True),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("base", sa.Integer, nullable=False),
    sa.Column("not_before", Instant),
    sa.Column("kind", sa.Text),
    sa.Column("finished_at", Instant),
    sa.Column("flags", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint(f"(finished_at IS NOT NULL) = (state IN ({_FINAL}))", name="finished_tasks_are_final"),
    sa.CheckConstraint("not_before IS NULL OR state = 0", name="only_waiting_tasks_are_delayed"),
    sa.CheckConstraint(
        f"(kind IS NOT NULL) = (state = {int(TaskState.FAILED)})", name="failed_tasks_have_a_kind"
    ),
    sqlite_with_rowid=False,
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("cell", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("handle", sa.Text),
    sa.Column("stop", sa.Text),
    sa.Column("unreachable", sa.Text),
    sa.Column("heard", sa.Integer),
    sa.Column("kind", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("elapsed", sa.Float),
    sa.Column("exit", sa.Text),
    sa.Column("result", sa.Text),
    sa.Index("live_attempts", "run", sqlite_where=sa.text("ended_at IS NULL")),
    sqlite_with_rowid=False,
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False),
)

consumed = sa.Table(
    "consumed",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("mtime_ns", sa.Integer, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("consume", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("consumed_not_put_away", "consume", sqlite_where=sa.text("done_at IS NULL")),
    sqlite_with_rowid=False,
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False),
    sa.Column("run", sa.Text),
    sa.Column("answered_at", Instant),
    sa.Column("accepted", sa.Boolean),
    sa.Column("message", sa.Text),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),
    sa.Column("trigger", sa.Text, primary_key=True),
    sa.Column("position", sa.Text, nullable=False),
)

fires = sa.Table(
    "fires",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("fire", sa.Text, nullable=False),
)

misses = sa.Table(
    "misses",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),
    sa.Column("trigger", sa.Text, primary_key=True),
    sa.Column("first", sa.Text, primary_key=True),
    sa.Column("last", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("misses_by_time", "at"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("escalate_to", sa.Text, nullable=False),
    sa.Column("escalate_at", Instant),
    sa.Column("escalated_at", Instant),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("resolved_at", Instant),
    sa.Index("alerts_by_run", "run"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("alert", sa.Integer, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("tried_at", Instant),
    sa.Column("delivered_at", Instant),
    sa.Column("given_up_at", Instant),
    sa.Index("waiting_letters", "at", sqlite_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL")),
)
