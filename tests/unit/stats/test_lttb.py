import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arc.stats.lttb import lttb


@given(st.lists(st.floats(-1e9, 1e9), max_size=300), st.integers(3, 60))
def test_the_ends_stay_and_the_points_keep_their_order(values: list[float], n: int) -> None:
    y = np.array(values)
    kept = lttb(np.arange(len(y), dtype=float), y, n)
    assert len(kept) == min(n, len(y))
    assert (np.diff(kept) > 0).all()
    if len(y):
        assert (kept[0], kept[-1]) == (0, len(y) - 1)


@given(st.integers(200, 5000), st.data())
def test_a_lone_spike_is_never_lost(length: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, length - 2))
    y = np.zeros(length)
    y[at] = 100.0
    assert at in lttb(np.arange(length, dtype=float), y, 50)


def test_few_points_are_left_as_they_are() -> None:
    assert lttb(np.arange(5.0), np.zeros(5), 5).tolist() == [0, 1, 2, 3, 4]
