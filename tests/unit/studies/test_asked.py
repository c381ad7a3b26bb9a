"""Dotted names and nested params say the same; a search begins somewhere even where the recipe leaves a value open."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc import catalog
from arc.core.errors import InvalidSpec
from arc.core.space import Choice, Integer, Real, Space
from arc.core.study import StudySpec
from arc.jobs.submit import validate_params
from arc.studies.asked import begun, flat, judged, nested

NAMES = st.text(alphabet="abc_", min_size=1, max_size=3)
LEAVES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4), st.lists(st.integers(), max_size=2))
PARAMS = st.recursive(
    st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3), lambda deeper: st.dictionaries(NAMES, deeper | LEAVES, min_size=1, max_size=3)
)


@given(PARAMS)
def test_flat_and_nested_undo_each_other(params: dict[str, Any]) -> None:
    assert nested(flat(params)) == params
    assert nested(params) == params


def test_names_may_be_dotted_or_nested_and_not_both_a_value_and_an_object() -> None:
    assert nested({"augmentation.flip.probability": 0.5, "lr": 0.1}) == {"augmentation": {"flip": {"probability": 0.5}}, "lr": 0.1}
    with pytest.raises(InvalidSpec) as refused:
        nested({"lr": 0.1, "lr.low": 0.2})
    assert refused.value.field == "baseline.lr.low"


def test_an_open_value_begins_in_the_middle_of_its_range() -> None:
    recipe = catalog.spec("fundus.classify")
    params = validate_params(recipe, {})
    assert params["batch_size"] is None
    space = Space(parameters={"batch_size": Integer(low=2, high=128, log=True), "lr": Real(low=1e-4, high=1e-1, log=True)})
    assert begun(params, space) | {"batch_size": None} == params
    assert begun(params, space)["batch_size"] == 16
    assert begun(params, Space(parameters={"focal_alpha": Real(low=0.2, high=0.4)}))["focal_alpha"] == pytest.approx(0.3)
    assert begun(params, Space(parameters={"batch_size": Choice(values=(8, 32))}))["batch_size"] == 8
    for name in ("no_such", "lr.deeper", "augmentation.no_such"):
        with pytest.raises(InvalidSpec) as refused:
            begun(params, Space(parameters={name: Real(low=0, high=1)}))
        assert refused.value.field == f"space.parameters.{name}"


def test_a_study_is_judged_on_val_and_never_on_the_sealed_patients() -> None:
    judge = catalog.spec("fundus.evaluate")
    assert judged(judge, StudySpec(recipe="fundus.classify")) == {"split": "val"}
    assert judged(judge, StudySpec(recipe="fundus.classify", evaluate={"confidence": 0.9})) == {"confidence": 0.9, "split": "val"}
    with pytest.raises(InvalidSpec) as refused:
        judged(judge, StudySpec(recipe="fundus.classify", evaluate={"split": "sealed"}))
    assert refused.value.field == "evaluate.split"
    assert judged(catalog.spec("probe.judge"), StudySpec(recipe="probe.objective")) == {}
