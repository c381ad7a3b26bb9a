"""Cursors, page sizes and moments: what goes in comes out, and nothing else comes in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from arc.core.errors import InvalidSpec
from arc.store.nouns import check_limit, decode_cursor, encode_cursor
from arc.store.tables import Moment

_PART = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1, max_size=100)


@given(st.lists(_PART, min_size=1, max_size=3))
def test_a_cursor_says_where_the_next_page_starts(parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(*parts), parts=len(parts)) == parts


@given(st.text(max_size=700))
def test_any_other_text_is_refused_or_a_cursor_itself(text: str) -> None:
    try:
        found = decode_cursor(text, parts=1)
    except InvalidSpec as refused:
        assert refused.field == "cursor"
    else:
        assert encode_cursor(*found) == text


@pytest.mark.parametrize("text", ["", "=", "YQ==", "Y Q", "YQ\n", "YR", "\ud800", "AA", "_w"])
def test_what_a_decoder_might_forgive_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec):
        decode_cursor(text, parts=1)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        decode_cursor(encode_cursor(1, "exp_1"), parts=1)


@pytest.mark.parametrize("limit", [1, 50, 1000])
def test_a_page_size_within_bounds_is_taken(limit: int) -> None:
    assert check_limit(limit) == limit


@pytest.mark.parametrize("limit", [-(2**70), -1, 0, 1001, 2**70])
def test_a_page_size_out_of_bounds_is_named(limit: int) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check_limit(limit)
    assert refused.value.field == "limit"


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_kept_to_the_microsecond_whatever_its_zone(moment: datetime, offset: int) -> None:
    column, dialect = Moment(), sqlite.dialect()
    try:
        elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))
    except OverflowError:  # the first and the last day of the calendar
        elsewhere = moment
    kept = column.process_bind_param(elsewhere, dialect)
    assert kept == column.process_bind_param(moment, postgresql.dialect())
    assert column.process_result_value(kept, dialect) == moment


def test_no_moment_is_kept_as_none() -> None:
    assert Moment().process_bind_param(None, sqlite.dialect()) is None
    assert Moment().process_result_value(None, sqlite.dialect()) is None
