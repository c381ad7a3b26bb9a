"""Validations: what the completion of `data.validate` writes about a registered version."""

from pathlib import Path
from typing import Any

from arc.core.dataset import Validation
from arc.core.ids import new_id
from arc.core.job import Job
from arc.core.recipe import Done
from arc.store import datasets, events
from arc.store.engine import Tx


def record(tx: Tx, job: Job, staging: Path, done: Done) -> dict[str, Any]:
    """Completion verb of `data.validate`: keep the verdict with the version. A folder that is not registered has nowhere to keep it."""
    if "dataset" not in job.inputs:
        return {}
    name, _, number = str(done.result["dataset"]).rpartition("@")
    version = datasets.get(tx, name, int(number))
    summary = {one["check"]: {key: one[key] for key in ("passed", "examined", "failed", "warned")} for one in done.result["validations"]}
    found = Validation(
        id=new_id("val", tx.clock),
        dataset=version.name,
        version=version.version,
        job_id=job.id,
        passed=bool(done.result["passed"]),
        failed=tuple(done.result["failed"]),
        summary=summary,
        at=tx.clock.now(),
    )
    datasets.record_validation(tx, found)
    detail = {"version": version.version, "passed": found.passed, "failed": list(found.failed), "job": job.id}
    events.append(tx, subject=version.name, kind="dataset.validated", actor=job.submitted_by, detail=detail)
    return {"version": version.version}
