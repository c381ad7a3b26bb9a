"""A whole study in memory, told as stories: it finds, it refuses, it is killed and goes on, it learns from failures."""

import math
from typing import Any

import pytest

from arc.core.attempt import FailureClass
from arc.core.errors import Cancelled, PermanentError
from arc.core.proposal import Ballot, Decision, ProposalStatus
from arc.core.space import Config, digest
from arc.core.study import Record, StudyBudget
from arc.research import deciding, racing
from arc.research.agents import council
from arc.research.campaign import Campaign
from arc.research.desk import Training
from arc.research.memory import Memory
from arc.research.rehearsal import Rehearsal
from tests.unit.research.studies import BASELINE, EXPLORE, SPACE, campaign, flat, proposal, spec, view


def hill(config: Config) -> float | FailureClass:
    """Best at lr .01 with the focal loss; above .2 it breaks."""
    if config["lr"] > 0.2:
        return FailureClass.NAN
    return (
        0.8
        - 0.02 * (math.log10(config["lr"]) + 2) ** 2
        + (0.04 if config["loss"] == "focal" else 0.0)
        - 0.05 * abs(config["dropout"] - 0.3)
    )


def kinds(decisions: list[Decision]) -> list[str]:
    return [one.kind for one in decisions]


def test_a_study_measures_its_noise_finds_something_and_says_better_only_after_a_test() -> None:
    made, desk = campaign(hill)
    told = made.run()
    assert kinds(made.memory.decisions)[0] == "noise_floor"
    assert told["verdict"] == "better"
    assert told["incumbent"]["config"]["loss"] == "focal"
    order = kinds(made.memory.decisions)
    assert order.index("test") < order.index("incumbent")
    assert order.count("stop") == 1
    test = next(one for one in told["tests"] if one["verdict"] == "better")
    assert test["p"] < test["level"]
    assert test["low"] > 0
    assert test["gain"] >= test["wanted"]
    assert len(desk.history()) <= 60
    assert any(record.state == "finished" for record in desk.records())


def test_fresh_seeds_played_no_part_in_the_search() -> None:
    _, desk = campaign(hill)
    made, desk = campaign(hill, desk=desk)
    made.run()
    searched = {one.seed for one in desk.history() if one.use != "confirm"}
    confirmed = {one.seed for one in desk.history() if one.use == "confirm"}
    assert confirmed
    assert not confirmed & searched


def test_nothing_runs_that_was_not_approved_and_no_configuration_twice_with_one_seed() -> None:
    made, desk = campaign(hill)
    made.run()
    for one in desk.history():
        assert made.memory.proposals[one.proposal_id].status is ProposalStatus.APPROVED
    runs = [(digest(one.config), one.seed, one.use) for one in desk.history()]
    assert len(set(runs)) == len(runs)
    refused = [one for one in made.memory.proposals.values() if one.status is not ProposalStatus.APPROVED]
    assert refused
    assert not {one.proposal_id for one in refused} & {one.proposal_id for one in desk.history()}


class Fragile(Rehearsal):
    """A desk that is killed at one of its calls."""

    def __init__(self, *given: Any, die_at: int, **named: Any) -> None:
        super().__init__(*given, **named)
        self.die_at, self.calls = die_at, 0

    def _live(self) -> None:
        self.calls += 1
        if self.calls == self.die_at:
            raise Cancelled("killed here")

    def record(self, record: Record) -> None:
        self._live()
        super().record(record)
        self._live()

    def submit(self, training: Training) -> str:
        self._live()
        name = super().submit(training)
        self._live()
        return name


def test_killed_at_any_moment_it_goes_on_repeats_nothing_and_decides_the_same() -> None:
    whole, desk = campaign(hill)
    told = whole.run()
    calm = [(one.cycle, one.kind, one.proposal_id, one.why) for one in whole.memory.decisions]
    for die_at in range(1, 200, 23):
        fragile = Fragile(spec(), hill, noise_sd=0.01, flat=flat, die_at=die_at)
        try:
            campaign(hill, desk=fragile)[0].run()
        except Cancelled:
            again = campaign(hill, desk=fragile)[0]
            assert again.run()["incumbent"] == told["incumbent"]
            assert [(one.cycle, one.kind, one.proposal_id, one.why) for one in again.memory.decisions] == calm
            assert [one.model_dump() for one in fragile.history()] == [one.model_dump() for one in desk.history()]


def test_the_same_seed_decides_alike_and_another_differently() -> None:
    first, second, other = (campaign(hill, seed=seed)[0] for seed in (1, 1, 2))
    for one in (first, second, other):
        one.run()
    assert [one.why for one in first.memory.decisions] == [one.why for one in second.memory.decisions]
    assert [one.why for one in first.memory.decisions] != [one.why for one in other.memory.decisions]


def test_what_ran_out_of_memory_is_never_proposed_unchanged_again() -> None:
    def breaks(config: Config) -> float | FailureClass:
        return FailureClass.OOM if config["batch_size"] > 24 else hill(config)

    made, desk = campaign(breaks, budget=StudyBudget(experiments=200, reserve_share=0.1), seed=3)
    made.run()
    failed = [one for one in desk.history() if one.failure_class is FailureClass.OOM]
    assert len({digest(one.config) for one in failed}) == len(failed)
    assert failed
    assert {one.kind for one in made.memory.decisions} >= {"failure", "result"}


