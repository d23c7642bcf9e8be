"""Tasks that somebody has marked, and those that are out of date."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("flags", sa.Integer, nullable=False, server_default="0"))
    op.add_column("groups", sa.Column("flags", sa.Integer, nullable=False, server_default="0"))
    outdates = sa.Column("outdates", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("groups", outdates)
