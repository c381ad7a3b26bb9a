"""Tables: the schema, in the words of the glossary.

Times are moments (`arc.store.moment`). JSON columns hold what a query never looks into. A column added here needs a
migration beside it.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
    text,
)
from sqlalchemy import UniqueConstraint as Unique

from arc.store.moment import Moment

metadata = MetaData()
_json = JSON(none_as_null=True)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("recipe", String, nullable=False),
    Column("recipe_version", String, nullable=False),
    Column("params", _json, nullable=False),
    Column("inputs", _json, nullable=False),
    Column("requires", _json, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("rank", Integer, nullable=False),  # of the priority, 0 is the most urgent
    Column("status", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("retry_count", Integer, nullable=False),
    Column("retry", _json, nullable=False),
    Column("limits", _json, nullable=False),
    Column("auto_resume", Boolean, nullable=False),
    Column("experiment_id", String),
    Column("cancel_requested", String),
    Column("hold", Boolean, nullable=False),
    Column("not_before", Moment),
    Column("resumed_from", String),
    Column("simulated", Boolean, nullable=False),
    Column("copies", _json),
    Column("submitted_by", String, nullable=False),
    Column("failure", _json),
    Column("reason", String),
    Column("progress", _json),
    Column("metrics", _json),
    Column("result", _json),
    Column("last_checkpoint", String),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Column("idempotency_key", String),
    Column("request_digest", String),
    Index("jobs_queue", "status", "rank", "id"),
    Index("jobs_by_status", "status", "id"),
    Index("jobs_by_recipe", "recipe", "id"),
)


def _where(name: str, *columns: Column[Any], given: Column[Any], unique: bool = False) -> None:
    """An index of the few jobs that have a value there: the others need not be written to it."""
    has = given.is_not(None)
    Index(name, *columns, unique=unique, sqlite_where=has, postgresql_where=has)


_where("jobs_by_due", jobs.c.status, jobs.c.not_before, given=jobs.c.not_before)
_where("jobs_by_experiment", jobs.c.experiment_id, jobs.c.id, given=jobs.c.experiment_id)
_where("jobs_by_key", jobs.c.idempotency_key, given=jobs.c.idempotency_key, unique=True)

job_needs = Table(
    "job_needs",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_id", String, primary_key=True),
    Index("job_needs_by_need", "needs_id"),
)

job_references = Table(  # which artifacts, jobs and paths a job reads, so that nothing is deleted under it
    "job_references",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("target", String, primary_key=True),
    Index("job_references_by_target", "target"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("backend", String, nullable=False),
    Column("staging", String, nullable=False),
    Column("identity", _json),
    Column("lease_expires_at", Moment, nullable=False),
    Column("journal_offset", BigInteger, nullable=False),
    Column("outcome", String, nullable=False),
    Column("failure", _json),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("resumed_step", BigInteger),
    Column("recovery_source", String),
    Column("gpu_ids", _json, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("secret_hash", String),
    Index("attempts_by_outcome", "outcome"),
    Index("attempts_by_secret", "secret_hash"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),  # the row number of SQLite
    Column("subject", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("detail", _json, nullable=False),
    Index("events_by_subject", "subject", "seq"),
)

counters = Table("counters", metadata, Column("name", String, primary_key=True), Column("value", BigInteger, nullable=False))

metric_chunks = Table(
    "metric_chunks",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("points", Integer, nullable=False),
    Column("first_step", Float, nullable=False),
    Column("last_value", Float),
    Column("data", LargeBinary, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("path", String, nullable=False),
    Column("step", BigInteger),
    Column("published", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Index("artifacts_by_job", "job_id", "id"),
    Index("artifacts_by_digest", "digest"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", String, primary_key=True),
    Column("recipe", String, nullable=False),
    Column("study", String),
    Column("cycle", Integer),
    Column("config", _json, nullable=False),
    Column("dataset", String),
    Column("seed", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("metrics", _json, nullable=False),
    Column("training_metrics", _json, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("completed_at", Moment),
    Column("proposal", String),
    Column("use", String),
    Column("fidelity", Float, nullable=False, server_default="1.0"),
    Index("experiments_by_age", "archived", "created_at", "id"),
)
_where("experiments_by_study", experiments.c.study, experiments.c.id, given=experiments.c.study)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("task", String, nullable=False),
    Column("layout", String, nullable=False),
    Column("classes", _json, nullable=False),
    Column("counts", _json, nullable=False),
    Column("patients", _json, nullable=False),
    Column("patients_known", Boolean, nullable=False),
    Column("split_rule", String, nullable=False),
    Column("licence", String, nullable=False),
    Column("source", String, nullable=False),
    Column("path", String, nullable=False),
    Column("sealed_path", String, nullable=False),
    Column("job_id", String),
    Column("created_at", Moment, nullable=False),
    Column("description", String, nullable=False, server_default=text("''")),
    Column("seal", String, nullable=False, server_default=text("''")),
    Column("sealed_seal", String, nullable=False, server_default=text("''")),
    Column("files", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("parameters", _json),
    Column("made_from", String),
)

dataset_validations = Table(
    "dataset_validations",
    metadata,
    Column("id", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("job_id", String, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("failed", _json, nullable=False),
    Column("summary", _json, nullable=False),
    Column("at", Moment, nullable=False),
    Index("dataset_validations_of", "dataset", "version", "id"),
)

dataset_trackings = Table(
    "dataset_trackings",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("remote", String, nullable=False),
    Column("pushed", Boolean, nullable=False),
    Column("revision", String, nullable=False),
    Column("job_id", String, nullable=False),
    Column("at", Moment, nullable=False),
)

sealed_uses = Table(
    "sealed_uses",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("use", Integer, primary_key=True),
    Column("job_id", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", Moment, nullable=False),
)

leases = Table(  # a row is there while a lease is held, or until somebody notices that it has expired
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("clock", String, nullable=False),  # whose ticks the next three are: one boot of this machine, or the database
    Column("renewed", BigInteger, nullable=False),  # microseconds, as the next two
    Column("expires", BigInteger, nullable=False),
    Column("hold_until", BigInteger, nullable=False),
    Column("acquired_at", Moment, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("secret_hash", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Unique("secret_hash"),
)

login_codes = Table("login_codes", metadata, Column("code_hash", String, primary_key=True), Column("expires_at", Moment, nullable=False))

sessions = Table(
    "sessions",
    metadata,
    Column("session_hash", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
