"""Submitting: from a request to a durable job, or a clear error that names the field.

Everything a run depends on is frozen here: params with their defaults, the dataset version behind a name,
the seed, the thread count. Job, experiment and event are one transaction; once it is committed the job
survives the death of every process. An idempotency key makes a repeated submit return the first job.
"""

import hashlib
import json
import secrets
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from arc import catalog
from arc.core.attempt import FailureClass
from arc.core.clock import Clock
from arc.core.errors import Conflict, Forbidden, InvalidSpec, NotFound
from arc.core.experiment import Experiment
from arc.core.ids import check_name, new_id
from arc.core.inputs import InputRef, parse_input
from arc.core.job import COPIES, Job, JobRequest, Limits, Priority, RetryPolicy
from arc.core.recipe import Needs, RecipeSpec
from arc.core.states import JobStatus
from arc.jobs import lifecycle, studied, validated
from arc.jobs.admission import Admission
from arc.jobs.paths import Layout
from arc.store import artifacts, datasets, events, experiments
from arc.store import jobs as rows
from arc.store.engine import Tx


def request_digest(request: JobRequest) -> str:
    """What a repeated submit with the same key must equal."""
    return hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def validate_params(spec: RecipeSpec, params: dict[str, Any]) -> dict[str, Any]:
    """The params with defaults filled in, as JSON; InvalidSpec naming the first wrong field."""
    try:
        model: BaseModel = spec.params.model_validate(params)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(["params", *(str(part) for part in first["loc"])])
        value = first.get("input")
        raise InvalidSpec(f"{name} = {str(value)[:80]!r}: {first['msg']}", field=name, value=str(value)[:80]) from None
    return model.model_dump(mode="json")


