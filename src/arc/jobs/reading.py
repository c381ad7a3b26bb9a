"""Reading: what doors ask the store beside jobs: the newest event, bytes by digest, the length of the queue.

Plain functions over a store, each one short read. The verbs that change anything are in `arc.jobs.service`.
"""

from pathlib import Path

from arc.artifacts import ArtifactStore
from arc.core.artifact import Artifact
from arc.core.errors import NotFound
from arc.store import artifacts, attempts, events
from arc.store import jobs as rows
from arc.store.engine import Store


def newest_event(store: Store) -> int:
    """The sequence number of the newest event; 0 when there is none."""
    with store.read() as tx:
        return events.last_seq(tx)


def published(store: Store, bytes_: ArtifactStore, digest: str) -> tuple[Artifact, Path]:
    """A published artifact and where its bytes lie; NotFound when there is none with this digest."""
    with store.read() as tx:
        found = artifacts.by_digest(tx, digest)
    if found is None:
        raise NotFound(f"there is no artifact {digest[:64]}", field="digest", value=digest[:64])
    return found, bytes_.path(digest)


def statuses(store: Store) -> dict[str, int]:
    """How many jobs there are in each status."""
    with store.read() as tx:
        return rows.counts(tx)


def running_attempts(store: Store) -> int:
    """How many attempts are open now."""
    with store.read() as tx:
        return len(attempts.open(tx))


def queue(store: Store) -> dict[tuple[str, str], int]:
    """How many jobs there are by (status, priority)."""
    with store.read() as tx:
        return rows.queue(tx)
