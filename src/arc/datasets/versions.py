"""Dataset versions: registered by the completion of the recipes that make them, read by everyone.

The job leaves two folders in its staging: `dataset` (train and val) and `sealed`. Completing it gives the files a
second name (a hard link) in their place and writes the row in one transaction, so that a version is whole or absent,
and a control plane that is killed in between can complete the job anew from what the attempt left. The sealed folder lies beside the datasets, and only the resolver hands it out, to evaluation.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc.core.clock import Clock
from arc.core.dataset import DatasetVersion, SealedUse, Tracking, Validation
from arc.core.errors import BadData, NotFound
from arc.core.ids import check_name
from arc.core.job import Job
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs.paths import Layout
from arc.store import datasets, events, jobs
from arc.store.engine import Store, Tx

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Datasets:
    """The verbs, over one store."""

    store: Store
    layout: Layout
    clock: Clock

    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """A version, the newest by default; NotFound."""
        with self.store.read() as tx:
            return datasets.get(tx, name, version)

    def names(self) -> list[str]:
        """Every dataset, by name."""
        with self.store.read() as tx:
            return datasets.names(tx)

    def versions(self, name: str) -> list[DatasetVersion]:
        """Every version, first to last; NotFound."""
        with self.store.read() as tx:
            datasets.get(tx, name)
            return datasets.versions(tx, name)

    def at(self, folder: Path) -> DatasetVersion | None:
        """The version whose folder this is; None for any other folder."""
        parts = Path(os.path.relpath(folder, os.path.realpath(self.layout.workspace))).parts
        if len(parts) != 3 or parts[0] != "datasets" or not parts[2].isdigit():
            return None
        try:
            return self.get(parts[1], int(parts[2]))
        except NotFound:
            return None

    def registered_from(self, folder: Path) -> DatasetVersion | None:
        """The version whose folder this is, or the newest that was registered from it; None for a folder that never was."""
        if (there := self.at(folder)) is not None:
            return there
        with self.store.read() as tx:
            for job in reversed(jobs.referring(tx, [str(folder)])):
                made = job.result
                if job.recipe == "data.register" and job.status is JobStatus.COMPLETED and made and made.get("dataset"):
                    return datasets.get(tx, str(made["dataset"]), int(made["version"]))
        return None

    def sealed_uses(self, name: str, version: int) -> list[SealedUse]:
        """The ledger of a version's sealed split, first use to last."""
        with self.store.read() as tx:
            datasets.get(tx, name, version)
            return datasets.sealed_uses(tx, name, version)

    def validations(self, name: str) -> dict[int, Validation]:
        """What the newest validation of each validated version said; NotFound."""
        with self.store.read() as tx:
            datasets.get(tx, name)
            found = ((one.version, datasets.last_validation(tx, name, one.version)) for one in datasets.versions(tx, name))
            return {version: validation for version, validation in found if validation is not None}

    def trackings(self, name: str) -> dict[int, Tracking]:
        """Where DVC keeps each version that it keeps; NotFound."""
        with self.store.read() as tx:
            datasets.get(tx, name)
            found = ((one.version, datasets.tracking(tx, name, one.version)) for one in datasets.versions(tx, name))
            return {version: tracking for version, tracking in found if tracking is not None}

    def register(self, tx: Tx, job: Job, staging: Path, done: Done) -> dict[str, Any]:
        """Completion verb of a recipe that makes a dataset: put the folders in place and write the version.

        The result gains `version`. What has the digest of the newest version is that version, and nothing is written.
        """
        name = check_name(str(done.result.get("dataset", "")), field="dataset")
        number = datasets.next_version(tx, name)
        version = self._version(job, name, number, done.result)
        newest = datasets.get(tx, name) if number > 1 else None
        if newest is not None and newest.digest == version.digest:
            return {"version": newest.version, "path": newest.path, "unchanged": True}
        self._place(tx, staging / "dataset", self.layout.dataset(name, number))
        self._place(tx, staging / "sealed", self.layout.sealed(name, number))
        datasets.insert(tx, version)
        detail = {"version": number, "digest": version.digest, "job": job.id}
        events.append(tx, subject=name, kind="dataset.registered", actor=job.submitted_by, detail=detail)
        return {"version": number, "path": version.path, "unchanged": False}

    def _version(self, job: Job, name: str, number: int, made: dict[str, Any]) -> DatasetVersion:
        digest = str(made.get("digest", ""))
        if not _DIGEST.fullmatch(digest):
            raise BadData(f"job {job.id} gave no digest of its dataset", field="digest", value=digest[:80])
        return DatasetVersion(
            name=name,
            version=number,
            digest=digest,
            task=made["task"],
            layout=made["layout"],
            classes=tuple(made["classes"]),
            counts=made["counts"],
            patients=made["patients"],
            patients_known=made["patients_known"],
            split_rule=made["split_rule"],
            licence=made["licence"],
            source=made["source"],
            path=self.layout.relative(self.layout.dataset(name, number)),
            sealed_path=self.layout.relative(self.layout.sealed(name, number)),
            job_id=job.id,
            created_at=self.clock.now(),
            description=made["description"],
            seal=made["seal"],
            sealed_seal=made["sealed_seal"],
            files=made["files"],
            bytes=made["bytes"],
            parameters=made["parameters"],
            made_from=made["made_from"],
        )

    def _place(self, tx: Tx, source: Path, target: Path) -> None:
        if not source.is_dir():
            raise BadData(f"the job left no folder {source.name!r}", field="dataset")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # left by a crash before the commit: no row names it
            shutil.rmtree(target)
        tx.on_rollback(lambda: shutil.rmtree(target, ignore_errors=True))
        shutil.copytree(source, target, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
