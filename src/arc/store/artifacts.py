"""Artifacts in the store: staged while their attempt runs, published when it completes."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import delete, select

from arc.core.artifact import Artifact, ArtifactKind
from arc.store import tables as t
from arc.store.engine import Tx


def insert(tx: Tx, artifact: Artifact) -> None:
    """Write a row."""
    tx.conn.execute(sa.insert(t.artifacts), dict(artifact) | {"kind": artifact.kind.value})


def _select(tx: Tx, query: sa.Select[tuple[object, ...]]) -> list[Artifact]:
    return [Artifact(**row._mapping) for row in tx.conn.execute(query)]


def of_job(tx: Tx, job_id: str) -> list[Artifact]:
    """What the job left, oldest first."""
    return _select(tx, select(t.artifacts).where(t.artifacts.c.job_id == job_id).order_by(t.artifacts.c.id))


def of_experiment(tx: Tx, experiment_id: str) -> list[Artifact]:
    """What the jobs of an experiment left, oldest first."""
    query = select(t.artifacts).join(t.jobs, t.jobs.c.id == t.artifacts.c.job_id).where(t.jobs.c.experiment_id == experiment_id)
    return _select(tx, query.order_by(t.artifacts.c.id))


def by_digest(tx: Tx, digest: str) -> Artifact | None:
    """A published artifact with these bytes, the oldest."""
    query = select(t.artifacts).where(t.artifacts.c.digest == digest, t.artifacts.c.published.is_(True)).order_by(t.artifacts.c.id).limit(1)
    found = _select(tx, query)
    return found[0] if found else None


def checkpoints(tx: Tx, job_id: str) -> list[Artifact]:
    """The checkpoints of a job, newest first: by attempt, then by step."""
    query = select(t.artifacts).where(t.artifacts.c.job_id == job_id, t.artifacts.c.kind == ArtifactKind.CHECKPOINT.value)
    return _select(tx, query.order_by(t.artifacts.c.attempt.desc(), t.artifacts.c.step.desc()))


def publish(tx: Tx, artifact_id: str, *, path: str) -> None:
    """Say that the bytes are in the artifact store now."""
    tx.conn.execute(sa.update(t.artifacts).where(t.artifacts.c.id == artifact_id).values(published=True, path=path))


def pin(tx: Tx, ids: Sequence[str], *, pinned: bool) -> None:
    """Say that a person wants these kept, or no longer."""
    if ids:
        tx.conn.execute(sa.update(t.artifacts).where(t.artifacts.c.id.in_(ids)).values(pinned=pinned))


def forget(tx: Tx, ids: Sequence[str]) -> None:
    """Delete rows whose files are gone, or about to go."""
    if ids:
        tx.conn.execute(delete(t.artifacts).where(t.artifacts.c.id.in_(ids)))
