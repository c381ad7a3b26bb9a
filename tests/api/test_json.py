"""Strict JSON: what is refused before a model sees it, and that everything else arrives unchanged."""

import json as stdlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.api import json
from arc.core.errors import CallerError

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_text, inner, max_size=5),
    max_leaves=30,
)


@given(_values, st.booleans())
def test_whatever_is_strict_json_arrives_unchanged(value: Any, ascii_only: bool) -> None:
    assert json.parse(stdlib.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    try:
        json.parse(body)
    except CallerError as error:
        assert error.field == "body"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"   ", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b"[-1e999999]", "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "twice"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
        (b'["a\\u0000b"]', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'["\x00"]', "not JSON"),
        (b'["\n"]', "not JSON"),
        (b"\xff\xfe[\x001\x00]\x00", "UTF-8"),
        ('["é"]'.encode("latin-1"), "UTF-8"),
        (b'["\xed\xa0\x80"]', "UTF-8"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        (b"[" * 200_000 + b"]" * 200_000, "deeper"),
        (b"[" + b"9" * 5000 + b"]", "cannot be read"),
        (b'{"' + b"k" * 2000 + b'": 1}', "key is longer"),
        (b"[1] [2]", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[01]", "not JSON"),
        (b"[1,]", "not JSON"),
    ],
)
def test_what_is_refused_is_named(body: bytes, why: str) -> None:
    with pytest.raises(CallerError) as caught:
        json.parse(body)
    assert why in caught.value.message
    assert caught.value.status == 400


def test_a_byte_order_mark_and_depth_up_to_the_limit_are_fine() -> None:
    assert json.parse(b'\xef\xbb\xbf{"a": [1]}') == {"a": [1]}
    assert json.parse(b"[" * json.MAX_DEPTH + b"]" * json.MAX_DEPTH)
    assert json.parse(b'["\\ud83d\\ude00 \\u00e9"]') == ["😀 é"]
