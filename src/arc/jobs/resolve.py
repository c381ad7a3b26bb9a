"""Resolving: from the references in a job to the paths its attempt is given.

Called in the transaction that starts the attempt, so that the ledger row of a sealed split is written if
and only if the attempt starts. Only a recipe whose spec asks for the split `sealed`, and whose purpose is
evaluation, is ever given its path.
"""

from typing import Any

from arc import catalog
from arc.artifacts import ArtifactStore
from arc.core.clock import Clock
from arc.core.dataset import DatasetVersion, SealedUse
from arc.core.errors import BadData, Forbidden, NotFound
from arc.core.inputs import InputRef, ResolvedInput, parse_input
from arc.core.job import Job
from arc.core.recipe import InputSpec, Purpose
from arc.jobs import validated
from arc.jobs.paths import Layout
from arc.store import artifacts, datasets, events
from arc.store import jobs as rows
from arc.store.engine import Tx


class Resolver:
    """Turns references into checked paths."""

    def __init__(self, layout: Layout, store: ArtifactStore, clock: Clock, *, dvc_remote: str = "", max_extracted_gb: float = 10.0) -> None:
        self._layout = layout
        self._artifacts = store
        self._clock = clock
        self._max_extracted_gb = max_extracted_gb
        self._dvc_remote = dvc_remote or "dvc-remote"  # a folder of the workspace where the settings name no other

    def resolve(self, tx: Tx, job: Job, number: int) -> dict[str, ResolvedInput]:
        """Every input of the job, for attempt `number`; a CallerError when one cannot be had."""
        spec = catalog.spec(job.recipe)
        found = {}
        for name, text in job.inputs.items():
            ref = parse_input(text, field=f"inputs.{name}")
            if ref.scheme == "job":
                ref = self._output_of(tx, ref, name)
            found[name] = self._one(tx, job, number, ref, spec.inputs[name], name, spec.purpose)
        return found

    def _one(self, tx: Tx, job: Job, number: int, ref: InputRef, wanted: InputSpec, name: str, purpose: Purpose) -> ResolvedInput:
        if ref.scheme == "dataset":
            version = datasets.get(tx, ref.target, ref.version)
            self._heed_validation(tx, job, version, ref, purpose, field=f"inputs.{name}")
            splits = _splits(job, wanted)
            if "sealed" in splits:
                self._open_sealed(tx, job, number, version, purpose)
            told = self._tracking(tx, version) if wanted.tracking else {}
            return self._dataset(version, splits, str(ref), gone=wanted.gone, told=told)
        info: dict[str, object] = {"max_extracted_gb": self._max_extracted_gb} if wanted.kind == "archive" else {}
        if ref.scheme == "artifact":
            return ResolvedInput(ref=str(ref), path=str(self._artifacts.path(ref.target)), digest=ref.target, info=info)
        return ResolvedInput(ref=str(ref), path=str(self._layout.named(ref.target, field=f"inputs.{name}")), info=info)

    def _output_of(self, tx: Tx, ref: InputRef, name: str) -> InputRef:
        job = rows.get(tx, ref.target)
        if catalog.spec(job.recipe).outputs.get(str(ref.output)) == "dataset":
            made = job.result or {}
            return InputRef("dataset", str(made.get("dataset")), version=int(made.get("version", 0)))
        for artifact in artifacts.of_job(tx, ref.target):
            if artifact.published and artifact.name == ref.output:
                return InputRef("artifact", artifact.digest)
        raise BadData(f"inputs.{name}: job {ref.target} left no {ref.output!r}", field=f"inputs.{name}")

    def _tracking(self, tx: Tx, version: DatasetVersion) -> dict[str, Any]:
        kept = datasets.tracking(tx, version.name, version.version)
        return {"tracking": None if kept is None else kept.model_dump(mode="json"), "dvc_remote": self._dvc_remote}

    def _dataset(
        self, version: DatasetVersion, wanted: tuple[str, ...], ref: str, *, gone: bool, told: dict[str, Any]
    ) -> ResolvedInput:  # fmt: skip
        folder = self._layout.stored(version.path)
        sealed = self._layout.stored(version.sealed_path)
        splits = {split: str((sealed if split == "sealed" else folder) / f"{split}.csv") for split in wanted}
        for split, manifest in splits.items():
            if not gone and not self._layout.stored(manifest).is_file():
                raise NotFound(f"the manifest of split {split} of {ref} is gone", field="dataset")
        info = version.model_dump(mode="json", exclude={"path", "sealed_path"})
        seals = {str(folder): version.seal} | ({str(sealed): version.sealed_seal} if "sealed" in splits else {})
        return ResolvedInput(
            ref=ref,
            path=str(folder),
            digest=version.digest,
            splits=splits,
            sealed_path=str(sealed) if "sealed" in splits else None,
            seals={where: seal for where, seal in seals.items() if seal and not gone},
            info=info | told,
        )

    def _heed_validation(self, tx: Tx, job: Job, version: DatasetVersion, ref: InputRef, purpose: Purpose, *, field: str) -> None:
        overridden = validated.overridden(tx, version, ref, field=field) if purpose == "train" else ()
        if overridden:
            detail = {"dataset": version.ref, "checks": list(overridden)}
            events.append(tx, subject=job.id, kind="validation.overridden", actor=job.submitted_by, detail=detail)

    def _open_sealed(self, tx: Tx, job: Job, number: int, version: DatasetVersion, purpose: Purpose) -> None:
        if purpose == "data":
            detail = {"dataset": version.ref, "attempt": number}
            events.append(tx, subject=job.id, kind="sealed.processed", actor=job.submitted_by, detail=detail)
            return
        if purpose != "evaluate":
            raise Forbidden(f"{job.recipe} is no evaluation and may not read a sealed split", field="inputs")
        use = datasets.record_sealed_use(
            tx,
            SealedUse(
                dataset=version.name,
                version=version.version,
                job_id=job.id,
                attempt=number,
                actor=job.submitted_by,
                reason=job.recipe,
                use=0,
                at=self._clock.now(),
            ),
        )
        detail = {"dataset": version.ref, "use": use.use, "attempt": number}
        events.append(tx, subject=job.id, kind="sealed.opened", actor=job.submitted_by, detail=detail)


def _splits(job: Job, wanted: InputSpec) -> tuple[str, ...]:
    """The splits an attempt is given: the one its param `split` names, where there is such a param, else all it may have."""
    named = job.params.get("split")
    return (named,) if named in wanted.splits else wanted.splits
