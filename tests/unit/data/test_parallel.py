"""One function over many items: in order, on several threads, stopped by the first error or when asked."""

import threading
from pathlib import Path

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import BadData, Cancelled
from arc.data import parallel
from tests.unit.data.context import FolderContext


def context(folder: Path, *, threads: int) -> FolderContext:
    ctx = FolderContext(folder)
    ctx.threads = threads
    return ctx


@settings(max_examples=20, deadline=None)
@given(items=st.lists(st.integers(), max_size=50), threads=st.integers(1, 4))
def test_answers_keep_the_order_of_the_items(tmp_path_factory: pytest.TempPathFactory, items: list[int], threads: int) -> None:
    ctx = context(tmp_path_factory.mktemp("run"), threads=threads)
    assert parallel.each(ctx, items, lambda item: item * 2) == [item * 2 for item in items]
    assert ctx.said[-1] == (len(items), len(items), "image")


def test_as_many_run_at_once_as_there_are_threads(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=30)
    parallel.each(context(tmp_path, threads=3), range(3), lambda _: together.wait())  # would break with fewer


def test_the_first_bad_item_is_named_even_if_a_later_one_fails_sooner(tmp_path: Path) -> None:
    later_failed = threading.Event()
    seen = []

    def work(item: int) -> int:
        seen.append(item)
        if item == 0:
            later_failed.wait(30)
        if item == 1:
            later_failed.set()
        if item in {0, 1}:
            raise BadData(f"item {item} is bad")
        return item

    with pytest.raises(BadData, match="item 0"):
        parallel.each(context(tmp_path, threads=2), range(20_000), work)
    assert len(seen) < 20_000


def test_an_error_that_looks_like_waiting_too_long_is_an_error_all_the_same(tmp_path: Path) -> None:
    def work(_: int) -> None:
        raise TimeoutError("the disk did not answer")

    with pytest.raises(TimeoutError, match="disk"):
        parallel.each(context(tmp_path, threads=1), [1], work)


def test_it_stops_when_asked(tmp_path: Path) -> None:
    ctx = context(tmp_path, threads=2)
    seen = []

    def work(item: int) -> None:
        seen.append(item)
        ctx.stop = True

    with pytest.raises(Cancelled, match="asked to stop"):
        parallel.each(ctx, range(20_000), work, unit="file")
    assert len(seen) < 20_000


def test_the_threads_of_opencv_are_as_before_afterwards(tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    inside = parallel.each(context(tmp_path, threads=1), [0], lambda _: cv2.getNumThreads())
    assert inside == [1]
    assert cv2.getNumThreads() == before
