"""The director: modes follow from measured results, beyond noise, each by a rule with an id."""

from typing import Any

import pytest

from arc.research.agents import director
from arc.research.view import Directive
from tests.unit.research.studies import observed, proposal, spec, view

STAGNANT = tuple(observed(0.79) for _ in range(5))


def rule(**changes: Any) -> str:
    return director.direct(view(**changes)).rule


def test_the_first_cycles_explore() -> None:
    assert director.direct(view(3)).rule == "D1"
    assert director.direct(view(3)).slots == {"exploit": 1, "explore": 2, "wildcat": 0}


def test_a_step_forward_beyond_noise_is_exploited() -> None:
    found = director.direct(view(observations=(observed(0.84),)))
    assert (found.mode, found.rule, found.slots["exploit"]) == ("exploit", "D3", 3)


def test_a_gain_within_noise_is_no_step_forward() -> None:
    assert rule(observations=(observed(0.815),)) == "D6"


def test_standing_still_explores_and_a_second_time_recovers() -> None:
    first = director.direct(view(observations=STAGNANT))
    assert (first.mode, first.rule, first.slots["wildcat"]) == ("explore", "D4", 1)
    again = director.direct(view(observations=STAGNANT, directives=(first,)))
    assert (again.mode, again.rule) == ("recover", "D5")
    assert again.slots == {"exploit": 3, "explore": 0, "wildcat": 0}


def test_results_that_fall_beyond_noise_recover() -> None:
    falling = tuple(observed(0.8) for _ in range(5)) + tuple(observed(0.7) for _ in range(5))
    assert rule(observations=falling) == "D2"


def test_less_is_better_where_the_study_says_so() -> None:
    low = spec(objective={"metric": "auc", "direction": "min"})
    assert rule(spec=low, observations=(observed(0.7),)) == "D3"
    assert rule(spec=low, observations=(observed(0.9),)) == "D6"


@pytest.mark.parametrize(("value", "expected"), [(0.805, "D6"), (0.815, "D3")])
def test_plain_thresholds_take_the_place_of_the_noise(value: float, expected: str) -> None:
    assert rule(spec=spec(plain_thresholds=(0.01, 0.05)), observations=(observed(value),)) == expected


def test_failures_and_confirmations_are_no_results() -> None:
    confirmed = observed(0.9).model_copy(update={"use": "confirm"})
    assert rule(observations=(confirmed,)) == "D6"


def test_what_the_cycle_has_no_slot_for_is_sent_back() -> None:
    only_exploit = Directive("recover", director.EXPLOIT, "a test", "D5")
    wild = proposal(view(), lr=1e-2, dropout=0.5, loss="focal")
    assert director.review(view(), wild, only_exploit).vote == "revise"
    assert director.review(view(), proposal(view(), lr=1e-2), only_exploit).vote == "approve"
