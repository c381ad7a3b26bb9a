"""Small texts: durations, ages, numbers, and text that cannot steer a terminal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.cli.output import age, number, printable, seconds, sentence
from arc.core.errors import InvalidSpec


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (245, "4:05"), (7380, "2:03:00"), (-1, "0 s")]
)
def test_durations(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("passed", "text"), [(5, "5 s"), (119, "1 min"), (7200, "2 h"), (200_000, "2 d"), (-5, "0 s")])
def test_ages(passed: float, text: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age(now - timedelta(seconds=passed), now) == text


@pytest.mark.parametrize(("value", "text"), [(0.123456, "0.1235"), (3, "3"), (True, "True"), (None, ""), ("x", "x")])
def test_numbers(value: object, text: str) -> None:
    assert number(value) == text


@given(st.text())
def test_no_control_character_is_printed(text: str) -> None:
    assert all(sign in "\n\t" or sign.isprintable() for sign in printable(text))


def test_an_error_names_its_field_once() -> None:
    assert sentence(InvalidSpec("lr must be positive", field="params.lr")) == "lr must be positive"
    assert sentence(InvalidSpec("must be positive", field="params.lr")) == "params.lr: must be positive"
