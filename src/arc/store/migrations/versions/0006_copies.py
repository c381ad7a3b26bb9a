"""The folders outside that get copies of what a job leaves."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("jobs", sa.Column("copies", sa.JSON()))
