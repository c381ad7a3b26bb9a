"""Artifacts that a person wants kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.add_column("artifacts", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