def test_a_baseline_that_gives_no_value_ends_the_study_with_the_reason() -> None:
    made, desk = campaign(lambda config: FailureClass.NAN)
    with pytest.raises(PermanentError, match="baseline"):
        made.run()
    assert desk.records()[-1].state == "failed"


def test_offline_decides_and_submits_nothing_beyond_the_baseline() -> None:
    made, desk = campaign(hill, mode="offline")
    made.run()
    assert made.memory.approved(1)
    assert {one.use for one in desk.history()} == {"baseline"}


def test_supervised_runs_what_a_person_approved_and_nothing_else() -> None:
    class Asking(Rehearsal):
        def pause(self) -> None:
            """The person answers now: the first one yes, the others no."""
            waiting = [
                one.proposal_id
                for record in self.records()
                for one in record.proposals
                if one.status is ProposalStatus.PROPOSED and record.key.endswith("vote")
            ]
            for one in waiting:
                self.people.setdefault(one, one == waiting[0])

    desk = Asking(spec(mode="supervised", budget=StudyBudget(experiments=24)), hill, noise_sd=0.01, flat=flat)
    made, _ = campaign(hill, desk=desk)
    made.run()
    assert len(desk.people) > 1
    ran = {one.proposal_id for one in desk.history() if one.use == "search"}
    assert ran == {one for one, yes in desk.people.items() if yes}


def test_an_outsiders_proposal_is_voted_on_and_its_ballots_count() -> None:
    made, desk = campaign(hill)
    offered = proposal(view(cycle=1), "visitor", lr=5e-3, loss="focal")
    desk.posted.append(offered)
    desk.outside.append(
        Ballot(proposal_id=offered.proposal_id, agent="visitor", vote="reject", confidence=1.0, reason="I changed my mind", weight=100.0)
    )
    made.measure_baseline()
    made.decide(1)
    assert made.memory.proposals[offered.proposal_id].status is ProposalStatus.REJECTED


def test_the_sealed_set_is_out_of_reach() -> None:
    here = view()
    sealed = proposal(here).model_copy(update={"changes": {"loss": "sealed"}})
    record = deciding.vote(view(proposals=(sealed,)), EXPLORE, None, outside=lambda one: [])
    assert record.proposals[0].status is ProposalStatus.VETOED
    assert any(one.kind == "veto" and "S7" in one.rules for one in record.decisions)


@pytest.mark.parametrize("agent", ["director", "architect", "explorer", "critic", "second_critic", "historian", "executor", "supervisor"])
def test_turning_one_ballot_turns_the_decision(agent: str) -> None:
    """The others fixed: two thirds approve, so that each ballot of full confidence decides."""
    here = view()
    cast = deciding.ballots(here, EXPLORE, None, proposal(here, "visitor", loss="focal"))
    others = [one for one in cast if one.agent != agent and one.vote == "approve"]
    mine = next(one for one in cast if one.agent == agent).model_copy(update={"confidence": 1.0})
    room = mine.weight * 0.3 / sum(one.weight for one in others)
    fixed = (
        [one.model_copy(update={"confidence": room}) for one in others]
        if room <= 1
        else [one.model_copy(update={"confidence": 1.0}) for one in others]
    )
    yes = council.count([*fixed, mine.model_copy(update={"vote": "approve"})], strategy="conservative")
    no = council.count([*fixed, mine.model_copy(update={"vote": "reject"})], strategy="conservative")
    assert (yes.outcome, no.outcome) == ("approve", "reject")


def test_a_proposal_that_is_sent_back_gets_one_revision_and_a_second_ballot() -> None:
    here = view()
    wild = proposal(here, lr=2e-6, dropout=0.8, batch_size=2, loss="focal")
    voted = view(proposals=(wild,))
    record = deciding.vote(voted, EXPLORE, None, outside=lambda one: [_against(one, vote) for vote in ("revise",) * 12])
    status = {one.proposal_id: one.status for one in record.proposals}
    assert status[wild.proposal_id] is ProposalStatus.REVISED
    assert f"{wild.proposal_id}-r" in status
    assert {one.round for one in record.ballots} == {1, 2}


def test_a_test_waits_until_it_can_be_paid_for_and_otherwise_says_not_known_yet() -> None:
    made, _ = campaign(hill, budget=StudyBudget(experiments=24, reserve_share=0.2))
    told = made.run()
    assert told["verdict"] == "not known yet"
    assert any(one.kind == "budget" and "not known yet" in one.why for one in made.memory.decisions)


def test_the_incumbents_fresh_values_serve_every_test_against_it() -> None:
    here = view()
    memory = Memory.of(Rehearsal(spec(), hill, noise_sd=0.01, flat=flat).study(), SPACE, dict(BASELINE))
    seeds = racing.confirm_seeds(here, memory)
    assert racing.cost(here, seeds) == 2 * len(seeds)
    made, _ = campaign(hill)
    made.measure_baseline()
    assert isinstance(made, Campaign)


def _against(proposal_id: str, vote: Any) -> Ballot:
    return Ballot(proposal_id=proposal_id, agent="visitor", vote=vote, confidence=1.0, reason="make it smaller", weight=10.0)
