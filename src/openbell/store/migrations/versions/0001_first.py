"""The first schema."""

import sqlalchemy as sa
from alembic import op

from openbell.store.tables import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _integer(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=null)


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True),
        _integer("epoch"),
        _text("holder"),
        sa.Column("since", Instant, nullable=False),
    )
    op.create_table(
        "journal",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", Instant, nullable=False),
        _text("kind"),
        _text("run", null=True),
        _text("step", null=True),
        _integer("cell", null=True),
        _integer("attempt", null=True),
        _text("data"),
    )
    op.create_index("journal_by_run", "journal", ["run", "seq"])
    _create_runs()
    _create_tasks()
    op.create_table(
        "requests",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", Instant, nullable=False),
        _text("request"),
        sa.Column("taken", sa.Boolean, nullable=False),
        _text("run", null=True),
        sa.Column("answered_at", Instant),
        sa.Column("accepted", sa.Boolean),
        _text("message", null=True),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        _text("name"),
        _text("title"),
        _text("digest"),
        _text("definition"),
        _text("state"),
        _text("paused"),
        _integer("forgiven"),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant),
        _integer("size"),
        _text("origin"),
        sa.CheckConstraint(
            "(closed_at IS NOT NULL) = (state IN ('succeeded', 'partial', 'failed', 'cancelled'))",
            name="closed_runs_are_final",
        ),
    )
    op.create_index("runs_by_name", "runs", ["name", "opened_at"])
    op.create_table(
        "groups",
        sa.Column("run", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        _integer("cells"),
        _integer("rest"),
        _text("reason"),
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("cell", sa.Integer, primary_key=True),
        _integer("state"),
        _integer("tries"),
        _integer("base"),
        sa.Column("not_before", Instant),
        _text("kind", null=True),
        sa.Column("finished_at", Instant),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN (4, 5, 6, 7))", name="finished_tasks_are_final"
        ),
        sa.CheckConstraint("not_before IS NULL OR state = 0", name="only_waiting_tasks_are_delayed"),
        sa.CheckConstraint("(kind IS NOT NULL) = (state = 5)", name="failed_tasks_have_a_kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempts",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("cell", sa.Integer, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("decided_at", Instant, nullable=False),
        sa.Column("started_at", Instant),
        sa.Column("ended_at", Instant),
        _text("handle", null=True),
        _text("stop", null=True),
        _text("unreachable", null=True),
        _integer("heard", null=True),
        _text("kind", null=True),
        _text("error", null=True),
        sa.Column("elapsed", sa.Float),
        _text("exit", null=True),
        _text("result", null=True),
        sqlite_with_rowid=False,
    )
    op.create_index("live_attempts", "attempts", ["run"], sqlite_where=sa.text("ended_at IS NULL"))
