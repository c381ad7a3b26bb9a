"""Input references: the text form and the parsed form are one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import InvalidSpec
from arc.core.inputs import InputRef, parse_input

name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True)
digest = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
refs = st.one_of(
    st.builds(
        InputRef,
        st.just("dataset"),
        name,
        version=st.one_of(st.none(), st.integers(1, 2**31 - 1)),
        accept=st.lists(name, unique=True, max_size=3).map(tuple),
    ),
    st.builds(InputRef, st.just("artifact"), digest),
    st.builds(InputRef, st.just("job"), name, output=name),
    st.builds(InputRef, st.just("path"), st.text(st.characters(exclude_characters="\0"), min_size=1)),
)


@given(refs)
def test_a_reference_round_trips(ref: InputRef) -> None:
    assert parse_input(str(ref), field="inputs.data") == ref


@given(st.text(max_size=100))
def test_any_text_is_a_reference_or_names_the_field(text: str) -> None:
    try:
        assert str(parse_input(text, field="inputs.data"))
    except InvalidSpec as error:
        assert error.field == "inputs.data"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hrf",
        ":",
        "dataset:",
        "dataset:hrf@",
        "dataset:hrf?",
        "dataset:hrf@1?accept=",
        "dataset:hrf@1?force=all",
        "dataset:hrf@1?accept=a,,b",
        "dataset:hrf@0",
        "dataset:hrf@-1",
        "dataset:hrf@2147483648",
        "dataset:hrf@99999999999999999999",
        "dataset:hrf@²",
        "dataset:../sealed",
        "artifact:abc",
        "artifact:" + "F" * 64,
        "job:job_1",
        "job:job_1/",
        "job:job_1/a/b",
        "path:",
        "path:a\0b",
        "http://example.org/x",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_input(text, field="inputs.data")
    assert caught.value.field == "inputs.data"