class Submission:
    """Checks one request against the store and builds its rows; used inside one write transaction."""

    def __init__(self, tx: Tx, request: JobRequest, *, layout: Layout, admission: Admission, clock: Clock, faults_allowed: bool) -> None:
        self._tx = tx
        self._request = request
        self._layout = layout
        self._admission = admission
        self._clock = clock
        self.spec = catalog.spec(request.recipe)
        if self.spec.probes and not faults_allowed:
            raise Forbidden(f"{request.recipe} breaks things on purpose; allow it with ARC_ALLOW_FAULT_JOBS=1", field="recipe")

    def frozen(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Params and inputs as a job of this request would keep them; the same errors as `insert` when it could not be one."""
        return validate_params(self.spec, self._request.params), {name: str(ref) for name, ref in self._inputs().items()}

    def insert(self, *, actor: str, key: str | None = None, resumed_from: str | None = None) -> Job:
        """Write the job, its experiment when it makes one, and the event; the job as stored."""
        if self._request.study is not None:
            studied.admit(self._tx, self._request, self._request.study, spec=self.spec, actor=actor)
        job = self._build(actor, resumed_from)
        rows.insert(self._tx, job, key=key, request_digest=None if key is None else request_digest(self._request))
        if job.experiment_id:
            self._join(job)
        elif self._request.cycle_id is not None:
            raise InvalidSpec(f"{job.recipe} makes no experiment, so none has a cycle", field="cycle_id", value=self._request.cycle_id)
        events.append(
            self._tx,
            subject=job.id,
            kind="job.submitted",
            actor=actor,
            detail={"recipe": job.recipe, "status": job.status.value, "experiment": job.experiment_id},
        )
        return job

    def _build(self, actor: str, resumed_from: str | None) -> Job:
        request, spec = self._request, self.spec
        params = validate_params(spec, request.params)
        inputs = self._inputs()
        needs = self._needs(inputs)
        self._admission.check_gpu(request.gpu_id)
        requires = self._requires(params)
        return Job(
            id=new_id("job", self._clock),
            recipe=spec.name,
            recipe_version=spec.version,
            params=params,
            inputs={name: str(ref) for name, ref in inputs.items()},
            requires=requires,
            threads=requires.threads,
            seed=request.seed if request.seed is not None else secrets.randbits(31),
            priority=Priority(request.priority),
            needs=tuple(needs),
            status=JobStatus.PENDING if any(status != JobStatus.COMPLETED for status in needs.values()) else JobStatus.QUEUED,
            attempt=0,
            retry_count=0,
            retry=RetryPolicy(max_retries=request.max_retries, delay_s=request.retry_delay_seconds, by_class=self._by_class()),
            limits=Limits(
                timeout_s=request.timeout_seconds,
                grace_s=request.grace_seconds,
                stall_s=request.stall_seconds,
                memory_gb=request.memory_gb,
                gpu_id=request.gpu_id,
            ),
            auto_resume=request.auto_resume,
            experiment_id=self._experiment_id(inputs),
            cancel_requested=None,
            hold=False,
            not_before=None,
            resumed_from=resumed_from,
            simulated=request.dummy_mode,
            copies=self._copies(),
            submitted_by=actor,
            failure=None,
            reason=None,
            progress=None,
            metrics=None,
            result=None,
            last_checkpoint=None,
            created_at=self._clock.now(),
            started_at=None,
            completed_at=None,
        )

    def _copies(self) -> dict[str, str] | None:
        asked = {name: text for name in COPIES if (text := getattr(self._request, name)) is not None}
        return {name: str(self._layout.outside(text, field=name)) for name, text in asked.items()} or None

    def _by_class(self) -> dict[FailureClass, int]:
        given = self._request.max_retries_by_class
        if not given:
            return {}
        known = [kind.value for kind in FailureClass]
        for name in given:
            if name not in known:
                raise InvalidSpec(
                    f"max_retries_by_class: {name[:40]!r} is no class of failure; there are {', '.join(known)}",
                    field="max_retries_by_class",
                    value=name[:40],
                )
        return {FailureClass(name): count for name, count in given.items()}

    def _requires(self, params: dict[str, Any]) -> Needs:
        base = self.spec.needs if self._request.dummy_mode else self.spec.needs_of(params, gpu=self._admission.has_gpu)
        usual = base.threads if base.role != "task" else self._admission.threads_per_task
        threads = self._admission.check_threads(self._request.threads) or usual
        return base.model_copy(update={"threads": threads, "memory_gb": self._request.memory_gb or base.memory_gb})

    def _inputs(self) -> dict[str, InputRef]:
        given = self._request.inputs
        for name in given:
            if name not in self.spec.inputs:
                raise InvalidSpec(
                    f"{self.spec.name} has no input {name[:80]!r}; it has {sorted(self.spec.inputs)}", field=f"inputs.{name[:80]}"
                )
        for name, wanted in self.spec.inputs.items():
            if wanted.required and name not in given:
                raise InvalidSpec(f"{self.spec.name} needs the input {name!r} ({wanted.kind})", field=f"inputs.{name}")
        return {name: self._freeze(name, parse_input(text, field=f"inputs.{name}")) for name, text in given.items()}

    def _freeze(self, name: str, ref: InputRef) -> InputRef:
        field, wanted = f"inputs.{name}", self.spec.inputs[name]
        if ref.scheme == "dataset":
            if wanted.kind != "dataset":
                raise InvalidSpec(f"{field} wants a {wanted.kind}, not a dataset", field=field)
            version = datasets.get(self._tx, ref.target, ref.version)
            if self.spec.purpose == "train":
                validated.overridden(self._tx, version, ref, field=field)
            return replace(ref, version=version.version)
        if ref.scheme == "artifact" and artifacts.by_digest(self._tx, ref.target) is None:
            raise NotFound(f"{field}: there is no artifact {ref.target}", field=field)
        if ref.scheme == "path":
            return InputRef("path", str(self._layout.named(ref.target, field=field)))
        if ref.scheme == "job":
            self._check_output(rows.get(self._tx, ref.target), str(ref.output), field)
        return ref

    def _check_output(self, job: Job, output: str, field: str) -> None:
        outputs = catalog.spec(job.recipe).outputs
        if output not in outputs:
            raise InvalidSpec(f"{field}: {job.recipe} leaves no {output!r}; it leaves {sorted(outputs)}", field=field)

    def _needs(self, inputs: dict[str, InputRef]) -> dict[str, JobStatus]:
        wanted = dict.fromkeys([*self._request.needs, *(ref.target for ref in inputs.values() if ref.scheme == "job")])
        if wanted:
            lifecycle.one_by_one(self._tx)  # one that ends at this moment must not overlook the job that is made here
        found = {job_id: rows.get(self._tx, job_id).status for job_id in wanted}
        for job_id, status in found.items():
            if status in (JobStatus.FAILED, JobStatus.CANCELLED):
                raise Conflict(f"the needed job {job_id} is {status.value}", field="needs", value=job_id)
        return found

    def _experiment_id(self, inputs: dict[str, InputRef]) -> str | None:
        if self._request.experiment_id is not None:
            return check_name(self._request.experiment_id, field="experiment_id")
        if self.spec.makes_experiment:
            return new_id("exp", self._clock)
        for ref in inputs.values():
            if ref.scheme == "job" and (parent := rows.get(self._tx, ref.target)).experiment_id:
                return parent.experiment_id
            if ref.scheme == "artifact" and (made := artifacts.by_digest(self._tx, ref.target)) is not None:
                return rows.get(self._tx, made.job_id).experiment_id
        return None

    def _join(self, job: Job) -> None:
        assert job.experiment_id is not None
        self._tx.in_turn(f"experiment {job.experiment_id}")  # it may be on its way out
        try:
            existing = experiments.get(self._tx, job.experiment_id)
        except NotFound:
            if job.resumed_from is not None:
                raise
            self._make_experiment(job)
            return
        if self._request.cycle_id is not None:
            raise Conflict(f"experiment {existing.id} exists already, and has its cycle", field="cycle_id", value=self._request.cycle_id)
        if existing.archived:
            raise Conflict(f"experiment {existing.id} is archived", field="experiment_id", value=existing.id)
        if self.spec.makes_experiment and job.resumed_from is None:
            raise Conflict(f"experiment {existing.id} exists already", field="experiment_id", value=existing.id)
        if job.resumed_from is not None and self.spec.makes_experiment:
            experiments.update(self._tx, existing.id, status=job.status.value, completed_at=None)

    def _make_experiment(self, job: Job) -> None:
        assert job.experiment_id is not None
        refs = [text.removeprefix("dataset:") for text in job.inputs.values() if text.startswith("dataset:")]
        link = self._request.study
        experiments.insert(
            self._tx,
            Experiment(
                id=job.experiment_id,
                recipe=job.recipe,
                study=link and link.study,
                cycle=link.cycle if link else self._request.cycle_id,
                proposal=link and link.proposal_id,
                use=link and link.use,
                fidelity=link.fidelity if link else 1.0,
                config=job.params,
                dataset=refs[0] if refs else None,
                seed=job.seed,
                status=job.status.value,
                metrics={},
                training_metrics={},
                simulated=job.simulated,
                archived=False,
                created_at=job.created_at,
                completed_at=None,
            ),
        )
