"""What a clean-up asks the store: candidates, and whatever speaks against taking one away.

The answers hold for the transaction they were read in, so a clean-up reads them once to plan and again, in its
write transaction, before it takes anything away.
"""

from collections.abc import Sequence

from sqlalchemy import func, select

from arc.core.artifact import ArtifactKind
from arc.core.states import TERMINAL
from arc.store import tables as t
from arc.store.engine import Tx

_OVER = sorted(status.value for status in TERMINAL)


def failed_experiments(tx: Tx) -> list[str]:
    """The experiments with a job that failed for good, by id."""
    c = t.jobs.c
    query = select(c.experiment_id).where(c.status == "failed", c.experiment_id.is_not(None)).distinct().order_by(c.experiment_id)
    return list(tx.conn.execute(query).scalars())


def crowded(tx: Tx, *, keep: int) -> list[str]:
    """The jobs that are over and have left more than `keep` checkpoints that nobody pinned."""
    c = t.artifacts.c
    query = (
        select(c.job_id)
        .join(t.jobs, t.jobs.c.id == c.job_id)
        .where(c.kind == ArtifactKind.CHECKPOINT.value, c.pinned.is_(False), t.jobs.c.status.in_(_OVER))
        .group_by(c.job_id)
        .having(func.count() > keep)
        .order_by(c.job_id)
    )
    return list(tx.conn.execute(query).scalars())


def reported(tx: Tx, job_ids: Sequence[str]) -> bool:
    """Whether one of the jobs has reported a metric."""
    return tx.conn.execute(select(t.metric_chunks.c.job_id).where(t.metric_chunks.c.job_id.in_(job_ids)).limit(1)).first() is not None


def needing(tx: Tx, job_ids: Sequence[str]) -> list[str]:
    """The other jobs that needed one of the jobs, whatever became of them."""
    c = t.job_needs.c
    query = select(c.job_id).where(c.needs_id.in_(job_ids), c.job_id.not_in(job_ids)).distinct().order_by(c.job_id)
    return list(tx.conn.execute(query).scalars())


def datasets_made(tx: Tx, job_ids: Sequence[str]) -> list[str]:
    """The dataset versions, `name@version`, that the jobs have registered."""
    c = t.dataset_versions.c
    found = tx.conn.execute(select(c.name, c.version).where(c.job_id.in_(job_ids)).order_by(c.name, c.version))
    return [f"{name}@{version}" for name, version in found]


def sealed_used(tx: Tx, job_ids: Sequence[str]) -> list[str]:
    """The dataset versions whose sealed split the jobs were given."""
    c = t.sealed_uses.c
    found = tx.conn.execute(select(c.dataset, c.version).where(c.job_id.in_(job_ids)).distinct().order_by(c.dataset, c.version))
    return [f"{name}@{version}" for name, version in found]


def reading_below(tx: Tx, path: str) -> list[str]:
    """The jobs that are not over and were given the path, or one below it, as an input."""
    reads = t.job_references.c
    query = select(reads.job_id).join(t.jobs, t.jobs.c.id == reads.job_id).where(t.jobs.c.status.not_in(_OVER))
    below = (reads.target == path) | reads.target.startswith(f"{path}/", autoescape=True)
    return list(tx.conn.execute(query.where(below).distinct().order_by(reads.job_id)).scalars())


def is_named(tx: Tx, digest: str) -> bool:
    """Whether any artifact, staged or published, has these bytes."""
    return tx.conn.execute(select(t.artifacts.c.id).where(t.artifacts.c.digest == digest).limit(1)).first() is not None
