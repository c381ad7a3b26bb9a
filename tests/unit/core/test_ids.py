"""Identifiers sort by age; names are fit for folders, rows and URLs."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.clock import SystemClock, from_unix, unix
from arc.core.errors import InvalidSpec
from arc.core.ids import check_name, new_id


class At:
    """A clock that stands still."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0


moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, st.integers(1, 10**9))
def test_an_older_id_sorts_first(moment: datetime, later_ms: int) -> None:
    first = new_id("job", At(moment))
    second = new_id("job", At(moment + timedelta(milliseconds=later_ms)))
    assert first < second


def test_ids_made_in_one_millisecond_differ() -> None:
    clock = At(datetime(2026, 1, 1, tzinfo=UTC))
    assert len({new_id("job", clock) for _ in range(1000)}) == 1000


def test_an_id_is_itself_a_name() -> None:
    made = new_id("exp")
    assert made.startswith("exp_")
    assert check_name(made, field="id") == made


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_an_accepted_name_is_one_harmless_path_segment(name: str) -> None:
    try:
        check_name(name, field="name")
    except InvalidSpec:
        assert ".." in name
    else:
        assert quote(name, safe="") == name
        assert PurePosixPath("root", name).parent == PurePosixPath("root")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-rf", ".hidden", "a..b", "a b", "a\n", "ä", "a\0", "x" * 129])
def test_other_names_are_refused_with_field_and_value(name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        check_name(name, field="dataset_name")
    assert caught.value.field == "dataset_name"
    assert caught.value.value == name[:80]


@given(st.text(max_size=200))
def test_any_text_is_accepted_or_refused_never_worse(text: str) -> None:
    try:
        assert check_name(text, field="f") == text
    except InvalidSpec as error:
        assert error.field == "f"


@given(st.floats(0, 4e9))
def test_unix_time_round_trips_to_the_microsecond(seconds: float) -> None:
    assert abs(unix(from_unix(seconds)) - seconds) < 1e-6


def test_the_system_clock_is_aware_and_its_monotonic_never_falls() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
