"""The store is away, or its answers get lost: no healthy attempt is ended for it, nothing is recorded twice or not at all."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncinotify import Inotify

from arc.app import App
from arc.core.errors import StoreBusy
from arc.store.engine import Tx
from arc.worker.probe import loss
from tests.flows.living import completed, curves, kind, living, probe, seen


@contextmanager
def answers_lost(app: App, monkeypatch: pytest.MonkeyPatch, *, every: int) -> Iterator[None]:
    """Of every so many transactions one is committed and says that it was not."""
    write, count = app.store.write, 0

    @contextmanager
    def forgetful() -> Iterator[Tx]:
        nonlocal count
        count += 1
        with write() as tx:
            yield tx
        if count % every == 0:
            raise StoreBusy("the connection was lost after the commit")

    with monkeypatch.context() as patch:
        patch.setattr(app.store, "write", forgetful)
        yield


@pytest.mark.parametrize("every", [2, 3, 5])
def test_a_transaction_whose_answer_was_lost_is_no_reason_to_end_or_repeat_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            jobs = [probe(app, {"epochs": 25, "epoch_s": 0.01}) for _ in range(3)]
            with answers_lost(app, monkeypatch, every=every):
                for job in jobs:
                    ended = await completed(app, job)
                    assert ended.retry_count == 0
                    ran = [attempt.outcome for attempt in app.jobs.attempts(job.id) if attempt.identity is not None]
                    assert ran == ["done"]
                    assert curves(app, job) == {"loss": ([float(epoch) for epoch in range(1, 26)], [loss(epoch) for epoch in range(1, 26)])}
                    checkpoints = [event for event in app.jobs.events(subject=job.id) if event.kind == "attempt.checkpoint"]
                    assert len(checkpoints) == 25

    asyncio.run(story())


def test_an_attempt_that_gets_on_while_the_store_is_away_is_not_stalled(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path, sample_interval_s=0.1, stall_floor_s=0.5) as app:
            job = probe(app, {"epochs": 120, "epoch_s": 0.03})
            await seen(app, job.id, kind("attempt.checkpoint", step=5))
            journal = app.layout.staging(job, 1) / "journal.jsonl"
            turns: Any = app.store._turns
            lock = turns._turn
            await asyncio.to_thread(lock.acquire)
            try:
                written = journal.stat().st_size
                while b'"k":"checkpoint","step":80' not in journal.read_bytes():  # seconds, while nothing can be recorded
                    await asyncio.sleep(0.05)
                assert journal.stat().st_size > written
            finally:
                lock.release()
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (1, 0)
            assert curves(app, job)["loss"][0] == [float(epoch) for epoch in range(1, 121)]

    asyncio.run(story())


def test_a_finished_attempt_waits_for_a_store_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:
            job = probe(app, {"epochs": 10, "epoch_s": 0.05})
            await seen(app, job.id, kind("attempt.checkpoint", step=5))
            tried = asyncio.Event()
            loop = asyncio.get_running_loop()

            def away() -> None:
                loop.call_soon_threadsafe(tried.set)
                raise StoreBusy("the database does not answer")

            with monkeypatch.context() as patch:
                patch.setattr(app.store, "read", away)
                patch.setattr(app.store, "write", away)
                while not (app.layout.staging(job, 1) / "exit.json").exists():
                    await asyncio.sleep(0.02)
                tried.clear()
                await tried.wait()
            ended = await completed(app, job)
            assert (ended.attempt, ended.retry_count) == (1, 0)

    asyncio.run(story())


def test_an_attempt_without_a_watch_on_its_journal_is_followed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with living(tmp_path) as app:

            def refuse(*_: object) -> None:
                raise OSError(28, "No space left on device")  # also what inotify says when there are too many watches

            monkeypatch.setattr(Inotify, "add_watch", refuse)
            assert (await completed(app, probe(app, {"epochs": 3}))).attempt == 1
            assert (await completed(app, probe(app, {"epochs": 3}))).attempt == 1

    asyncio.run(story())
