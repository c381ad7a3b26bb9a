"""Jobs, requests, priorities and roles as a caller meets them."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from arc.core.access import Role
from arc.core.job import JobRequest, Priority, RetryPolicy
from arc.core.recipe import Needs, RecipeSpec


class Params(BaseModel):
    """No parameters."""


def test_priorities_are_ordered_from_most_urgent() -> None:
    assert sorted(Priority, key=lambda priority: priority.rank) == [Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW]


def test_roles_contain_each_other() -> None:
    assert Role.VIEWER.rank < Role.OPERATOR.rank < Role.ADMIN.rank


def test_a_request_needs_a_recipe_alone() -> None:
    request = JobRequest(recipe="fundus.classify")
    assert (request.priority, request.max_retries, request.retry_delay_seconds, request.auto_resume) == ("NORMAL", 3, 60.0, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipe": ""},
        {"max_retries": True},
        {"max_retries": "3"},
        {"max_retries": -1},
        {"timeout_seconds": float("nan")},
        {"timeout_seconds": 0},
        {"priority": "URGENT"},
        {"seed": 2**32},
        {"epochs": 3},
    ],
)
def test_a_wrong_field_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate({"recipe": "fundus.classify", **wrong})
    assert caught.value.errors()[0]["loc"][0] == next(iter(wrong))


def test_a_noun_is_frozen() -> None:
    with pytest.raises(ValidationError):
        RetryPolicy().max_retries = 9  # type: ignore[misc]


@pytest.mark.parametrize(("purpose", "expected"), [("train", True), ("evaluate", False), ("data", False), ("figure", False)])
def test_training_makes_an_experiment(purpose: Any, expected: bool) -> None:
    spec = RecipeSpec(name="x.y", version="1", params=Params, title="X", purpose=purpose)
    assert spec.makes_experiment is expected
    assert spec.needs == Needs()
