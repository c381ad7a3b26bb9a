"""Tracking: what is written when DVC has come to keep a version. Read back by `Datasets.trackings` and by the resolver.

A version that was pushed stays pushed: keeping it once more in the same remote without pushing takes nothing away.
"""

from pathlib import Path
from typing import Any

from arc.core.dataset import Tracking
from arc.core.job import Job
from arc.core.recipe import Done
from arc.store import datasets, events
from arc.store.engine import Tx


def record(tx: Tx, job: Job, staging: Path, done: Done) -> dict[str, Any]:
    """Completion verb of `data.track`: write where DVC keeps the version, unless the store says the same already; NotFound."""
    made = done.result
    version = datasets.get(tx, str(made["dataset"]), int(made["version"]))
    before = datasets.tracking(tx, version.name, version.version)
    kept = Tracking(
        dataset=version.name,
        version=version.version,
        remote=made["remote"],
        pushed=made["pushed"] or (before is not None and before.pushed and before.remote == made["remote"]),
        revision=made["revision"],
        job_id=job.id,
        at=tx.clock.now(),
    )
    if before is not None and _place(before) == _place(kept):
        return {"pushed": kept.pushed, "unchanged": True}
    datasets.record_tracking(tx, kept)
    detail = {"version": kept.version, "remote": kept.remote, "pushed": kept.pushed, "revision": kept.revision, "job": job.id}
    events.append(tx, subject=kept.dataset, kind="dataset.tracked", actor=job.submitted_by, detail=detail)
    return {"pushed": kept.pushed, "unchanged": False}


def _place(kept: Tracking) -> tuple[str, bool, str]:
    return kept.remote, kept.pushed, kept.revision
