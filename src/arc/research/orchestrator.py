"""Orchestrator: a study from Python, a piece at a time, under the names that users of such loops know.

with Client.of_workspace(Path("arc-workspace")) as arc:
    study = Orchestrator.create(arc, StudySpec(recipe="fundus.classify", inputs={"dataset": "dataset:eyes"}))
    results = study.run_autonomous_cycle(cycle_id=1)

Every verb is one of the study's own, called through the control plane; nothing is decided, stored or run twice. A control plane that is away is
ServiceDown, and the study goes on where it was when it is back. A program and the study's job must not run one study at once: a study that is made
here has no job.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from arc.client import Client
from arc.core.errors import NotFound
from arc.core.proposal import Observation, Proposal, ProposalStatus
from arc.core.study import StudySpec
from arc.research import exports, generator, racing
from arc.research.agents import historian
from arc.research.desk import Training
from arc.research.http_desk import HttpDesk
from arc.research.run import begin
from arc.research.steps import by_hand
from arc.research.view import View

_OVER = ("completed", "failed", "cancelled")


class Orchestrator:
    """One study, driven by the program that holds this."""

    def __init__(self, arc: Client, study_id: str) -> None:
        self._arc = arc
        self.study_id = study_id
        self._desk = HttpDesk(arc, study_id)
        self._campaign = begin(self._desk)

    @classmethod
    def create(cls, arc: Client, spec: StudySpec) -> "Orchestrator":
        """A new study that this program drives; InvalidSpec, NotFound or Conflict name the field that is wrong."""
        made = arc.studies.create(spec)
        arc.studies.start(made.id, by_hand=True)
        return cls(arc, made.id)

    def run_research_cycle(self, cycle_id: int) -> dict[str, Any]:
        """Decide a cycle and submit nothing: directive, proposals, ballots, decisions."""
        self._campaign.measure_baseline()
        approved = self._campaign.decide(cycle_id)
        proposed = [one for one in self._campaign.memory.proposals.values() if one.cycle == cycle_id]
        directive = self._campaign.directive(cycle_id)
        return {
            "cycle_id": cycle_id,
            "stages": {"director": {"mode": directive.mode, "reason": directive.reason}},
            "approved_proposals": [one.model_dump(mode="json") for one in approved],
            "metrics": {"total_proposals": len(proposed), "approved_proposals": len(approved)},
        }

    def run_autonomous_cycle(self, cycle_id: int, *, wait_for_completion: bool = True, timeout: float = 3600) -> dict[str, Any]:
        """Decide a cycle, train what was approved and, when it is waited for, integrate the results and race the best.

        Whatever is not over after `timeout` seconds stays out of `results_integration`, which is then partial; the trainings go on.
        """
        results = self.run_research_cycle(cycle_id)
        if self._campaign.memory.study.spec.mode == "offline":
            results["stages"]["execution"] = {"status": "prepared_offline", "submitted_count": 0, "job_ids": []}
            return results
        experiments = self.submit_batch(self._campaign.memory.approved(cycle_id))
        results["stages"]["execution"] = {"status": "submitted", "submitted_count": len(experiments), "job_ids": experiments}
        if not wait_for_completion:
            return results
        results["training_completion"] = done = self.wait_for_completion(experiments, timeout=timeout)
        if all(status in _OVER for status in done.values()):
            self._campaign.carry_out(cycle_id)
        results["results_integration"] = self.collect_and_integrate_results(experiments, cycle_id)
        return results

    def submit_job(self, proposal: Proposal, *, requires_approval: bool = False) -> str:
        """Train what an approved proposal proposes; the id of its experiment.

        With `requires_approval` the proposal is posted for the next vote instead, and its own id is answered. Conflict for one that was not
        approved, or when a budget is used up.
        """
        if requires_approval:
            return self._arc.studies.propose(self.study_id, proposal).proposal_id
        memory, view = self._campaign.memory, self._view()
        config = generator.generate(memory.space, view.baseline, dict(proposal.changes), constraints=view.constraints)
        made = []
        for seed in racing.search_seeds(view)[: view.spec.evidence.rungs[0]]:
            training = Training.of(proposal, generator.params(config, memory.study.spec.baseline), seed, study=self.study_id)
            made.append(str(self._arc.jobs.get(self._desk.submit(training)).experiment_id))
        return made[0]

    def submit_batch(self, proposals: Sequence[Proposal]) -> list[str]:
        """`submit_job` for each that was approved; the ids of their experiments."""
        return [self.submit_job(one) for one in proposals if one.status is ProposalStatus.APPROVED]

    def wait_for_completion(self, experiment_ids: Sequence[str], timeout: float = 3600) -> dict[str, str]:
        """The status of each experiment when all are over, or as it is after `timeout` seconds. NotFound for one of another study."""
        known = self._known()
        for one in experiment_ids:
            if one not in known:
                raise NotFound(f"study {self.study_id} has no experiment {one[:128]!r}", field="experiment_ids", value=one[:128])
        end = time.perf_counter() + timeout
        running = [self._desk.name_of(one) for one in experiment_ids if known[one].status not in _OVER]
        while running and (over := self._desk.wait(running, timeout_s=end - time.perf_counter())):
            running = [one for one in running if one not in over]
        known = self._known()
        return {one: known[one].status for one in experiment_ids}

    def collect_results(self, experiment_id: str) -> dict[str, Any]:
        """experiment_id, config, metrics, status, duration_seconds, proposal_type and risk_level of one experiment; NotFound."""
        known = self._known()
        if experiment_id not in known:
            raise NotFound(
                f"study {self.study_id} has no experiment {experiment_id[:128]!r}", field="experiment_id", value=experiment_id[:128]
            )
        return exports.result(known[experiment_id], self._campaign.memory.proposals)

    def collect_and_integrate_results(self, experiment_ids: Sequence[str], cycle_id: int) -> dict[str, Any]:
        """The results of these experiments that are there, integrated; the others are left for later."""
        known = self._known()
        found = [exports.result(known[one], self._campaign.memory.proposals) for one in experiment_ids if one in known]
        return self.integrate_experiment_results(found, cycle_id)

    def integrate_experiment_results(self, experiment_results: Sequence[Mapping[str, Any]], cycle_id: int) -> dict[str, Any]:
        """What a cycle's results come to: status, cycle_id, total_experiments, successful, failed, best_metrics, training_history_updated.

        The rows of the study are the history, and experiments enter it when they end; so this reads, and says `partial` while some have not.
        """
        memory = self._campaign.memory
        directions = {memory.study.spec.objective.metric: memory.study.spec.objective.direction}
        named = {str(one["experiment_id"]) for one in experiment_results}
        seen = [one for one in self._known().values() if one.experiment_id in named or one.cycle < cycle_id]
        return historian.integrate(seen, cycle_id, {}, directions)

    def generate_config(self, experiment_id: str, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration that a proposal's `changes` make of the baseline, under the name of the experiment; InvalidSpec lists every violation."""
        view, memory = self._view(), self._campaign.memory
        config = generator.generate(memory.space, view.baseline, dict(proposal["changes"]), constraints=view.constraints)
        return {"experiment_id": experiment_id} | generator.params(config, memory.study.spec.baseline)

    def get_baseline_config(self) -> dict[str, Any]:
        """The params that proposals change: the recipe's with the incumbent's configuration in them."""
        return generator.params(self._view().baseline, self._campaign.memory.study.spec.baseline)

    def update_baseline(self, config: Mapping[str, Any], *, why: str = "moved by hand") -> dict[str, Any]:
        """Move the baseline to a configuration that was measured in full in this study; the decision log says that no test did it. NotFound for one that was not."""
        memory = self._campaign.memory
        record = by_hand(self._view(), memory, dict(config), why)
        self._desk.record(record)
        memory.apply(record)
        return self.get_baseline_config()

    def detect_stagnation(self, metric: str, threshold: float = 0.01, window: int = 5) -> bool:
        """Whether the last `window` values of a metric are not at least `threshold` better than the best before them."""
        objective = self._campaign.memory.study.spec.objective
        sign = objective.sign if metric == objective.metric else 1.0
        return historian.stagnated(list(self._known().values()), metric, threshold=threshold, window=window, sign=sign)

    def get_performance_trend(self, metric: str, window: int = 10) -> list[float]:
        """The last `window` measured values of a metric, oldest first."""
        return historian.trend(list(self._known().values()), metric, window)

    def _known(self) -> dict[str, Observation]:
        return {one.experiment_id: one for one in self._desk.history()}

    def _view(self) -> View:
        return self._campaign.view()
