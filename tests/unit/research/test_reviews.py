"""Ballots of the critics and of the executor: what each looks at, and what it leaves to others."""

import pytest

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint, Predicted
from arc.research.agents import critic, executor
from arc.research.view import Left
from tests.unit.research.studies import observed, proposal, view


def test_the_critic_rejects_what_is_outside_and_says_everything() -> None:
    here = view()
    ballot = critic.review(here, proposal(here, lr=2.0, loss="hinge"))
    assert (ballot.vote, ballot.confidence) == ("reject", 1.0)
    assert "lr" in ballot.reason
    assert "hinge" in ballot.reason


def test_the_critic_rejects_what_lies_in_a_learned_region() -> None:
    region = Constraint(
        id="lr.nan", param="lr", low=0.1, failure_class=FailureClass.NAN, support=3, trials=3, learned_at=5, expires_at=15
    )  # fmt: skip
    here = view(constraints=(region,))
    assert critic.review(here, proposal(here, lr=0.1)).vote == "reject"
    assert critic.review(here, proposal(here, lr=0.09)).vote == "approve"


def test_the_critic_sends_near_copies_back() -> None:
    here = view(observations=(observed(0.8, dropout=0.5),))
    assert critic.review(here, proposal(here, dropout=0.501)).vote == "revise"
    assert critic.review(here, proposal(here, dropout=0.9)).vote == "approve"


def test_the_critic_sends_back_what_takes_five_times_as_long_as_usual() -> None:
    here = view(observations=(observed(0.8, dropout=0.5),))  # 10 s
    assert critic.review(here, proposal(here, dropout=0.9).model_copy(update={"cost_s": 51.0})).vote == "revise"
    assert critic.review(here, proposal(here, dropout=0.9).model_copy(update={"cost_s": 49.0})).vote == "approve"


@pytest.mark.parametrize(("mean", "sd", "vote"), [(0.7, 0.01, "reject"), (0.7, 0.06, "approve"), (0.81, 0.001, "approve")])
def test_the_critic_rejects_what_the_world_model_gives_no_hope(mean: float, sd: float, vote: str) -> None:
    here = view(incumbent=0.8)
    assert critic.review(here, proposal(here, dropout=0.9), Predicted(mean=mean, sd=sd)).vote == vote


def test_the_second_critic_judges_by_neighbours_alone() -> None:
    nobody = view()
    assert critic.second_review(nobody, proposal(nobody, dropout=0.5)).vote == "approve"
    crashed = view(observations=tuple(observed(failure=FailureClass.NAN, dropout=at) for at in (0.5, 0.52)))
    assert critic.second_review(crashed, proposal(crashed, dropout=0.51)).vote == "reject"
    poor = view(observations=tuple(observed(0.5, dropout=at) for at in (0.5, 0.52)), incumbent=0.8)
    assert critic.second_review(poor, proposal(poor, dropout=0.51)).vote == "reject"
    fine = view(observations=tuple(observed(0.79, dropout=at) for at in (0.5, 0.52)), incumbent=0.8)
    assert critic.second_review(fine, proposal(fine, dropout=0.51)).vote == "approve"


def test_the_executor_counts_what_is_left() -> None:
    none = view(left=Left(experiments=0, confirmations=4))
    assert executor.review(none, proposal(none, dropout=0.5)).vote == "reject"
    short = view(observations=(observed(0.8),), left=Left(experiments=5, confirmations=9, compute_s=9.0))
    assert executor.review(short, proposal(short, dropout=0.5)).vote == "reject"
    enough = view(observations=(observed(0.8),), left=Left(experiments=5, confirmations=9, compute_s=11.0))
    assert executor.review(enough, proposal(enough, dropout=0.5)).vote == "approve"


def test_the_executor_rejects_whatever_is_no_smaller_than_what_ran_out_of_memory() -> None:
    here = view(observations=(observed(failure=FailureClass.OOM, batch_size=64),))
    assert executor.review(here, proposal(here, batch_size=64)).vote == "reject"
    assert executor.review(here, proposal(here, batch_size=100)).vote == "reject"
    assert executor.review(here, proposal(here, batch_size=63)).vote == "approve"
