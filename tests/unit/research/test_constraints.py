"""Learned constraints: on the right side of the failures, let go of, tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint, Observation
from arc.research import constraints
from tests.unit.research.studies import BASELINE, observed, view

NAN, OOM = FailureClass.NAN, FailureClass.OOM
HIGH_LR = [observed(failure=NAN, lr=lr) for lr in (0.2, 0.3, 0.5)]
FINE = [observed(0.8, lr=lr) for lr in (1e-5, 1e-4, 1e-3, 1e-2, 5e-2)]


def learned(observations: list[Observation]) -> list[Constraint]:
    return constraints.learn(view(observations=tuple(observations)))


def test_high_values_that_failed_are_forbidden_from_the_first_failure_on_and_never_below() -> None:
    """The classic mistake: {param: lr, max: .01} read as "forbid up to .01", which forbids everything that works."""
    (found,) = learned([*HIGH_LR, *FINE])
    assert (found.param, found.low, found.high, found.support) == ("lr", 0.2, None, 3)
    assert all(not found.forbids(one.config) for one in FINE)
    assert all(found.forbids(one.config) for one in HIGH_LR)
    assert found.forbids(BASELINE | {"lr": 0.9})
    assert not found.forbids(BASELINE | {"lr": 0.199})


def test_low_values_that_failed_are_forbidden_up_to_the_last_failure() -> None:
    (found,) = learned(
        [*(observed(failure=NAN, dropout=one) for one in (0.0, 0.05, 0.1)), *(observed(0.8, dropout=one) for one in (0.3, 0.4, 0.5, 0.6))]
    )
    assert (found.param, found.low) == ("dropout", None)
    assert found.forbids(BASELINE | {"dropout": 0.1})
    assert not found.forbids(BASELINE | {"dropout": 0.11})


def test_a_value_of_a_choice_is_forbidden_alone() -> None:
    (found,) = learned([*(observed(failure=NAN, loss="dice", lr=1e-3) for _ in range(3)), *(observed(0.8, loss="focal") for _ in range(5))])
    assert found.values == ("dice",)
    assert not found.forbids(BASELINE)


@pytest.mark.parametrize(
    "observations",
    [
        [*HIGH_LR[:2], *FINE],  # two failures are an accident
        [*(one.model_copy(update={"blamed": False}) for one in HIGH_LR), *FINE],  # the machine's fault
        [*HIGH_LR, *(observed(0.8, lr=lr) for lr in (0.25, 0.35, 0.6, 0.7))],  # as many went well there
        HIGH_LR,  # nothing outside to compare with
        [HIGH_LR[0], observed(failure=OOM, lr=0.3), observed(failure=FailureClass.EXCEPTION, lr=0.5), *FINE],  # three different causes
    ],
)
def test_too_little_evidence_teaches_nothing(observations: list[Observation]) -> None:
    assert learned(observations) == []


def test_it_runs_out_is_probed_and_confirmed_for_longer_or_dropped() -> None:
    (region,) = learned([*HIGH_LR, *FINE])
    assert constraints.expire([region], 8 + constraints.LIFE - 1) == []
    (old,) = constraints.expire([region], 8 + constraints.LIFE)
    assert not old.forbids(HIGH_LR[0].config)
    assert constraints.probe_of(view(), old) == {"lr": 0.2}
    again = constraints.settle(old, observed(failure=NAN, lr=0.2), 20)
    assert again is not None
    assert (again.state, again.support, again.expires_at) == ("confirmed", 4, 20 + 2 * constraints.LIFE)
    dropped = constraints.settle(old, observed(0.8, lr=0.2), 20)
    assert dropped is not None
    assert dropped.state == "dropped"
    assert constraints.settle(old, observed(failure=FailureClass.LOST, blamed=False, lr=0.2), 20) is None


@given(st.lists(st.tuples(st.floats(1e-6, 1.0), st.booleans()), max_size=30))
def test_no_region_holds_more_successes_than_a_third_of_its_failures(runs: list[tuple[float, bool]]) -> None:
    observations = [observed(failure=NAN, lr=lr) if failed else observed(0.8, lr=lr) for lr, failed in runs]
    for region in learned(observations):
        inside = [one for one in observations if region.forbids(one.config)]
        failed = sum(one.status == "failed" for one in inside)
        assert failed >= constraints.SUPPORT
        assert failed >= constraints.MOSTLY * len(inside)
        assert len(inside) < len(observations)
