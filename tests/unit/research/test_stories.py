"""Longer stories of a study in memory: standstill and recovery, a region learned, forgotten and tried again, disagreement, duplicates."""

import math
from typing import Any

import pytest

from arc.core.attempt import FailureClass
from arc.core.proposal import Ballot, Decision, ProposalStatus
from arc.core.space import Choice, Config, Space, digest
from arc.core.study import StudyBudget
from arc.research import deciding
from arc.research.campaign import Campaign
from arc.research.duplicates import sieve
from arc.research.memory import Memory
from arc.research.rehearsal import Rehearsal
from tests.unit.research.studies import BASELINE, EXPLORE, campaign, observed, proposal, spec, view

LONG = StudyBudget(experiments=160, reserve_share=0.1)


def said(made: Campaign, kind: str) -> list[Decision]:
    return [one for one in made.memory.decisions if one.kind == kind]


def test_where_nothing_gets_better_the_director_looks_farther_then_goes_back_and_then_ends_it() -> None:
    made, _ = campaign(lambda config: 0.8 if config == BASELINE else 0.7, budget=LONG)
    made.run()
    rules = [one.rules[0] for one in said(made, "directive")]
    assert rules[:3] == ["D1", "D1", "D1"]
    assert "D4" in rules
    assert rules[rules.index("D4") + 1] == "D5"
    (stop,) = said(made, "stop")
    assert stop.rules == ("T3",)
    assert made.memory.incumbent is not None
    assert made.memory.incumbent.proposal_id.endswith("baseline")


def test_a_region_is_learned_kept_out_of_forgotten_and_tried_again() -> None:
    """Large batches run out of memory; after ten experiments one probe looks again, fails alike, and the region stays for longer."""

    def truth(config: Config) -> float | FailureClass:
        return FailureClass.OOM if config["batch_size"] > 24 else 0.8 + 0.01 * math.log10(config["batch_size"])

    made, desk = campaign(truth, budget=LONG, seed=5)
    made.run()
    learned = said(made, "constraint")
    assert learned
    cycle = learned[0].cycle
    assert "batch_size" in learned[0].why
    assert said(made, "expired")
    (probe, *_) = [
        one
        for one in made.memory.proposals.values()
        if (one.parent or "").startswith(deciding.PROBE) and one.status is ProposalStatus.APPROVED
    ]
    assert any(one.proposal_id == probe.proposal_id for one in desk.history())
    assert said(made, "probe")
    low = made.memory.constraints["batch_size.oom"].low
    assert low is not None
    probes = {one.proposal_id for one in made.memory.proposals.values() if (one.parent or "").startswith(deciding.PROBE)}
    inside = [one for one in desk.history() if one.cycle > cycle and one.config["batch_size"] >= low and one.proposal_id not in probes]
    assert inside == []


def test_a_region_that_was_wrong_is_given_back() -> None:
    """What broke at first works later (somebody added memory): the probe completes and the constraint is dropped."""
    calls = {"oom": 0}

    def truth(config: Config) -> float | FailureClass:
        if config["batch_size"] > 24 and calls["oom"] < 6:
            calls["oom"] += 1
            return FailureClass.OOM
        return 0.8

    made, _ = campaign(truth, budget=LONG, seed=5)
    made.run()
    assert said(made, "constraint")
    assert any(one.why.endswith("dropped") for one in said(made, "probe"))


def test_the_same_configuration_is_refused_whether_it_ran_failed_or_is_proposed_twice() -> None:
    ran, failed = observed(0.8, lr=0.01), observed(failure=FailureClass.NAN, lr=0.5)
    here = view(observations=(ran, failed))
    twice = proposal(here, "visitor", dropout=0.5)
    found = sieve(
        here, [proposal(here, lr=0.01), proposal(here, lr=0.5), twice, proposal(here, "critic", dropout=0.5), proposal(here, learning=1)]
    )
    assert found.kept == [twice]
    assert [rule for _, rule, _ in found.refused] == ["P1", "P1", "P1", "P2"]
    assert "learning" in found.refused[-1][2]


@pytest.mark.parametrize(
    ("strategy", "outcome"),
    [
        ("conservative", ProposalStatus.REJECTED),
        ("weighted_majority", ProposalStatus.APPROVED),
        ("supervisor_override", ProposalStatus.APPROVED),
        ("director_override", ProposalStatus.REJECTED),
    ],
)
def test_when_the_agents_disagree_the_strategy_decides_and_the_log_says_so(strategy: Any, outcome: ProposalStatus) -> None:
    here = view(spec=spec(strategy=strategy))
    made = proposal(here, "visitor", loss="focal")
    contested = view(spec=spec(strategy=strategy), proposals=(made,))
    votes = [("a", "reject"), ("b", "reject"), ("c", "revise"), ("d", "revise"), ("e", "reject"), ("f", "revise")]
    outside = [
        Ballot(proposal_id=made.proposal_id, agent=name, vote=vote, confidence=1.0, reason="I think so", weight=0.1) for name, vote in votes
    ]
    record = deciding.vote(contested, EXPLORE, None, outside=lambda one: outside)
    assert {one.proposal_id: one.status for one in record.proposals}[made.proposal_id] is outcome
    (conflict,) = [one for one in record.decisions if one.kind == "conflict"]
    assert strategy in conflict.rules[0]


def test_a_budget_of_computing_ends_the_search_and_says_which() -> None:
    made, desk = campaign(lambda config: 0.8, budget=StudyBudget(experiments=100, compute_seconds=20.0))
    made.run()
    assert "compute" in said(made, "stop")[0].why
    assert sum(one.use != "confirm" for one in desk.history()) < 20


def test_a_target_is_reached_with_the_bound_and_not_with_luck() -> None:
    made, _ = campaign(lambda config: 0.9, objective={"metric": "auc", "target": 0.85})
    made.run()
    assert said(made, "stop")[0].rules == ("T2",)
    lucky, _ = campaign(lambda config: 0.84, objective={"metric": "auc", "target": 0.85})
    lucky.run()
    assert said(lucky, "stop")[0].rules != ("T2",)


def test_a_finite_space_that_is_used_up_ends_the_study() -> None:
    small = Space(parameters={"loss": Choice(values=("cross_entropy", "focal", "dice"))})
    made_spec = spec(space=small, baseline={"loss": "cross_entropy"}, budget=StudyBudget(experiments=60))
    desk = Rehearsal(made_spec, lambda config: 0.8, noise_sd=0.01, flat=lambda params: {"loss": params["loss"]})
    made = Campaign(desk, Memory.of(desk.study(), small, {"loss": "cross_entropy"}), {}, learn=lambda here: None)
    made.run()
    assert said(made, "stop")[0].rules == ("T4",)
    assert {digest(one.config) for one in desk.history()} == {digest({"loss": value}) for value in ("cross_entropy", "focal", "dice")}
