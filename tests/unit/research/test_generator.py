"""The config generator: what a proposal's changes make of the baseline, or every reason why they cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import FailureClass
from arc.core.errors import InvalidSpec
from arc.core.proposal import Constraint
from arc.core.space import Choice, Real, Space, When
from arc.research import generator
from tests.unit.research.studies import BASELINE, SPACE

HIGH_LR = Constraint(
    id="lr.nan", param="lr", low=0.01, failure_class=FailureClass.NAN, support=3, trials=3, learned_at=5, expires_at=15
)  # fmt: skip
NESTED = Space(
    parameters={
        "loss": Choice(values=("focal", "cross_entropy")),
        "gamma": Real(low=0.0, high=5.0, when=When(name="loss", values=("focal",))),
        "augmentation.flip.probability": Real(low=0.0, high=1.0),
    }
)


def refused(**changes: object) -> str:
    with pytest.raises(InvalidSpec) as caught:
        generator.generate(SPACE, BASELINE, changes, constraints=[HIGH_LR])
    return str(caught.value)


def test_changes_are_merged_into_the_baseline_and_nothing_else_moves() -> None:
    assert generator.generate(SPACE, BASELINE, {"dropout": 0.5}) == BASELINE | {"dropout": 0.5}


def test_learning_rate_is_lr() -> None:
    assert generator.generate(SPACE, BASELINE, {"learning_rate": 1e-4}) == BASELINE | {"lr": 1e-4}
    with pytest.raises(InvalidSpec, match="given two values"):
        generator.generate(SPACE, BASELINE, {"learning_rate": 1e-4, "lr": 1e-3})


def test_every_violation_is_listed_at_once() -> None:
    said = refused(lr=0.5, dropout=0.95, loss="hinge", batch_size=2.5, wings=2)
    for words in ("dropout = 0.95", "'hinge'", "batch_size = 2.5", "wings is no parameter", "lr from 0.01 on failed as nan"):
        assert words in said


def test_a_learned_region_is_refused_from_its_bound_on_and_not_below() -> None:
    assert "lr from 0.01 on" in refused(lr=0.01)
    assert generator.generate(SPACE, BASELINE, {"lr": 0.00999}, constraints=[HIGH_LR])["lr"] == 0.00999


def test_what_does_not_exist_under_the_other_values_is_refused_or_dropped() -> None:
    start = {"loss": "focal", "gamma": 2.0, "augmentation.flip.probability": 0.5}
    assert "gamma" not in generator.generate(NESTED, start, {"loss": "cross_entropy"})
    with pytest.raises(InvalidSpec, match="gamma does not exist when loss is not focal"):
        generator.generate(NESTED, start, {"loss": "cross_entropy", "gamma": 1.0})


def test_dotted_names_become_nested_params_and_the_base_is_left_alone() -> None:
    base = {"epochs": 3, "augmentation": {"flip": {"probability": 0.5, "strength": 1.0}}}
    made = generator.params({"augmentation.flip.probability": 0.9}, base)
    assert made == {"epochs": 3, "augmentation": {"flip": {"probability": 0.9, "strength": 1.0}}}
    assert base["augmentation"] == {"flip": {"probability": 0.5, "strength": 1.0}}
    assert generator.at(made, "augmentation.flip.probability") == 0.9
    assert generator.at(made, "augmentation.rotate.probability") is None


@given(
    st.dictionaries(
        st.sampled_from([*SPACE.parameters, "wings"]), st.one_of(st.floats(), st.integers(), st.text(max_size=8), st.booleans()), max_size=5
    )
)
def test_what_comes_out_is_within_the_space_or_nothing_comes_out(changes: dict[str, object]) -> None:
    try:
        made = generator.generate(SPACE, BASELINE, changes, constraints=[HIGH_LR])
    except InvalidSpec:
        return
    assert set(made) == set(SPACE.parameters)
    assert SPACE.violations(made) == []
    assert not HIGH_LR.forbids(made)
