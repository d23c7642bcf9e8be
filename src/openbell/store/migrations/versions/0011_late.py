"""Steps tell by what kind of failure those of their tasks have failed that have no row of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    found = sa.inspect(op.get_bind())  # builds between two releases have been part of the way
    if "kind" not in {one["name"] for one in found.get_columns("groups")}:
        op.add_column("groups", sa.Column("kind", sa.Text))
