"""The council: the formula, the strategies, and that each agent's ballot can change the decision."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.proposal import Ballot
from arc.core.study import WEIGHTS
from arc.research.agents import council

VOTES = st.sampled_from(["approve", "revise", "reject", "abstain"])


def ballot(agent: str, vote: str, confidence: float = 1.0, weight: float | None = None) -> Ballot:
    given: Any = {"proposal_id": "p", "agent": agent, "vote": vote, "confidence": confidence, "reason": "because"}
    return Ballot(**given, weight=WEIGHTS[agent] if weight is None else weight)


def test_the_score_is_the_weighted_mean_of_the_votes() -> None:
    found = council.count(
        [ballot("director", "approve", 0.5), ballot("critic", "reject", 0.25), ballot("historian", "abstain")], strategy="conservative"
    )
    assert found.score == pytest.approx((2 * 0.5 - 2 * 0.25) / (2 * 0.5 + 2 * 0.25))
    assert found.ballots == 2


@pytest.mark.parametrize(("weight", "outcome"), [(0.2047, "approve"), (0.2049, "reject")])
def test_two_thirds_of_the_weight_approve_and_less_does_not(weight: float, outcome: str) -> None:
    cast = [ballot("critic", "approve", weight=0.5), ballot("director", "approve", weight=0.5), ballot("explorer", "reject", weight=weight)]
    assert council.count(cast, strategy="conservative").outcome == outcome


@pytest.mark.parametrize("cast", [[], [ballot("critic", "approve")], [ballot("critic", "approve"), ballot("historian", "abstain")]])
def test_fewer_than_two_ballots_reject(cast: list[Ballot]) -> None:
    assert council.count(cast, strategy="progressive").outcome == "reject"
    assert council.count(cast, strategy="progressive").rule == "C1"


def test_a_majority_for_revision_sends_back_once() -> None:
    cast = [ballot("critic", "revise"), ballot("director", "revise"), ballot("explorer", "approve")]
    assert council.count(cast, strategy="conservative").outcome == "revise"
    assert council.count(cast, strategy="conservative", second=True).outcome == "reject"


SPLIT = [
    ballot("supervisor", "approve", 0.95),
    ballot("director", "reject", 0.9),
    ballot("critic", "revise", 0.5),
    ballot("explorer", "approve", 0.3),
]


@pytest.mark.parametrize(
    ("strategy", "outcome"),
    [
        ("conservative", "reject"),
        ("weighted_majority", "approve"),
        ("supervisor_override", "approve"),
        ("director_override", "reject"),
        ("highest_confidence", "approve"),
        ("progressive", "approve"),
    ],
)
def test_a_contested_vote_is_settled_by_the_strategy_of_the_study(strategy: Any, outcome: str) -> None:
    found = council.count(SPLIT, strategy=strategy)
    assert found.contested
    assert found.outcome == outcome
    assert strategy in found.rule


@pytest.mark.parametrize(("strategy", "agent"), [("supervisor_override", "supervisor"), ("director_override", "director")])
def test_an_override_needs_to_be_sure(strategy: Any, agent: str) -> None:
    unsure = [one.model_copy(update={"confidence": 0.8, "vote": "approve"}) if one.agent == agent else one for one in SPLIT]
    unsure = [one.model_copy(update={"vote": "reject"}) if one.agent == "explorer" else one for one in unsure]
    assert council.count(unsure, strategy=strategy).outcome == "reject"


@pytest.mark.parametrize("agent", WEIGHTS)
def test_every_agent_can_tip_a_vote(agent: str) -> None:
    """With the others split so that one ballot matters, turning it turns the decision."""
    others = [name for name in WEIGHTS if name != agent]
    for_it, against = [ballot(name, "approve", 0.9) for name in others], ballot(others[0], "reject", 0.0)
    weight = 0.3 * sum(one.weight * 0.9 for one in for_it) / WEIGHTS[agent]  # as sure as it takes for this agent to matter
    sure = min(1.0, weight)
    scaled = [one.model_copy(update={"confidence": 0.9 * sure / weight}) for one in for_it]
    yes = council.count([*scaled, against, ballot(agent, "approve", sure)], strategy="conservative")
    no = council.count([*scaled, against, ballot(agent, "reject", sure)], strategy="conservative")
    assert (yes.outcome, no.outcome) == ("approve", "reject")


@given(st.lists(st.tuples(st.sampled_from(sorted(WEIGHTS)), VOTES, st.floats(0, 1)), max_size=9))
def test_the_score_stays_between_one_and_minus_one_and_order_changes_nothing(cast: list[tuple[str, str, float]]) -> None:
    given = [ballot(*one) for one in cast]
    found = council.count(given, strategy="weighted_majority")
    assert -1 - 1e-9 <= found.score <= 1 + 1e-9
    again = council.count(given[::-1], strategy="weighted_majority")
    assert again.outcome == found.outcome
    assert again.score == pytest.approx(found.score)
