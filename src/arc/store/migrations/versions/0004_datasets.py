"""Dataset versions: what they were made from and how, their seals; what validation found; what DVC keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    for name in ("description", "seal", "sealed_seal"):
        op.add_column("dataset_versions", sa.Column(name, sa.String(), nullable=False, server_default=sa.text("''")))
    for name in ("files", "bytes"):
        op.add_column("dataset_versions", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("dataset_versions", sa.Column("parameters", sa.JSON()))  # no default: PostgreSQL cannot compare one
    op.execute("UPDATE dataset_versions SET parameters = '{}'")
    op.add_column("dataset_versions", sa.Column("made_from", sa.String()))
    op.drop_column("dataset_versions", "parent")
    op.create_table(
        "dataset_validations",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("failed", sa.JSON(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_index("dataset_validations_of", "dataset_validations", ["dataset", "version", "id"])
    op.create_table(
        "dataset_trackings",
        sa.Column("dataset", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("remote", sa.String(), nullable=False),
        sa.Column("pushed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
