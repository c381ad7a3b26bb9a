"""The journal codec: what an attempt writes comes back; what nobody should write is BadData, never worse."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.core.journal import below, decode, encode, finite

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
number = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
AT = 1_790_000_000.25


@given(st.integers(0, 2**40), st.dictionaries(text, st.one_of(st.none(), number), max_size=8))
def test_metrics_round_trip(step: int, values: dict[str, float | None]) -> None:
    line = encode("metrics", s=step, v=values, at=AT)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == {"k": "metrics", "s": step, "v": values, "at": AT}


@given(text, st.dictionaries(text, st.one_of(text, number, st.booleans(), st.none()), max_size=8))
def test_log_round_trips(event: str, fields: dict[str, Any]) -> None:
    assert decode(encode("log", event=event, level="info", fields=fields, at=AT))["fields"] == fields


@given(st.floats())
def test_a_number_that_is_not_finite_becomes_null(value: float) -> None:
    written = decode(encode("metrics", s=0, v={"loss": value}, at=AT))["v"]["loss"]
    assert written == (value if math.isfinite(value) else None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"{",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"k":"heartbeat"}',
        b'{"k":"heartbeat","at":"now"}',
        b'{"k":"heartbeat","at":true}',
        b'{"k":"heartbeat","at":NaN}',
        b'{"k":"heartbeat","at":1e999}',
        b'{"k":"heartbeat","at":1e300}',
        b'{"k":"heartbeat","at":-1}',
        b'{"k":"heartbeat","at":1,"path":5}',
        b'{"k":["heartbeat"],"at":1}',
        b'{"k":"sudo","at":1}',
        b'{"k":"metrics","at":1,"s":true,"v":{}}',
        b'{"k":"metrics","at":1,"s":NaN,"v":{}}',
        b'{"k":"metrics","at":1,"s":1,"v":[1]}',
        b'{"k":"metrics","at":1,"s":1,"v":{"loss":1e999}}',
        b'{"k":"metrics","at":1,"s":1,"v":{"loss":1' + b"0" * 400 + b"}}",
        b'{"k":"metrics","at":1,"s":1' + b"0" * 5000 + b',"v":{}}',
        b'{"k":"progress","at":1,"done":1,"unit":"step","values":{},"of":1' + b"0" * 400 + b"}",
        b'{"k":"artifact","at":1,"name":"a","kind":"log","path":"../a","digest":"x","size":1}',
        b'{"k":"artifact","at":1,"name":"a","kind":"log","path":"/etc/passwd","digest":"x","size":1}',
        b'{"k":"artifact","at":1,"name":"a","kind":"log","path":"a","digest":"x","size":9223372036854775808}',
        b'{"k":"log","at":1,"event":"e","level":"info","fields":' + b'{"a":' * 300 + b"1" + b"}" * 301,
    ],
)
def test_a_hostile_line_is_bad_data(line: bytes) -> None:
    with pytest.raises(BadData):
        decode(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(line: bytes) -> None:
    try:
        assert isinstance(decode(line), dict)
    except BadData as error:
        assert error.field


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=10,
)


@given(
    st.sampled_from(["started", "phase", "progress", "metrics", "checkpoint", "artifact", "heartbeat", "log", "outcome"]),
    st.dictionaries(
        st.sampled_from(
            [
                "at",
                "pid",
                "name",
                "done",
                "of",
                "unit",
                "values",
                "s",
                "v",
                "step",
                "path",
                "digest",
                "size",
                "keep",
                "kind",
                "event",
                "level",
                "fields",
                "status",
            ]
        ),
        json_values,
    ),
)
def test_any_object_of_a_known_kind_is_read_or_refused(kind: str, fields: dict[str, Any]) -> None:
    line = json.dumps({"at": AT, **fields, "k": kind}).encode()
    try:
        entry = decode(line)
    except BadData:
        return
    assert entry["k"] == kind
    json.dumps(finite(entry), ensure_ascii=False).encode()  # what was accepted can be stored as text


def test_text_that_no_database_takes_is_replaced() -> None:
    entry = decode(b'{"k":"log","at":1,"event":"a\\u0000b\\ud800","level":"info","fields":{"\\u0000":"\\udfff"}}')
    assert entry["event"] == "a�b?"
    assert entry["fields"] == {"�": "?"}


@pytest.mark.parametrize("path", ["a", "a/b.txt", "./a", "a/../b".replace("../", "")])
def test_a_path_below_the_folder_is_kept(path: str) -> None:
    assert below(path) == path


@pytest.mark.parametrize("path", ["", ".", "/", "/a", "..", "a/../b", "../a", "a/..", "a\0b"])
def test_a_path_that_leaves_the_folder_is_refused(path: str) -> None:
    with pytest.raises(BadData):
        below(path)


def test_finite_reaches_every_depth() -> None:
    assert finite({"a": [1.0, (math.nan, {"b": -math.inf})], 1: "x"}) == {"a": [1.0, [None, {"b": None}]], "1": "x"}
