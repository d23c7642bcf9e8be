"""Runs tell what earlier ones have left for them, and steps on which run's results others went on."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    for table, name in (("runs", "past"), ("groups", "fallback")):
        if name not in {one["name"] for one in found.get_columns(table)}:
            op.add_column(table, sa.Column(name, sa.Text, nullable=False, server_default=""))
