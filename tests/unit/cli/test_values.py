"""What a value on the command line is taken for."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.cli.values import pairs, params, scalar
from arc.core.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5", 5),
        ("-2", -2),
        (".5", 0.5),
        ("2.", 2.0),
        ("0x10", 16),
        ("017", 17),
        ("true", True),
        ("null", None),
        ("small_cnn", "small_cnn"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("#5", "#5"),
        ("", ""),
        ("a: b", "a: b"),
        ('"5"', "5"),
        ("[1, 1e-3, no, {a: .5}]", [1, 0.001, "no", {"a": 0.5}]),
    ],
)
def test_values_have_the_types_of_yaml_1_2(text: str, value: Any) -> None:
    found = params([f"x={text}"])["x"]
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_prints_is_read_back(value: float) -> None:
    assert scalar(repr(value)) == value


@given(st.text(max_size=50))
def test_no_text_is_a_surprise(text: str) -> None:
    found = scalar(text)
    assert found is None or isinstance(found, str | int | float)
    assert not isinstance(found, float) or math.isfinite(found)


@given(st.text(max_size=50))
def test_brackets_are_read_or_refused_by_name(text: str) -> None:
    try:
        found = params([f"x=[{text}"])
    except InvalidSpec as error:
        found = {str(error.field): None}
    assert list(found) == ["x"]


@pytest.mark.parametrize(("texts", "said"), [(["lr"], "not name=value"), (["=5"], "not name=value"), (["a=1", "a=2"], "twice")])
def test_what_is_no_pair_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        pairs(texts, option="-p")


def test_a_deep_nest_is_refused_and_not_a_crash() -> None:
    with pytest.raises(InvalidSpec):
        params(["x=" + "[" * 5000])
