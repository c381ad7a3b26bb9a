"""Curves against a plain list: whatever the batches and the attempts, the same points come back."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.store import jobs, metrics
from arc.store.engine import Store
from arc.testing.clock import FakeClock
from arc.testing.store_values import job

Points = list[tuple[float, float | None]]

_VALUE = st.one_of(st.none(), st.floats(-1e9, 1e9, allow_nan=False))
_ATTEMPT = st.tuples(st.integers(0, 50), st.lists(_VALUE, min_size=1, max_size=30))  # first step, and a value a step


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder: Path = tmp_path_factory.mktemp("store")
    opened = Store.open(f"sqlite:///{folder}/arc.db", clock=FakeClock())
    yield opened
    opened.close()


def _fresh(store: Store) -> str:
    with store.write() as tx:
        name = f"job_{sum(jobs.counts(tx).values())}"
        jobs.insert(tx, job(name))
    return name


def _report(store: Store, job_id: str, attempt: int, points: Points) -> None:
    with store.write() as tx:
        metrics.append(tx, job_id=job_id, attempt=attempt, points={"loss": [(step, value, 0.0) for step, value in points]})


def _curve(store: Store, job_id: str, max_points: int = 100_000) -> metrics.Curve:
    with store.read() as tx:
        return metrics.curve(tx, job_id, "loss", max_points=max_points)


@given(st.lists(_ATTEMPT, min_size=1, max_size=4))
def test_later_attempts_go_on_from_their_first_step(store: Store, attempts: list[tuple[int, list[float | None]]]) -> None:
    job_id, expected = _fresh(store), Points()
    for number, (first, values) in enumerate(attempts, start=1):
        points: Points = [(float(first + i), value) for i, value in enumerate(values)]
        _report(store, job_id, number, points)
        expected = [point for point in expected if point[0] < first] + points
    found = _curve(store, job_id)
    assert list(zip(found.steps, found.values, strict=True)) == expected
    with store.read() as tx:
        newest = attempts[-1][1][-1]
        assert metrics.last(tx, job_id) == ({} if newest is None else {"loss": newest})


@given(st.lists(st.integers(1, 1500), min_size=1, max_size=5))
def test_it_does_not_matter_how_points_come_in_batches(store: Store, sizes: list[int]) -> None:
    job_id = _fresh(store)
    edges = [0, *(sum(sizes[: i + 1]) for i in range(len(sizes)))]
    for first, last in pairwise(edges):
        _report(store, job_id, 1, [(float(step), float(-step)) for step in range(first, last)])
    found = _curve(store, job_id)
    assert found.steps == [float(step) for step in range(edges[-1])]
    assert found.values == [-step for step in found.steps]


@given(st.lists(_VALUE, min_size=1, max_size=200), st.integers(3, 60))
def test_a_short_curve_is_made_of_points_of_the_long_one(store: Store, values: list[float | None], most: int) -> None:
    job_id = _fresh(store)
    points: Points = [(float(step), value) for step, value in enumerate(values)]
    _report(store, job_id, 1, points)
    found = _curve(store, job_id, max_points=most)
    shown = list(zip(found.steps, found.values, strict=True))
    assert len(shown) <= most
    assert [point for point in points if point in shown] == shown
    assert (found.n_total, found.downsampled) == (len(points), len(points) > most)


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_what_is_no_number_is_a_gap(store: Store, value: float) -> None:
    job_id = _fresh(store)
    _report(store, job_id, 1, [(0.0, 1.0), (1.0, value)])
    assert _curve(store, job_id).values == [1.0, None]
    with store.read() as tx:
        assert metrics.last(tx, job_id) == {}
