"""No room: full disks, a workspace that can only be read, no descriptors left. New work is refused with a reason,
what runs goes on, nothing that was acknowledged is lost, and all goes on by itself when the cause is gone.

Small memory disks stand for full ones, so most of it needs root.
"""

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from arc.api.server import create_app
from arc.app import App
from arc.core.errors import ArcError
from arc.core.job import Job
from arc.store import jobs as rows
from arc.worker.probe import loss
from tests.flows.living import completed, curves, kind, living, probe, seen, submit


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def _can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    folder = Path("/tmp") / f"arc-can-mount-{os.getpid()}"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        return False
    else:
        subprocess.run(["umount", str(folder)], check=True)
        return True
    finally:
        folder.rmdir()


needs_mount = pytest.mark.skipif(not _can_mount(), reason="only root may mount the small disk that is filled here")


@contextmanager
def disk(folder: Path, *options: str) -> Iterator[Path]:
    """A disk of a few MB at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to its last byte; the file to remove when there shall be room again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def door(app: App) -> httpx.AsyncClient:
    """The HTTP door of a living app."""
    headers = {"Authorization": f"Bearer {app.access.first_token()}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(app)), base_url="http://127.0.0.1", headers=headers)


async def ask(client: httpx.AsyncClient, key: str) -> httpx.Response:
    body = {"recipe": "probe.faults", "params": {"faults": {"epochs": 1}}}
    return await client.post("/jobs", json=body, headers={"Idempotency-Key": key})


def whole_curve(app: App, job: Job, epochs: int) -> None:
    """Every epoch is recorded, and once."""
    assert curves(app, job)["loss"] == ([float(n) for n in range(1, epochs + 1)], [loss(n) for n in range(1, epochs + 1)])


@needs_mount
def test_f19_a_full_disk_under_the_store_refuses_new_work_and_loses_nothing(tmp_path: Path) -> None:
    async def story(store: Path) -> None:
        async with living(tmp_path / "ws", database_url=f"sqlite:///{store}/arc.db") as app, door(app) as client:
            running = probe(app, {"epochs": 100, "epoch_s": 0.03})
            await seen(app, running.id, kind("attempt.checkpoint", step=3))
            ballast = fill(store)
            answers = {f"k{n}": await ask(client, f"k{n}") for n in range(20)}
            refused = [answer for answer in answers.values() if answer.status_code != 202]
            assert len(refused) > 10  # what was set aside in the log of the database may hold a few
            for answer in refused:
                assert answer.status_code in (503, 507)
                assert "full" in answer.json()["detail"]
                assert int(answer.headers["Retry-After"]) > 0
            assert (await client.get("/jobs/list")).status_code == 200
            assert (await client.get("/health")).status_code == 200
            journal = app.layout.staging(running, 1) / "journal.jsonl"
            while b'"k":"checkpoint","step":60' not in journal.read_bytes():
                await asyncio.sleep(0.05)
            ballast.unlink()
            ended = await completed(app, running)
            assert (ended.attempt, ended.retry_count) == (1, 0)
            whole_curve(app, running, 100)
            again = {key: await ask(client, key) for key in answers}
            assert {answer.status_code for answer in again.values()} <= {200, 202}
            for key, answer in answers.items():
                if answer.status_code == 202:
                    assert again[key].json()["job_id"] == answer.json()["job_id"]
            ids = [answer.json()["job_id"] for answer in again.values()]
            assert sorted(job.id for job in app.jobs.page(limit=100).items) == sorted([running.id, *ids])
            for job_id in ids:
                await completed(app, app.jobs.get(job_id))

    with disk(tmp_path / "store", "size=32m") as store:
        asyncio.run(story(store))


@needs_mount
def test_f21_a_full_disk_under_the_checkpoints_keeps_the_last_good_one_and_the_job_goes_on_from_it(tmp_path: Path) -> None:
    async def story(jobs: Path) -> None:
        async with living(tmp_path / "ws") as app:
            job = probe(app, {"epochs": 60, "epoch_s": 0.05, "ckpt_mb": 0.5})
            await seen(app, job.id, kind("attempt.checkpoint", step=5))
            ballast = fill(jobs)
            requeued = await seen(app, job.id, kind("job.requeued"))
            assert "disk is full" in requeued.detail["why"]
            waiting = app.jobs.get(job.id)
            assert (waiting.status, waiting.attempt) == ("queued", 1)
            assert waiting.not_before is not None  # it waits a while: it does not spin
            ballast.unlink()
            soon(app, job)
            ended = await completed(app, job)
            assert ended.attempt == 2
            resumed = app.jobs.attempts(job.id)[1].resumed_step
            assert resumed is not None
            assert resumed >= 5
            whole_curve(app, job, 60)

    with disk(tmp_path / "ws" / "jobs", "size=8m") as jobs:
        asyncio.run(story(jobs))


def soon(app: App, job: Job) -> None:
    """As if its wait were over."""
    with app.store.write() as tx:
        rows.update(tx, job.id, not_before=None)
        tx.after_commit(lambda: app.hub.poke(job.id))


async def waits(app: App, job: Job, why: str) -> None:
    """The job is put back with this reason, and no retry is used up."""
    requeued = await seen(app, job.id, kind("job.requeued"))
    assert why in requeued.detail["why"], requeued.detail
    assert app.jobs.get(job.id).retry_count == 0


@needs_mount
@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=4"])
def test_f25_without_room_for_a_new_attempt_its_job_waits_and_uses_up_no_retry(tmp_path: Path, options: str) -> None:
    async def story(jobs: Path) -> None:
        async with living(tmp_path / "ws") as app:
            fill(jobs)
            job = probe(app, {"epochs": 3}, max_retries=0)
            await waits(app, job, "")
            (jobs / "ballast").unlink()
            mount("-o", "remount,size=8m,nr_inodes=1000", str(jobs))
            soon(app, job)
            assert (await completed(app, job)).retry_count == 0

    with disk(tmp_path / "ws" / "jobs", options) as jobs:
        asyncio.run(story(jobs))


@needs_mount
def test_f25_on_a_disk_that_can_only_be_read_a_new_attempt_waits_and_the_running_one_goes_on(tmp_path: Path) -> None:
    async def story(jobs: Path) -> None:
        async with living(tmp_path / "ws") as app:
            job = probe(app, {"epochs": 3}, max_retries=0)
            await waits(app, job, "Read-only")
            mount("-o", "remount,rw", str(jobs))
            soon(app, job)
            await completed(app, job)

    with disk(tmp_path / "ws" / "jobs", "size=8m") as jobs:
        mount("-o", "remount,ro", str(jobs))
        asyncio.run(story(jobs))


@needs_mount
@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
def test_f25_a_start_on_a_workspace_that_can_only_be_read_says_so_in_one_line(tmp_path: Path, there: bool) -> None:
    async def start(workspace: Path) -> None:
        async with living(workspace):
            pass

    with disk(tmp_path / "ws", "size=16m") as workspace:
        if there:
            asyncio.run(start(workspace))
        mount("-o", "remount,ro", str(workspace))
        with pytest.raises(ArcError) as caught:
            asyncio.run(start(workspace))
        assert "\n" not in caught.value.message
        assert str(workspace) in caught.value.message


@needs_mount
def test_f20_a_full_disk_while_unpacking_leaves_no_half_dataset(tmp_path: Path) -> None:
    async def story(jobs: Path) -> None:
        async with living(tmp_path / "ws") as app:
            drawn = await completed(app, submit(app, "data.synthetic_fundus", {"patients": 12, "size_px": 64}, seed=1))
            ballast = fill(jobs)
            os.truncate(ballast, ballast.stat().st_size - (96 << 10))  # room to begin, and not to end
            unpack = submit(app, "data.unpack", {"name": "small"}, inputs={"archive": f"job:{drawn.id}/synthetic-fundus.zip"}, seed=1)
            requeued = await seen(app, unpack.id, kind("job.requeued"))
            assert "disk is full" in requeued.detail["why"]
            assert app.datasets.names() == []
            assert not (tmp_path / "ws" / "datasets" / "small").exists()
            ballast.unlink()
            soon(app, unpack)
            await completed(app, unpack)
            assert app.datasets.names() == ["small"]

    with disk(tmp_path / "ws" / "jobs", "size=32m") as jobs:
        asyncio.run(story(jobs))


def test_f25_without_descriptors_new_work_waits_or_is_refused_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path) as app, door(app) as client:
            running = probe(app, {"epochs": 60, "epoch_s": 0.03})
            await seen(app, running.id, kind("attempt.checkpoint", step=3))
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = max(int(name) for name in os.listdir("/proc/self/fd"))
            held = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, before[1]))
            try:
                while True:
                    held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                pass
            try:
                answers = [await ask(client, f"k{n}") for n in range(5)]
                assert {answer.status_code for answer in answers} <= {202, 503, 507}
                assert (await client.get("/health")).status_code == 200
            finally:
                for descriptor in held:
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for answer in answers:
                if answer.status_code == 202:
                    job = app.jobs.get(answer.json()["job_id"])
                    soon(app, job)
                    assert (await completed(app, job)).retry_count == 0
            assert (await completed(app, running)).attempt == 1
            whole_curve(app, running, 60)

    asyncio.run(story())
