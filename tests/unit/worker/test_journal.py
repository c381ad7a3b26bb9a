"""The journal's writer: whole lines, in order, also when the disk is full or a child was forked."""

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.clock import SystemClock
from arc.core.errors import NoSpace, RecipeBroken
from arc.core.journal import JOURNAL, decode
from arc.worker.heartbeat import Heartbeat
from arc.worker.journal import Journal


class StoppedClock(SystemClock):
    """Monotonic time stands still unless it is set, so that nothing is flushed because time passed."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def journal(tmp_path: Path, clock: StoppedClock) -> Iterator[Journal]:
    made = Journal(tmp_path, clock)
    yield made
    made.close()


def lines(folder: Path) -> list[dict[str, object]]:
    data = (folder / JOURNAL).read_bytes()
    assert data == b"" or data.endswith(b"\n"), "a line is torn"
    return [decode(line) for line in data.splitlines()]


def test_lines_wait_in_memory_until_time_has_passed(journal: Journal, clock: StoppedClock, tmp_path: Path) -> None:
    journal.metrics(1, {"loss": 0.5})
    assert lines(tmp_path) == []
    clock.seconds = 0.3
    journal.metrics(2, {"loss": 0.25})
    assert [line["s"] for line in lines(tmp_path)] == [1, 2]


def test_lines_are_written_when_many_wait(journal: Journal, tmp_path: Path) -> None:
    for step in range(2000):
        journal.metrics(step, {"loss": 0.5})
    assert len(lines(tmp_path)) > 500


def test_numbers_that_are_not_finite_become_null(journal: Journal, tmp_path: Path) -> None:
    journal.metrics(1, {"loss": float("nan"), "lr": float("inf"), "auc": 0.75})
    journal.sync()
    assert lines(tmp_path)[0]["v"] == {"loss": None, "lr": None, "auc": 0.75}


def test_nothing_can_be_said_after_the_outcome(journal: Journal, tmp_path: Path) -> None:
    journal.metrics(1, {"loss": 0.5})
    journal.outcome(status="done", metrics={}, result={})
    journal.close()
    with pytest.raises(RecipeBroken):
        journal.metrics(2, {"loss": 0.5})
    assert [line["k"] for line in lines(tmp_path)] == ["metrics", "outcome"]
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


def test_a_forked_child_is_refused_and_writes_no_line_twice(journal: Journal, tmp_path: Path) -> None:
    journal.metrics(1, {"loss": 0.5})
    child = os.fork()
    if child == 0:
        try:
            journal.metrics(2, {"loss": 0.5})
        except RecipeBroken:
            os._exit(3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    journal.sync()
    assert [line["s"] for line in lines(tmp_path)] == [1]


def test_the_heartbeat_writes_what_waits(tmp_path: Path) -> None:
    clock = SystemClock()
    journal = Journal(tmp_path, clock)
    heartbeat = Heartbeat(journal, clock, abandoned=lambda: None, interval_s=0.01)
    heartbeat.start()
    while not any(line["k"] == "heartbeat" for line in lines(tmp_path)):
        pass
    heartbeat.stop()
    written = len(lines(tmp_path))
    journal.close()
    assert len(lines(tmp_path)) == written


def test_a_deleted_journal_is_noticed(tmp_path: Path) -> None:
    journal, noticed = Journal(tmp_path, SystemClock()), threading.Event()
    heartbeat = Heartbeat(journal, SystemClock(), abandoned=noticed.set, interval_s=0.0)
    assert not journal.removed
    (tmp_path / JOURNAL).unlink()
    heartbeat.start()
    assert noticed.wait(60)
    heartbeat.stop()
    journal.close()


# --- the disk is full --------------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_tears_no_line_and_loses_none(journal: Journal, tmp_path: Path) -> None:
    for step in range(20):
        journal.metrics(step, {"loss": 0.5})
    with files_no_larger_than(500), pytest.raises(NoSpace):
        journal.flush()
    before = [line["s"] for line in lines(tmp_path)]
    assert before == list(range(len(before)))
    assert 0 < len(before) < 20
    journal.flush()
    assert [line["s"] for line in lines(tmp_path)] == list(range(20))


def test_the_outcome_is_said_with_the_space_that_was_set_aside(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, reserve = os.write, tmp_path / ".journal.reserve"

    def on_full_disk(descriptor: int, data: bytes) -> int:
        if reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", on_full_disk)
    journal.metrics(1, {"loss": 0.5})
    with pytest.raises(NoSpace):
        journal.sync()
    journal.outcome(status="retry", after_s=60.0, why="the disk is full")
    assert [line["k"] for line in lines(tmp_path)] == ["metrics", "outcome"]


def test_without_any_space_the_outcome_says_so(journal: Journal, tmp_path: Path) -> None:
    journal.metrics(1, {"loss": 0.5})
    with files_no_larger_than(10), pytest.raises(NoSpace):
        journal.outcome(status="done", metrics={}, result={})
    assert lines(tmp_path) == []


@given(rooms=st.lists(st.integers(0, 200), max_size=30), sizes=st.lists(st.integers(0, 60), min_size=1, max_size=20))
def test_whatever_the_disk_does_every_line_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, rooms: list[int], sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal, pending, write = Journal(folder, StoppedClock()), list(rooms), os.write

    def moody(descriptor: int, data: bytes) -> int:
        room = pending.pop() if pending else len(data)
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:room])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("arc.worker.journal.os.write", moody)
        for step, size in enumerate(sizes):
            journal.line("log", event="x" * size, level="info", fields={"step": step})
            try:
                journal.flush()
            except NoSpace:
                lines(folder)  # whole, also now
        while pending:
            try:
                journal.flush()
            except NoSpace:
                continue
            break
        pending.clear()
        journal.flush()
    journal.close()
    assert [line["fields"] for line in lines(folder)] == [{"step": step} for step in range(len(sizes))]
