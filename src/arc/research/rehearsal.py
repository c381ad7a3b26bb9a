"""Rehearsal: a desk in memory that measures a simulated objective, for tests of the loop itself and for `arc study selftest`.

Every rule of a study holds here as it does on the real desk: budgets are counted, keys make a training once, records are kept. What comes
out is simulated and can never be more. Not covered: time, memory, and everything else that only real trainings take.
"""

import math
import random
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from arc.core.attempt import FailureClass
from arc.core.clock import Clock, SystemClock
from arc.core.errors import Conflict
from arc.core.proposal import Ballot, Observation, Proposal
from arc.core.space import Config, digest
from arc.core.study import Record, Spent, Study, StudySpec, StudyState
from arc.research.desk import Training
from arc.research.view import Machine

Objective = Callable[[Config], float | FailureClass]  # the true value of a configuration, or how it fails


class Rehearsal:
    """A study that trains nothing; `truth` gives the value of a configuration and `noise_sd` the spread over seeds."""

    def __init__(
        self, spec: StudySpec, truth: Objective, *, noise_sd: float, flat: Callable[[dict[str, Any]], Config], clock: Clock | None = None
    ) -> None:
        """`flat` finds the configuration of the space in the params of a training."""
        made = (clock or SystemClock()).now()
        self._study = Study(
            id=f"study_{spec.name}", spec=spec, state=StudyState.RUNNING, job_id=None, cycle=0, spent=Spent(), summary={}, created_by="rehearsal", created_at=made, ended_at=None,
        )  # fmt: skip
        self._truth = truth
        self._noise_sd = noise_sd
        self._flat = flat
        self._records: dict[str, Record] = {}
        self._seen: dict[str, Observation] = {}
        self.posted: list[Proposal] = []
        self.outside: list[Ballot] = []
        self.people: dict[str, bool] = {}

    def study(self) -> Study:
        """The study as it stands now."""
        return self._study

    def records(self) -> list[Record]:
        """Everything that was decided so far."""
        return list(self._records.values())

    def record(self, record: Record) -> None:
        """Keep a step; Conflict when its key is taken by another."""
        if record.key in self._records and self._records[record.key] != record:
            raise Conflict(f"{record.key} was recorded otherwise", field="key", value=record.key)
        self._records[record.key] = record

    def history(self) -> list[Observation]:
        """Every experiment so far."""
        return list(self._seen.values())

    def offered(self) -> list[Proposal]:
        """What outsiders posted and no record has taken up."""
        known = {one.proposal_id for record in self._records.values() for one in record.proposals}
        return [one for one in self.posted if one.proposal_id not in known]

    def ballots(self, proposal_id: str) -> list[Ballot]:
        """The outside ballots on a proposal."""
        return [one for one in self.outside if one.proposal_id == proposal_id]

    def approved(self, proposal_ids: Sequence[str]) -> dict[str, bool]:
        """What people decided."""
        return {one: self.people[one] for one in proposal_ids if one in self.people}

    def submit(self, training: Training) -> str:
        """Measure at once; Conflict when the budget is used up."""
        budget, seen = self._study.spec.budget, list(self._seen.values())
        if training.key not in self._seen:
            searched = sum(one.use != "confirm" for one in seen)
            if len(seen) >= budget.experiments or (training.link.use != "confirm" and searched >= budget.experiments - budget.reserve):
                raise Conflict("the experiments are used up", field="budget.experiments", value=str(budget.experiments))
            self._seen[training.key] = self._measured(training, len(seen))
        return training.key

    def wait(self, names: Sequence[str]) -> list[str]:
        """All of them: nothing takes time here."""
        return list(names)

    def pause(self) -> None:
        """Nothing to wait for."""

    def machine(self) -> Machine:
        """A small one."""
        return Machine(memory_gb=8.0, threads=2)

    def tell(self, summary: dict[str, Any]) -> None:
        """The summary is the study's."""
        self._study = self._study.model_copy(update={"summary": summary})

    def _measured(self, training: Training, number: int) -> Observation:
        config = dict(self._flat(training.params))
        found = self._truth(config)
        common = {
            "experiment_id": f"exp_{number:05d}", "study": self._study.id, "cycle": training.link.cycle, "proposal_id": training.link.proposal_id,
            "use": training.link.use, "config": config, "seed": training.seed, "fidelity": training.link.fidelity, "duration_s": 1.0, "simulated": True,
        }  # fmt: skip
        if isinstance(found, FailureClass):
            return Observation(status="failed", failure_class=found, failure="simulated", blamed=True, **common)
        value = found + self._noise_sd * _normal(config, training.seed)
        return Observation(status="completed", metrics={self._study.spec.objective.metric: value}, **common)


def _normal(config: Config, seed: int) -> float:
    """A standard normal draw that belongs to a configuration and a seed."""
    dice = random.Random(sha256(f"{digest(config)}/{seed}".encode()).digest())  # noqa: S311, dice and no secret
    return math.sqrt(-2 * math.log(1 - dice.random())) * math.cos(2 * math.pi * dice.random())
