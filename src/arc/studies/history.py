"""History: what the experiments of a study gave, one observation each, from the rows of their jobs.

An experiment is a training and its evaluation. It has completed when the evaluation has, and its metrics are those of the
evaluation that the study asked for: a later look at another split does not change them. A failure tells something about the
configuration only where `arc.jobs.failures` says so.
"""

from collections.abc import Mapping
from typing import Any, Literal

from arc import catalog
from arc.core.experiment import Experiment
from arc.core.job import Job
from arc.core.proposal import Observation
from arc.core.states import JobStatus
from arc.core.study import StudySpec
from arc.jobs.failures import RULES, Blame
from arc.store import experiments, jobs, studies
from arc.store.engine import Tx
from arc.studies.asked import flat, space_of

Status = Literal["completed", "failed", "cancelled", "running", "queued"]
_STATUS: dict[JobStatus, Status] = {
    JobStatus.PENDING: "queued",
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "running",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def observations(tx: Tx, study_id: str) -> list[Observation]:
    """Every experiment of the study, first to last; NotFound."""
    spec = studies.get(tx, study_id).spec
    made: dict[str, list[Job]] = {}
    for job in jobs.of_study(tx, study_id):
        made.setdefault(str(job.experiment_id), []).append(job)
    seconds = studies.job_seconds(tx, study_id)
    defaults = flat(catalog.spec(spec.recipe).params.model_construct().model_dump(mode="json"))
    return [_observation(one, made.get(one.id, []), spec, seconds, defaults) for one in experiments.of_study(tx, study_id)]


def _observation(
    made: Experiment, members: list[Job], spec: StudySpec, seconds: Mapping[str, float], defaults: Mapping[str, Any]
) -> Observation:
    training, judged = _newest(members, spec.recipe), _newest(members, catalog.spec(spec.recipe).judged_by, spec.evaluate)
    decisive = judged if judged is not None and training is not None and training.status is JobStatus.COMPLETED else training
    failure = decisive.failure if decisive is not None and decisive.status is JobStatus.FAILED else None
    return Observation(
        experiment_id=made.id,
        study=str(made.study),
        cycle=made.cycle or 0,
        proposal_id=made.proposal or "",
        use=made.use or "search",
        config=_config(made, spec, defaults),
        seed=made.seed,
        fidelity=made.fidelity,
        status=_status(training, judged),
        metrics=dict(judged.metrics or {}) if judged is not None and judged.status is JobStatus.COMPLETED else {},
        failure_class=failure and failure.failure_class,
        failure=failure and failure.message,
        blamed=failure is not None and RULES[failure.failure_class].blame is Blame.CONFIGURATION,
        duration_s=sum(seconds.get(job.id, 0.0) for job in members if job.recipe == spec.recipe or job is judged),
        simulated=made.simulated,
        created_at=made.created_at,
    )


def _newest(members: list[Job], recipe: str, params: Mapping[str, Any] | None = None) -> Job | None:
    """The newest job of a recipe whose params hold the given ones."""
    wanted = (params or {}).items()
    found = [job for job in members if job.recipe == recipe and all(job.params.get(name) == value for name, value in wanted)]
    return found[-1] if found else None


def _status(training: Job | None, judged: Job | None) -> Status:
    """A training that has completed and was not judged yet still runs."""
    if training is None:
        return "cancelled"
    if training.status is not JobStatus.COMPLETED:
        return _STATUS[training.status]
    return _STATUS[judged.status] if judged is not None and judged.terminal else "running"


def _config(made: Experiment, spec: StudySpec, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What is searched, and what of the baseline is not as the recipe has it by default."""
    known, space = flat(made.config), space_of(spec)
    searched = [name for name in space.active(known) if name in known]
    others = [
        name
        for name, value in flat(spec.baseline).items()
        if name not in space.parameters and name in known and value != defaults.get(name)
    ]
    return {name: known[name] for name in [*searched, *others]}
