"""Reading: what doors ask the store beside jobs: the newest event, bytes by digest, the length of the queue.

Plain functions over a store, each one short read. The verbs that change anything are in `arc.jobs.service`.
"""

import contextlib
from collections import Counter
from datetime import datetime
from pathlib import Path

from arc.artifacts import ArtifactStore
from arc.core.artifact import Artifact
from arc.core.errors import NotFound
from arc.core.journal import JOURNAL
from arc.jobs.admission import Admission
from arc.jobs.claim import running_with_gpus
from arc.jobs.explain import kind_of
from arc.jobs.paths import Layout
from arc.store import artifacts, attempts, events
from arc.store import jobs as rows
from arc.store.engine import Store

_EXAMINED = 500


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


def waiting(store: Store, admission: Admission, *, now: datetime) -> dict[str, int]:
    """How many jobs wait for what: jobs, hold, backoff, slot, memory, threads, gpu or engine (nothing hinders them).

    Of those that could run, the first 500 are examined; the rest count as `unexamined`.
    """
    with store.read() as tx:
        found = Counter(rows.waiting(tx, now=now))
        running = running_with_gpus(tx)
        examined = rows.claimable(tx, now=now, limit=_EXAMINED)
    ready = found.pop("ready", 0)
    alike = {(job.requires, job.threads, job.limits.gpu_id): job for job in examined}
    for ask, count in Counter((job.requires, job.threads, job.limits.gpu_id) for job in examined).items():
        obstacle = admission.obstacle(alike[ask], running)
        found["engine" if obstacle is None else kind_of(obstacle)] += count
    if ready > len(examined):
        found["unexamined"] = ready - len(examined)
    return dict(found)


def journal_lag(store: Store, layout: Layout) -> int:
    """Bytes that running attempts have written into their journals and that are not recorded yet, all together."""
    with store.read() as tx:
        running = attempts.open(tx)
    lag = 0
    for attempt in running:
        with contextlib.suppress(OSError):
            lag += max(0, (layout.stored(attempt.staging) / JOURNAL).stat().st_size - attempt.journal_offset)
    return lag


def queue(store: Store) -> dict[tuple[str, str], int]:
    """How many jobs there are by (status, priority)."""
    with store.read() as tx:
        return rows.queue(tx)
