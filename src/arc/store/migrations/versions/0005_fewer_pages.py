"""A submit touches fewer pages: indexes of what few jobs have hold only those, and an event's number is its row number on SQLite."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_JOBS_INDEXES = (
    "CREATE INDEX jobs_by_due ON jobs (status, not_before) WHERE not_before IS NOT NULL",
    "CREATE INDEX jobs_by_recipe ON jobs (recipe, id)",
    "CREATE INDEX jobs_by_status ON jobs (status, id)",
    "CREATE INDEX jobs_queue ON jobs (status, rank, id)",
)


def upgrade() -> None:
    """Apply."""
    if op.get_context().dialect.name == "sqlite":
        _remake_events()
        _remake_jobs()
    else:
        op.drop_index("jobs_by_experiment")
        op.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_idempotency_key_key")
    op.execute("CREATE INDEX jobs_by_experiment ON jobs (experiment_id, id) WHERE experiment_id IS NOT NULL")
    op.execute("CREATE UNIQUE INDEX jobs_by_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL")


def _remake_events() -> None:
    """SQLite takes a number for the row number only when its type is INTEGER, to the letter."""
    op.execute("ALTER TABLE events RENAME TO old_events")
    op.execute("DROP INDEX events_by_subject")
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.execute("INSERT INTO events SELECT seq, subject, kind, at, actor, detail FROM old_events ORDER BY seq")
    op.execute("DROP TABLE old_events")
    op.create_index("events_by_subject", "events", ["subject", "seq"], unique=False)
    op.execute("DELETE FROM counters WHERE name = 'events'")


def _remake_jobs() -> None:
    """The index of a UNIQUE column cannot be dropped. What refers to jobs goes on doing so, because the old table goes before the new one gets its name."""
    made = op.get_bind().execute(sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'jobs'")).scalar_one()
    fresh, without = re.subn(r",\s*UNIQUE \(idempotency_key\)", "", made)
    assert without == 1
    op.execute(sa.text(re.sub(r"^CREATE TABLE \"?jobs\"?", "CREATE TABLE new_jobs", fresh)))
    op.execute("INSERT INTO new_jobs SELECT * FROM jobs ORDER BY id")
    op.execute("DROP TABLE jobs")
    op.execute("ALTER TABLE new_jobs RENAME TO jobs")
    for index in _JOBS_INDEXES:
        op.execute(index)
