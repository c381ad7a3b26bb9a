"""Memory: what a study knows, put together from its records; the same records give the same memory.

A step is decided once and recorded before anything follows from it. A study that was killed reads its records back and goes on behind the
last one. Nothing here is written by anyone but `apply`.
"""

from dataclasses import dataclass, field
from typing import Any

from arc.core.proposal import Constraint, Decision, Observation, Proposal, ProposalStatus
from arc.core.space import Space
from arc.core.study import Record, Study
from arc.research.evidence import Noise
from arc.research.view import Directive, Left, Machine, Standing, View
from arc.stats.alpha import Wealth


@dataclass
class Memory:
    """The state of one study between two steps."""

    study: Study
    space: Space
    wealth: Wealth
    start: dict[str, Any]  # the configuration that the study began with
    records: dict[str, Record] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    noise: Noise | None = None
    incumbent: Standing | None = None
    settled: dict[str, str] = field(default_factory=dict)  # digest of a configuration -> drop, or the verdict of its test
    tests: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    calls: int = 0

    @classmethod
    def of(cls, study: Study, space: Space, start: dict[str, Any]) -> "Memory":
        """The memory of a study before its first step."""
        return cls(study, space, Wealth.begin(study.spec.evidence.alpha), start)

    def apply(self, record: Record) -> None:
        """Take in one step, in the order in which steps were recorded."""
        self.records[record.key] = record
        self.proposals |= {one.proposal_id: one for one in record.proposals}
        self.constraints |= {one.id: one for one in record.constraints}
        self.decisions += record.decisions
        self.tokens += record.tokens
        self.calls += record.calls
        memo = record.memo
        if "directive" in memo:
            self.directives.append(Directive(**memo["directive"]))
        if "noise" in memo:
            self.noise = Noise(**memo["noise"])
        if "incumbent" in memo:
            self.incumbent = Standing.of(memo["incumbent"])
        if "wealth" in memo:
            self.wealth = Wealth(memo["wealth"], self.wealth.earns)
        self.settled |= memo.get("settled", {})
        if "test" in memo:
            self.tests.append(memo["test"])

    def view(self, cycle: int, observations: list[Observation], machine: Machine) -> View:
        """What the agents of a cycle see."""
        incumbent = self.incumbent or Standing("", self.start, {})
        return View(
            study=self.study.id,
            spec=self.study.spec,
            space=self.space,
            cycle=cycle,
            baseline=dict(incumbent.config),
            incumbent=incumbent,
            left=self.left(observations),
            machine=machine,
            observations=tuple(observations),
            proposals=tuple(self.proposals.values()),
            constraints=tuple(self.constraints.values()),
            noise_sd=self.noise.sd if self.noise else None,
            directives=tuple(self.directives),
        )

    def left(self, observations: list[Observation]) -> Left:
        """What is left of the budget, as far as the study can count; the control plane counts for itself."""
        budget = self.study.spec.budget
        searched = sum(one.use != "confirm" for one in observations)
        compute = sum(one.duration_s for one in observations)
        return Left(
            experiments=max(0, min(budget.experiments - budget.reserve - searched, budget.experiments - len(observations))),
            confirmations=max(0, budget.experiments - len(observations)),
            compute_s=None if budget.compute_seconds is None else max(0.0, budget.compute_seconds * (1 - budget.reserve_share) - compute),
            tokens=None if budget.tokens is None else budget.tokens - self.tokens,
            calls=None if budget.calls is None else budget.calls - self.calls,
        )

    def approved(self, cycle: int) -> list[Proposal]:
        """The proposals of a cycle that may run, in the order in which they were approved."""
        return [one for one in self.proposals.values() if one.cycle == cycle and one.status is ProposalStatus.APPROVED]
