"""Alerts, the outbox that their letters go through, and runs that are overdue."""

import sqlalchemy as sa
from alembic import op

from openbell.store.tables import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "overdue" not in {one["name"] for one in found.get_columns("runs")}:
        op.add_column("runs", sa.Column("overdue", Instant))
    if found.has_table("alerts"):
        return
    op.create_table(
        "alerts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _text("run"),
        _text("step"),
        _text("topic"),
        _text("severity"),
        _text("text"),
        sa.Column("at", Instant, nullable=False),
        _text("escalate_to"),
        sa.Column("escalate_at", Instant),
        sa.Column("escalated_at", Instant),
        sa.Column("acknowledged_at", Instant),
        _text("acknowledged_by", null=True),
        _text("note", null=True),
        sa.Column("resolved_at", Instant),
    )
    op.create_index("alerts_by_run", "alerts", ["run"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("alert", sa.Integer, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        _text("channel"),
        _text("run"),
        _text("step"),
        _text("topic"),
        _text("severity"),
        _text("text"),
        sa.Column("at", Instant, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        _text("error", null=True),
        sa.Column("tried_at", Instant),
        sa.Column("delivered_at", Instant),
        sa.Column("given_up_at", Instant),
    )
    op.create_index(
        "waiting_letters",
        "outbox",
        ["at"],
        sqlite_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )
