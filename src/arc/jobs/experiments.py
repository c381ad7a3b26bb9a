"""The verbs of experiments: list, show, archive, delete.

An experiment is deleted with its folder and its bytes, never while something refers to it: a job that is
not over, or another experiment's job that reads one of its artifacts. Its folder is moved aside first, so
that a reader sees all of it or nothing.
"""

import shutil
from dataclasses import dataclass
from typing import Any

from arc.artifacts import ArtifactStore
from arc.core.artifact import Artifact
from arc.core.errors import Conflict
from arc.core.experiment import Experiment
from arc.core.job import Job
from arc.core.page import Page
from arc.jobs.hub import Hub
from arc.jobs.paths import Layout
from arc.store import artifacts, events, experiments
from arc.store import jobs as rows
from arc.store.engine import Store, Tx


@dataclass(frozen=True)
class Experiments:
    """The verbs, over one store."""

    store: Store
    layout: Layout
    artifacts: ArtifactStore
    hub: Hub

    def get(self, experiment_id: str) -> Experiment:
        """The experiment; NotFound."""
        with self.store.read() as tx:
            return experiments.get(tx, experiment_id)

    def page(self, **filters: Any) -> Page[Experiment]:
        """A page of experiments, newest first; filters: recipe, status, archived, search, limit, cursor."""
        with self.store.read() as tx:
            return experiments.page(tx, **filters)

    def jobs(self, experiment_id: str) -> list[Job]:
        """The jobs of the experiment, first to last."""
        with self.store.read() as tx:
            experiments.get(tx, experiment_id)
            return rows.page(tx, experiment=experiment_id, limit=1000, newest_first=False).items

    def artifacts_of(self, experiment_id: str) -> list[Artifact]:
        """What its jobs left."""
        with self.store.read() as tx:
            experiments.get(tx, experiment_id)
            return artifacts.of_experiment(tx, experiment_id)

    def archive(self, experiment_id: str, *, actor: str) -> Experiment:
        """Take it out of the lists; nothing is deleted. Conflict while one of its jobs is not over."""
        with self.store.write() as tx:
            experiment = experiments.get(tx, experiment_id)
            self._check_idle(tx, experiment_id)
            if not experiment.archived:
                experiments.update(tx, experiment_id, archived=True)
                events.append(tx, subject=experiment_id, kind="experiment.archived", actor=actor)
                tx.after_commit(lambda: self.hub.poke(experiment_id))
            return experiments.get(tx, experiment_id)

    def delete(self, experiment_id: str, *, actor: str) -> Experiment:
        """Delete rows, folder and bytes; Conflict naming what refers to it."""
        with self.store.write() as tx:
            experiment = experiments.get(tx, experiment_id)
            self._check_idle(tx, experiment_id)
            made = artifacts.of_experiment(tx, experiment_id)
            self._check_unreferenced(tx, experiment, made)
            experiments.delete(tx, experiment_id)
            events.append(tx, subject=experiment_id, kind="experiment.deleted", actor=actor, detail={"artifacts": len(made)})
            unused = [row.digest for row in made if artifacts.by_digest(tx, row.digest) is None]
            tx.after_commit(lambda: self.hub.poke(experiment_id))
        self._remove_files(experiment_id, unused)
        return experiment

    def _check_idle(self, tx: Tx, experiment_id: str) -> None:
        active = rows.active_in_experiment(tx, experiment_id)
        if active:
            raise Conflict(f"job {active[0].id} of experiment {experiment_id} is {active[0].status.value}", field="experiment_id")

    def _check_unreferenced(self, tx: Tx, experiment: Experiment, made: list[Artifact]) -> None:
        members = rows.page(tx, experiment=experiment.id, limit=1000).items
        for job in rows.referring(tx, sorted({row.digest for row in made} | {job.id for job in members})):
            if job.experiment_id != experiment.id:
                raise Conflict(f"job {job.id} reads from experiment {experiment.id}", field="experiment_id", value=experiment.id)

    def _remove_files(self, experiment_id: str, digests: list[str]) -> None:
        folder = self.layout.experiment(experiment_id)
        if folder.is_dir():
            aside = folder.with_name(f".{folder.name}.deleted")
            folder.rename(aside)
            shutil.rmtree(aside)
        for digest in digests:
            self.artifacts.remove(digest)
