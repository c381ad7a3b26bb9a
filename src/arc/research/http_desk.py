"""The desk over HTTP: with the capability of the attempt that runs a study, or with the token of a person's program.

Results come as events: one thread a running training listens to the stream of the job that judges it, through restarts of the control
plane. Not covered: what is decided with the results (`arc.research.campaign`).
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from arc.client import Client
from arc.core.errors import Cancelled, NotFound, ServiceDown
from arc.core.job import JobRequest
from arc.core.proposal import Ballot, Observation, Proposal, ProposalStatus
from arc.core.study import Record, Study, StudySpec
from arc.research.desk import Training
from arc.research.view import Machine

_LOOK_S = 0.5  # how often a person's wish to stop is noticed while results are waited for


class HttpDesk:
    """The desk of whoever runs a study: the attempt of its job, or a person's program."""

    def __init__(
        self,
        arc: Client,
        study_id: str,
        *,
        asked_to_stop: Callable[[], bool] = lambda: False,
        told: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        """`asked_to_stop` is looked at while results are waited for; `told` hears how many trainings are done, of how many."""
        self._arc = arc
        self._id = study_id
        self._asked_to_stop = asked_to_stop
        self._told = told
        self._over: queue.Queue[str] = queue.Queue()
        self._heard: set[str] = set()
        self._listening: set[str] = set()
        self._settled: list[Observation] | None = None  # the history while nothing runs: only a submission changes it then
        self._taken: set[str] | None = None  # proposals that some step holds
        self._spec = self.study().spec
        self._recipe = self._arc.recipes.get(self._spec.recipe)
        self._judge = self._arc.recipes.get(self._recipe.judged_by)

    def study(self) -> Study:
        """The study as it stands now."""
        return self._arc.studies.get(self._id)

    def records(self) -> list[Record]:
        """Everything that was decided so far, oldest first."""
        found = self._arc.studies.records(self._id)
        self._taken = {one.proposal_id for record in found for one in record.proposals}
        return found

    def record(self, record: Record) -> None:
        """Make a step durable."""
        self._arc.studies.record(self._id, record)
        if self._taken is not None:
            self._taken |= {one.proposal_id for one in record.proposals}

    def history(self) -> list[Observation]:
        """Every experiment of the study, oldest first; asked for once at each barrier, where nothing runs."""
        if self._settled is not None:
            return self._settled.copy()
        found = [_searched(one, self._spec) for one in self._arc.studies.history(self._id)]
        if all(one.status not in ("running", "queued") for one in found):
            self._settled = found
        return found.copy()

    def offered(self) -> list[Proposal]:
        """The proposals that outsiders posted and no step has taken up."""
        if self._taken is None:
            self.records()
        taken = self._taken or set()
        return [one for one in self._arc.studies.proposals(self._id, status=ProposalStatus.PROPOSED) if one.proposal_id not in taken]

    def ballots(self, proposal_id: str) -> list[Ballot]:
        """The ballots that outsiders cast on a proposal; none when it is not written down yet."""
        return self._arc.studies.ballots(proposal_id)

    def approved(self, proposal_ids: Sequence[str]) -> dict[str, bool]:
        """What people decided on proposals, of those on which they did."""
        known = {one.proposal_id: one.status for one in self._arc.studies.proposals(self._id)}
        return {one: known[one] == "approved" for one in proposal_ids if known.get(one) in ("approved", "rejected")}

    def submit(self, training: Training) -> str:
        """Ask for the training and for its evaluation; the id of the latter."""
        model = next(name for name, kind in self._recipe.outputs.items() if kind == "model")
        request = JobRequest(
            recipe=self._recipe.name, params=training.params, inputs=self._spec.inputs, seed=training.seed, study=training.link, dummy_mode=self._spec.simulated
        )  # fmt: skip
        self._settled = None
        trained = self._arc.jobs.submit(request, key=f"{self._id}.{training.key}")
        shared = {name: ref for name, ref in self._spec.inputs.items() if name in self._judge.inputs}
        judging = JobRequest(
            recipe=self._judge.name,
            params=self._spec.evaluate,
            inputs=shared | {"model": f"job:{trained.id}/{model}"},
            seed=training.seed,
            dummy_mode=self._spec.simulated,
        )
        return self._arc.jobs.submit(judging, key=f"{self._id}.{training.key}.judge").id

    def wait(self, names: Sequence[str], *, timeout_s: float = math.inf) -> list[str]:
        """Those that are over, as soon as one is; none when that takes longer."""
        end = time.perf_counter() + timeout_s
        for name in names:
            self._listen(name)
        while not (over := [name for name in names if name in self._heard]) and (left := end - time.perf_counter()) > 0:
            self._stop_if_asked()
            try:
                self._heard.add(self._over.get(timeout=min(_LOOK_S, left)))
            except queue.Empty:
                continue
        return over

    def name_of(self, experiment_id: str) -> str:
        """The name by which `wait` knows the training of an experiment, whoever asked for it; NotFound."""
        judging = [one.job_id for one in self._arc.experiments.report(experiment_id).jobs if one.recipe == self._judge.name]
        if not judging:
            raise NotFound(f"experiment {experiment_id[:128]!r} is judged by no job", field="experiment_id", value=experiment_id[:128])
        return judging[-1]

    def pause(self) -> None:
        """Half a second."""
        self._stop_if_asked()
        threading.Event().wait(_LOOK_S)

    def machine(self) -> Machine:
        """What the recipe declares: the engine admits no more than fits anyway."""
        needs = self._recipe.needs
        return Machine(memory_gb=needs.memory_gb, threads=needs.threads, gpus=needs.gpus)

    def tell(self, summary: dict[str, Any]) -> None:
        """Progress of the study's job: experiments done, of those in the budget."""
        self._told(int(summary.get("experiments", 0)), self._spec.budget.experiments)

    def _listen(self, job_id: str) -> None:
        if job_id in self._listening:
            return
        self._listening.add(job_id)
        threading.Thread(target=self._hear, args=(job_id,), name=f"hear {job_id}", daemon=True).start()

    def _hear(self, job_id: str) -> None:
        """Follow a job to its end; a control plane that restarts in between costs a pause."""
        while True:
            try:
                for _ in self._arc.jobs.watch(job_id):
                    pass
                if self._arc.jobs.get(job_id).terminal:
                    self._over.put(job_id)
                    return
            except ServiceDown:
                if self._asked_to_stop():
                    return

    def _stop_if_asked(self) -> None:
        if self._asked_to_stop():
            raise Cancelled("the study was asked to stop; it goes on where it is when it is started again")


def _searched(one: Observation, spec: StudySpec) -> Observation:
    """The observation with the parameters of the space alone: the others are the same in all of them."""
    assert spec.space is not None  # a study that was made has one
    return one.model_copy(update={"config": {name: value for name, value in one.config.items() if name in spec.space.parameters}})
