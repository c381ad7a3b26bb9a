"""The error tree: what is drawn in the module is what the classes say, and nobody forgot a mapping."""

import re

import pytest

from arc.core import errors
from arc.core.errors import ArcError, CallerError, Cancelled, PermanentError, TemporaryError, all_errors

TREE = [cls for cls in all_errors() if cls.__module__ == "arc.core.errors"]


@pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
def test_each_class_has_a_status_an_exit_code_and_a_decision(cls: type[ArcError]) -> None:
    assert 400 <= cls.status < 600
    assert 1 <= cls.exit_code < 64
    assert cls.decision in ("retry", "fail", "cancel")
    if issubclass(cls, CallerError):
        assert (cls.status < 500, cls.exit_code, cls.decision) == (True, 2, "fail")
    if issubclass(cls, TemporaryError):
        assert (cls.status in (503, 507), cls.exit_code, cls.decision) == (True, 3, "retry")
    if issubclass(cls, PermanentError):
        assert (cls.status, cls.decision) == (500, "fail")
    if issubclass(cls, Cancelled):
        assert cls.decision == "cancel"


@pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
def test_the_docstring_is_the_default_message(cls: type[ArcError]) -> None:
    error = cls()
    assert error.message == str(error) == (cls.__doc__ or "").strip().splitlines()[0]
    assert error.kind == cls.__name__
    assert (error.field, error.value) == (None, None)


def test_the_drawing_names_every_class_with_its_status() -> None:
    drawing = errors.__doc__ or ""
    for cls in TREE:
        assert re.search(rf"\b{cls.__name__}\b", drawing), cls
    for name, status in re.findall(r"(\w+) (\d{3})\b", drawing):
        if hasattr(errors, name):
            assert getattr(errors, name).status == int(status), name


def test_an_error_says_field_and_value() -> None:
    error = errors.InvalidSpec("epochs must be positive", field="epochs", value=-1)
    assert (str(error), error.field, error.value) == ("epochs must be positive", "epochs", -1)


def test_a_temporary_error_says_when_to_come_back() -> None:
    assert errors.StoreBusy().delay_s == 5.0
    assert errors.BackendBusy("full", delay_s=60).delay_s == 60
