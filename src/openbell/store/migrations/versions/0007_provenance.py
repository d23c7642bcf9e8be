"""Runs tell where they come from: versions, machine, person, git commit, files."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "provenance" not in {one["name"] for one in found.get_columns("runs")}:
        op.add_column("runs", sa.Column("provenance", sa.Text, nullable=False, server_default=""))
