"""Runs tell the session that they are bound to; groups lose two columns that nobody read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("session", sa.Text, nullable=False, server_default=""))
    for name in ("cells", "reason"):
        op.execute(f"ALTER TABLE groups DROP COLUMN {name}")
