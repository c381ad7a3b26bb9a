"""The experiment verbs over HTTP."""

from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from arc.client.http import Http
from arc.client.views import noun, page_of
from arc.core.artifact import Artifact
from arc.core.experiment import Experiment
from arc.core.page import Page


class JobLine(BaseModel):
    """One job of an experiment, in a line."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    recipe: str
    status: str


class ExperimentReport(BaseModel):
    """An experiment, its jobs and what they left."""

    model_config = ConfigDict(frozen=True)

    experiment: Experiment
    jobs: tuple[JobLine, ...]
    artifacts: tuple[Artifact, ...]


class ExperimentCalls:
    """List, read, archive, pin and delete experiments."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(
        self,
        *,
        recipe: str | None = None,
        study: str | None = None,
        status: str | None = None,
        search: str | None = None,
        archived: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Experiment]:
        """A page of experiments, newest first."""
        params = {
            "recipe": recipe,
            "study": study,
            "status": status,
            "search": search,
            "archived": archived,
            "limit": limit,
            "cursor": cursor,
        }
        return page_of(Experiment, self._http.get("/experiments", params=params))

    def get(self, experiment_id: str) -> Experiment:
        """The experiment; NotFound."""
        return self.report(experiment_id).experiment

    def report(self, experiment_id: str) -> ExperimentReport:
        """The experiment with its jobs and artifacts; NotFound."""
        answer = self._http.get(f"/experiments/{quote(experiment_id, safe='')}")
        parts = {"experiment": answer, "jobs": answer.get("jobs"), "artifacts": answer.get("artifacts")}
        return noun(ExperimentReport, parts)

    def archive(self, experiment_id: str) -> Experiment:
        """Take it out of the lists; Conflict while one of its jobs is not over."""
        return noun(Experiment, self._http.send("POST", f"/experiments/{quote(experiment_id, safe='')}/archive"))

    def pin(self, experiment_id: str, *, step: int | None = None) -> list[Artifact]:
        """Keep its checkpoints, or the one of a step, whatever a clean-up would say; Conflict when there is none."""
        answer = self._http.send("POST", f"/experiments/{quote(experiment_id, safe='')}/pin", params={"step": step})
        return [noun(Artifact, row) for row in answer]

    def unpin(self, experiment_id: str, *, step: int | None = None) -> list[Artifact]:
        """Leave its checkpoints, or the one of a step, to the rules of retention again; those that were pinned."""
        answer = self._http.send("POST", f"/experiments/{quote(experiment_id, safe='')}/unpin", params={"step": step})
        return [noun(Artifact, row) for row in answer]

    def delete(self, experiment_id: str) -> None:
        """Delete it with its folder and bytes; Conflict naming what refers to it."""
        self._http.send("DELETE", f"/experiments/{quote(experiment_id, safe='')}")
