"""An error of the other side arrives as the class that was raised there."""

import pytest

from arc.client.problems import problem
from arc.core import errors
from arc.core.errors import ArcError, InvalidSpec, PermanentError, ServiceDown, TemporaryError


@pytest.mark.parametrize("cls", errors.all_errors())
def test_every_class_of_the_tree_comes_back_as_itself(cls: type[ArcError]) -> None:
    body = {"code": cls.__name__, "title": "t", "status": cls.status, "detail": "lr is wrong", "field": "lr", "value": -1}
    found = problem(cls.status, body)
    assert type(found) is cls
    assert (found.message, found.field, found.value) == ("lr is wrong", "lr", -1)


def test_the_delay_of_a_temporary_error_is_the_one_the_server_named() -> None:
    found = problem(503, {"code": "BackendBusy"}, retry_after="17")
    assert isinstance(found, TemporaryError)
    assert found.delay_s == 17


@pytest.mark.parametrize(("body", "status", "cls"), [(None, 502, ServiceDown), ([1], 422, InvalidSpec), ({}, 500, PermanentError)])
def test_an_answer_that_is_no_problem_is_sorted_by_status(body: object, status: int, cls: type[ArcError]) -> None:
    found = problem(status, body)
    assert type(found) is cls
    assert str(status) in found.message
