"""The verbs of experiments: list, show, archive, pin, delete.

An experiment is deleted with its folder and its bytes, never while something refers to it: a job that is
not over, or another experiment's job that reads one of its artifacts. Its folder is moved aside in the very
transaction that deletes its rows and comes back when that fails, so that a reader sees all of it or nothing.

A pinned checkpoint is put into the artifact store at once, because an attempt that runs clears its own away.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc.artifacts import ArtifactStore
from arc.core.artifact import Artifact, ArtifactKind
from arc.core.errors import Conflict
from arc.core.experiment import Experiment
from arc.core.job import Job
from arc.core.page import Page
from arc.jobs.contents import remove_tree
from arc.jobs.hub import Hub
from arc.jobs.paths import Layout, set_aside
from arc.store import artifacts, events, experiments, leftovers, studies
from arc.store import jobs as rows
from arc.store.engine import Store, Tx

_MEMBERS = 1000  # no experiment is known that has nearly as many jobs


@dataclass(frozen=True)
class TakenAway:
    """An experiment whose rows are gone and whose folder lies aside."""

    aside: Path | None
    digests: tuple[str, ...]  # of bytes that nothing named any more


@dataclass(frozen=True)
class Experiments:
    """The verbs, over one store."""

    store: Store
    layout: Layout
    artifacts: ArtifactStore
    hub: Hub
    attended: Callable[[], Collection[str]] = tuple  # the jobs that the engine has not let go of yet

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
            return members(tx, experiment_id)

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

    def pin(self, experiment_id: str, *, step: int | None = None, actor: str) -> list[Artifact]:
        """Keep its checkpoints, or the one of a step, whatever a clean-up would say; Conflict when there is none."""
        wanted = self._checkpoints(experiment_id, step)
        digests = {digest for row in wanted if not row.published and (digest := self._put(row))}
        with self.store.write() as tx:
            found = [row for row in self._checkpoints_in(tx, experiment_id, step) if row.published or row.digest in digests]
            for row in found:
                artifacts.publish(tx, row.id, path=f"artifacts/{row.digest[:2]}/{row.digest}")
            artifacts.pin(tx, [row.id for row in found], pinned=True)
            if found:
                detail = {"steps": [row.step for row in found]}
                events.append(tx, subject=experiment_id, kind="experiment.pinned", actor=actor, detail=detail)
                tx.after_commit(lambda: self.hub.poke(experiment_id))
            drop(self.artifacts, unnamed(tx, digests))
        if not found:
            raise Conflict(f"experiment {experiment_id} has no whole checkpoint to pin", field="experiment_id", value=experiment_id)
        return [row.model_copy(update={"pinned": True}) for row in found]

    def unpin(self, experiment_id: str, *, step: int | None = None, actor: str) -> list[Artifact]:
        """Leave its checkpoints, or the one of a step, to the rules of retention again; those that were pinned."""
        with self.store.write() as tx:
            found = [row for row in self._checkpoints_in(tx, experiment_id, step) if row.pinned]
            artifacts.pin(tx, [row.id for row in found], pinned=False)
            if found:
                detail = {"steps": [row.step for row in found]}
                events.append(tx, subject=experiment_id, kind="experiment.unpinned", actor=actor, detail=detail)
                tx.after_commit(lambda: self.hub.poke(experiment_id))
        return [row.model_copy(update={"pinned": False}) for row in found]

    def delete(self, experiment_id: str, *, actor: str) -> Experiment:
        """Delete rows, folder and bytes; Conflict naming what refers to it."""
        with self.store.write() as tx:
            tx.in_turn(f"experiment {experiment_id}")  # no job may join it meanwhile
            experiment = experiments.get(tx, experiment_id)
            self.check_deletable(tx, experiment)
            made = len(artifacts.of_experiment(tx, experiment_id))
            taken = self.take_away(tx, experiment)
            events.append(tx, subject=experiment_id, kind="experiment.deleted", actor=actor, detail={"artifacts": made})
        self.discard(taken)
        return experiment

    def check_deletable(self, tx: Tx, experiment: Experiment) -> None:
        """Conflict naming what of it is not over, or what refers to it."""
        self._check_idle(tx, experiment.id)
        if experiment.study is not None and not studies.over(tx, experiment.study):
            raise Conflict(f"study {experiment.study} learns from experiment {experiment.id}", field="experiment_id", value=experiment.id)
        self._check_unreferenced(tx, experiment)

    def take_away(self, tx: Tx, experiment: Experiment) -> TakenAway:
        """Delete the rows and move the folder aside, to come back when the transaction fails."""
        digests = {row.digest for row in artifacts.of_experiment(tx, experiment.id)}
        experiments.delete(tx, experiment.id)
        tx.after_commit(lambda: self.hub.poke(experiment.id))
        return TakenAway(set_aside(tx, self.layout.experiment(experiment.id)), unnamed(tx, digests))

    def discard(self, taken: TakenAway) -> None:
        """Delete what was taken away from the disk."""
        if taken.aside is not None:
            remove_tree(taken.aside)
        if taken.digests:
            with self.store.write() as tx:  # another job may have made the same bytes meanwhile
                drop(self.artifacts, unnamed(tx, taken.digests))

    def _checkpoints(self, experiment_id: str, step: int | None) -> list[Artifact]:
        with self.store.read() as tx:
            return self._checkpoints_in(tx, experiment_id, step)

    def _checkpoints_in(self, tx: Tx, experiment_id: str, step: int | None) -> list[Artifact]:
        experiments.get(tx, experiment_id)
        made = artifacts.of_experiment(tx, experiment_id)
        return [row for row in made if row.kind is ArtifactKind.CHECKPOINT and (step is None or row.step == step)]

    def _put(self, row: Artifact) -> str | None:
        """The digest of a checkpoint that is in the artifact store now; None when its attempt has cleared it away."""
        try:
            return self.artifacts.put(self.layout.stored(row.path))[0]
        except FileNotFoundError:
            return None

    def _check_idle(self, tx: Tx, experiment_id: str) -> None:
        active = rows.active_in_experiment(tx, experiment_id)
        if active:
            raise Conflict(f"job {active[0].id} of experiment {experiment_id} is {active[0].status.value}", field="experiment_id")
        held = set(self.attended())
        for job in members(tx, experiment_id):
            if job.id in held:
                raise Conflict(f"the engine is just tidying up after job {job.id}", field="experiment_id", value=experiment_id)

    def _check_unreferenced(self, tx: Tx, experiment: Experiment) -> None:
        made = {row.digest for row in artifacts.of_experiment(tx, experiment.id)}
        own = {job.id for job in members(tx, experiment.id)}
        for job in rows.referring(tx, sorted(made | own)):
            if job.experiment_id != experiment.id:
                raise Conflict(f"job {job.id} reads from experiment {experiment.id}", field="experiment_id", value=experiment.id)
        for job_id in leftovers.reading_below(tx, os.path.realpath(self.layout.experiment(experiment.id))):
            raise Conflict(f"job {job_id} reads from the folder of experiment {experiment.id}", field="experiment_id", value=experiment.id)


def members(tx: Tx, experiment_id: str) -> list[Job]:
    """The jobs of an experiment, first to last."""
    return rows.page(tx, experiment=experiment_id, limit=_MEMBERS, newest_first=False).items


def unnamed(tx: Tx, digests: Collection[str]) -> tuple[str, ...]:
    """Those of the digests that no artifact has any more."""
    return tuple(digest for digest in sorted(digests) if not leftovers.is_named(tx, digest))


def drop(store: ArtifactStore, digests: Collection[str]) -> None:
    """Delete bytes that nothing names."""
    for digest in digests:
        store.remove(digest)
