"""Studies for tests of the API: one that begins at once, and the attempt of the job that runs it."""

from dataclasses import dataclass
from typing import Any

from arc.access import digest
from arc.client import Client
from arc.core.job import Job, JobRequest
from arc.core.proposal import Proposal
from arc.core.states import JobStatus
from arc.core.study import Study, StudyBudget, StudyLink, StudySpec
from arc.store import attempts
from arc.testing.store_values import attempt
from tests.api.serving import House


@dataclass
class Studying:
    """A served house, and clients that study in it."""

    house: House

    def client(self, role: str = "operator") -> Client:
        """The client of a token."""
        return Client(self.house.url, self.house.secrets[role])

    def create(self, **changes: Any) -> Study:
        """A study of the formula, of six experiments, two of them the reserve."""
        given = {"budget": StudyBudget(experiments=6, reserve_share=0.34), "evidence": {"baseline_seeds": 2}} | changes
        with self.client() as arc:
            return arc.studies.create(StudySpec.model_validate({"recipe": "probe.objective"} | given))

    def begin(self, **changes: Any) -> Study:
        """A study that runs."""
        study = self.create(**changes)
        with self.client() as arc:
            return arc.studies.start(study.id)

    def attempt_of(self, study: Study) -> Client:
        """The client that the running job of a study has."""
        job = self.house.app.jobs.get(str(study.job_id))
        secret = f"secret-of-{job.id}"
        moved = self.house.move(job, JobStatus.RUNNING)
        with self.house.app.store.write() as tx:
            attempts.insert(tx, attempt(job.id, moved.attempt), secret_hash=digest(secret))
        return Client(self.house.url, secret)


def proposal(study: Study, proposal_id: str, **changes: Any) -> Proposal:
    """x is moved."""
    given = {"cycle": 1, "proposer": "explorer", "hypothesis": "a smaller x is better", "changes": {"x": 0.4}}
    return Proposal.model_validate({"proposal_id": f"{study.id}-{proposal_id}", "study": study.id} | given | changes)


def training(study: Study, proposal_id: str = "baseline", *, use: str = "baseline", cycle: int = 0, **changes: Any) -> JobRequest:
    """A training of the study."""
    link = StudyLink.model_validate({"study": study.id, "cycle": cycle, "proposal_id": f"{study.id}-{proposal_id}", "use": use})
    return JobRequest(recipe="probe.objective", study=link, **changes)


def judged(studying: Studying, job: Job, score: float) -> None:
    """What the engine would do when a training and its evaluation complete."""
    house = studying.house
    house.move(house.move(job, JobStatus.RUNNING), JobStatus.COMPLETED)
    judge = house.app.jobs.submit(
        JobRequest(recipe="probe.judge", inputs={"model": f"job:{job.id}/model.json"}, experiment_id=job.experiment_id), actor="test"
    )
    metrics = {"score": score, "score_low": score - 0.1, "score_high": score + 0.1}
    house.move(house.move(judge, JobStatus.RUNNING), JobStatus.COMPLETED, metrics=metrics)
