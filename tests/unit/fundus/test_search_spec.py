"""The spaces of the fundus recipes: every name is a parameter of the recipe, and both ends of each range are taken by it."""

import random

import pytest

from arc import catalog
from arc.core.space import Choice
from arc.core.study import StudySpec
from arc.jobs.submit import validate_params
from arc.studies.asked import flat, nested

RECIPES = ["fundus.classify", "fundus.segment", "probe.objective"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_defaults_of_the_recipe_lie_in_its_space(name: str) -> None:
    spec = catalog.spec(name)
    assert spec.search is not None
    assert catalog.spec(spec.judged_by).purpose == "evaluate"
    assert spec.search.violations(flat(validate_params(spec, {}))) == []


@pytest.mark.parametrize("name", RECIPES)
def test_whatever_is_drawn_from_the_space_is_taken_by_the_recipe(name: str) -> None:
    spec, dice = catalog.spec(name), random.Random(5)
    assert spec.search is not None
    for _ in range(60):
        config = {}
        for parameter, of in spec.search.parameters.items():
            ends = of.values if isinstance(of, Choice) else (of.low, of.high)
            config[parameter] = dice.choice(ends)
        active = {parameter: config[parameter] for parameter in spec.search.active(config)}
        assert spec.search.violations(active) == []
        taken = flat(validate_params(spec, nested(active)))
        assert {parameter: taken[parameter] for parameter in active} == active


def test_learning_rate_is_lr_in_a_baseline() -> None:
    assert StudySpec(recipe="fundus.classify", baseline={"learning_rate": 0.01}).baseline == {"lr": 0.01}
