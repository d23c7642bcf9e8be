"""Data sets with their last success; why a step has failed without a try."""

import sqlalchemy as sa
from alembic import op

from openbell.store.tables import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("groups", sa.Column("refused", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "datasets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
    )
