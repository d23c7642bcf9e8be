"""Pipelines open runs by themselves: positions of triggers, occasions that have come, missed ones."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("number", sa.Integer))
    op.execute("UPDATE runs SET number = CAST(substr(id, length(name) + 2) AS INTEGER)")
    op.create_table(
        "cursors",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("trigger", sa.Text, primary_key=True),
        sa.Column("position", sa.Text, nullable=False),
    )
    op.create_table(
        "fires",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("fire", sa.Text, nullable=False),
    )
    op.create_table(
        "misses",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("trigger", sa.Text, primary_key=True),
        sa.Column("first", sa.Text, primary_key=True),
        sa.Column("last", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_index("misses_by_time", "misses", ["at"])
