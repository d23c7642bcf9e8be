"""Runs tell who has lifted their conditions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("forced", sa.Text, nullable=False, server_default=""))
