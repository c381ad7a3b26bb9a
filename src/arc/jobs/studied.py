"""Studied: whether a training may carry out a proposal of a study now. Asked in the transaction that submits it.

The budget is counted here from rows, within the turn of the study, so that two submissions at one moment cannot both have
the last experiment, and nothing that an agent says moves it. A share of the experiments is a reserve: a search may not take
it, the baseline and the confirmations may. A proposal that nobody approved never becomes a job.

Not covered: a training that was submitted while there was room is not ended when the room is used up.
"""

from arc.core.errors import Conflict, Forbidden, InvalidSpec
from arc.core.job import JobRequest
from arc.core.proposal import ProposalStatus
from arc.core.recipe import RecipeSpec
from arc.core.study import Study, StudyLink, StudyState
from arc.store import studies, study_log
from arc.store.engine import Tx


def admit(tx: Tx, request: JobRequest, link: StudyLink, *, spec: RecipeSpec, actor: str) -> None:
    """Return when the training may be submitted; InvalidSpec, NotFound, Forbidden or Conflict naming the field that is against it."""
    if not spec.makes_experiment:
        raise InvalidSpec(f"{spec.name} trains nothing, so it carries out no proposal of a study", field="study", value=link.study)
    study = studies.in_turn(tx, link.study)
    check_own(study, actor)
    if spec.name != study.spec.recipe:
        raise Conflict(f"study {study.id} is about {study.spec.recipe}, not about {spec.name}", field="recipe", value=spec.name)
    if study.state is not StudyState.RUNNING:
        raise Conflict(f"study {study.id} is {study.state.value}: nothing is submitted into it", field="study.study", value=study.id)
    if request.cycle_id not in (None, link.cycle):
        raise Conflict(f"the training is of cycle {link.cycle} of its study", field="cycle_id", value=request.cycle_id)
    if request.dummy_mode != study.spec.simulated:
        kind = "simulated: dummy_mode must be true" if study.spec.simulated else "not simulated: dummy_mode must be false"
        raise Conflict(f"study {study.id} is {kind}", field="dummy_mode", value=request.dummy_mode)
    _check_approved(tx, study, link)
    _check_experiments(study, link)
    _check_rest(study)


def check_own(study: Study, actor: str) -> None:
    """Forbidden when `actor` is an attempt, and not of the job that runs the study."""
    if actor.startswith("job:") and actor != f"job:{study.job_id}":
        raise Forbidden(f"study {study.id} is run by job {study.job_id}, and you are {actor}", field="study", value=study.id)


def _check_approved(tx: Tx, study: Study, link: StudyLink) -> None:
    if link.use == "baseline" and link.cycle == 0:
        return
    proposal = study_log.proposal(tx, link.proposal_id)
    if proposal.study != study.id:
        raise Conflict(
            f"proposal {proposal.proposal_id} is one of study {proposal.study}", field="study.proposal_id", value=proposal.proposal_id
        )
    if proposal.status is not ProposalStatus.APPROVED:
        raise Conflict(
            f"proposal {proposal.proposal_id} is {proposal.status.value}; only an approved one becomes a job",
            field="study.proposal_id",
            value=proposal.proposal_id,
        )


def _check_experiments(study: Study, link: StudyLink) -> None:
    budget, spent = study.spec.budget, study.spent
    if spent.experiments >= budget.experiments:
        _refuse("experiments", f"{spent.experiments} of {budget.experiments} experiments are made", spent.experiments)
    free, searched = budget.experiments - budget.reserve, spent.experiments - spent.confirmations
    if link.use == "search" and searched >= free:
        _refuse(
            "experiments",
            f"{searched} of the {free} experiments that a search may have are made; {budget.reserve} are kept for confirmations",
            searched,
        )


def _check_rest(study: Study) -> None:
    budget, spent = study.spec.budget, study.spent
    for name, unit in (("compute_seconds", "s of computing"), ("wall_seconds", "s since its start"), ("disk_gb", "GB of artifacts")):
        limit, used = getattr(budget, name), getattr(spent, name)
        if limit is not None and used >= limit:
            _refuse(name, f"{used:.4g} of {limit:.4g} {unit} are used up", used)


def _refuse(name: str, text: str, value: float) -> None:
    raise Conflict(f"the budget of the study is spent: {text}", field=f"budget.{name}", value=value)
