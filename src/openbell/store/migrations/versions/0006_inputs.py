"""Files that steps take in: what has been consumed, and since when a step waits for its files."""

import sqlalchemy as sa
from alembic import op

from openbell.store.tables import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("groups", sa.Column("since", Instant))
    op.create_table(
        "consumed",
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
        sqlite_with_rowid=False,
    )
    op.create_index("consumed_not_put_away", "consumed", ["consume"], sqlite_where=sa.text("done_at IS NULL"))
