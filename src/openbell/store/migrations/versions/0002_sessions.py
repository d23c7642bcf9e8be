"""Runs tell the session that they are bound to; groups lose two columns that nobody read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "session" not in {column["name"] for column in found.get_columns("runs")}:
        op.add_column("runs", sa.Column("session", sa.Text, nullable=False, server_default=""))
    for name in {"cells", "reason"} & {column["name"] for column in found.get_columns("groups")}:
        op.execute(f"ALTER TABLE groups DROP COLUMN {name}")
