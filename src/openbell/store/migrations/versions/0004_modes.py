"""Runs tell the mode that they were started in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "mode" not in {column["name"] for column in found.get_columns("runs")}:
        op.add_column("runs", sa.Column("mode", sa.Text, nullable=False, server_default=""))
