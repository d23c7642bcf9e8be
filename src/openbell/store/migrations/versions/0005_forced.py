"""Runs tell who has lifted their conditions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "forced" not in {one["name"] for one in found.get_columns("runs")}:
        op.add_column("runs", sa.Column("forced", sa.Text, nullable=False, server_default=""))
