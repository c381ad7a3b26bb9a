"""The supervisor: each rule at its edge."""

from typing import Any

import pytest

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint
from arc.core.space import Choice, Real, Space
from arc.research.agents import supervisor
from arc.research.view import Left, View
from tests.unit.research.studies import SPACE, proposal, view

OPEN = Space(parameters={"width": Real(low=0, high=1)})  # a study that says nothing of the parameters below


def open_view(**baseline: Any) -> View:
    return view(space=OPEN, baseline={"width": 0.5} | baseline)


@pytest.mark.parametrize(
    ("changes", "ids", "level"),
    [
        ({"lr": 0.0101}, ("S1", "S21"), "CRITICAL"),
        ({"lr": 0.01}, ("S21",), "MEDIUM"),
        ({"batch_size": 65}, ("S2",), "CRITICAL"),
        ({"batch_size": 64}, (), "LOW"),
        ({"epochs": 201}, ("S3",), "CRITICAL"),
        ({"epochs": 200}, (), "LOW"),
        ({"lr": 9e-7}, ("S11", "S21"), "HIGH"),
        ({"lr": 1e-6}, ("S21",), "MEDIUM"),
        ({"batch_size": 1}, ("S12",), "HIGH"),
        ({"dropout": 0.71}, ("S13",), "HIGH"),
        ({"dropout": 0.7}, (), "LOW"),
        ({"epochs": 2}, ("S14",), "HIGH"),
        ({"input_size": 1025}, ("S22",), "MEDIUM"),
        ({"lr": 1e-4}, (), "LOW"),
        ({"split": "sealed"}, ("S7",), "CRITICAL"),
    ],
)
def test_each_rule_holds_at_its_edge(changes: dict[str, Any], ids: tuple[str, ...], level: str) -> None:
    found = supervisor.judge(open_view(), proposal(open_view(), **changes))
    assert (found.rules, found.level) == (ids, level)


def test_bounds_give_way_where_the_study_allows_more() -> None:
    assert "S1" not in supervisor.judge(view(), proposal(view(), lr=0.5)).rules
    assert "S2" not in supervisor.judge(view(), proposal(view(), batch_size=128)).rules


def test_unknown_names_are_vetoed() -> None:
    named = view(space=Space(parameters=SPACE.parameters | {"optimizer": Choice(values=("adam", "sgd"))}))
    assert {"S4", "S9"} <= set(supervisor.judge(named, proposal(named, optimizer="lion")).rules)
    assert {"S5", "S9"} <= set(supervisor.judge(named, proposal(named, loss="luck")).rules)


def test_a_learned_region_and_an_empty_budget_are_vetoed() -> None:
    high = Constraint(id="lr.nan", param="lr", low=0.01, failure_class=FailureClass.NAN, support=3, trials=3, learned_at=3, expires_at=13)
    assert supervisor.judge(view(constraints=(high,)), proposal(view(), lr=0.02)).rules == ("S6", "S21")
    spent = view(left=Left(experiments=0, confirmations=9))
    found = supervisor.judge(spent, proposal(spent, lr=1e-4))
    assert found.vetoed
    assert found.rules == ("S8",)


@pytest.mark.parametrize(
    ("changes", "vote"), [({"lr": 0.02}, "reject"), ({"lr": 1e-7}, "revise"), ({"lr": 5e-3}, "approve"), ({"lr": 1e-4}, "approve")]
)
def test_the_ballot_follows_the_level(changes: dict[str, Any], vote: str) -> None:
    here = open_view()
    made = proposal(here, **changes)
    assert supervisor.review(here, made, supervisor.judge(here, made)).vote == vote
