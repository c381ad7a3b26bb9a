"""The local backend where it is attacked: killed servers, changed code, hostile plug-ins, threads across a fork."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from arc.core.attempt import ProcessIdentity
from arc.core.errors import BackendBusy
from arc.core.ports import Exit, LaunchOrder, Liveness
from arc.core.process import identity_or_revoke, liveness, open_pidfd, stat
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_stand import SECRET, Stand, appears, entries, outcome
from arc.worker.reaper import publish

PROBE = ["probe.faults"]


def drive(backend: LocalBackend, folder: Path, story: Callable[[LocalBackend, Stand], Awaitable[None]]) -> None:
    async def run() -> None:
        await backend.open()
        try:
            async with asyncio.timeout(120):
                await story(backend, Stand(backend, folder))
        finally:
            await backend.close()

    asyncio.run(run())


def running(stand: Stand, **faults: object) -> LaunchOrder:
    return stand.order(epochs=1_000_000, epoch_s=0.01, **faults)


async def forked_ahead(backend: LocalBackend) -> int:
    """The reaper that waits for an order, as soon as it is there with its attempt."""
    warm = Path(f"/proc/{backend.warm_pid}/task/{backend.warm_pid}/children")
    while True:
        for pid in warm.read_text().split():
            children = Path(f"/proc/{pid}/task/{pid}/children")
            if children.exists() and children.read_text().split():
                return int(pid)
        await asyncio.sleep(0)


async def wait_gone(pid: int) -> None:
    found = stat(pid)
    descriptor = open_pidfd(pid, found.start_time) if found else None
    if descriptor is None:
        return
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    await gone.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


# --- the servers are killed ------------------------------------------------------------------------


def test_an_attempt_survives_the_death_of_the_warm_server(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = stand.order(epochs=20, epoch_s=0.01)
        identity = await backend.launch(order)
        first = backend.warm_pid
        os.kill(first, signal.SIGKILL)
        assert await backend.wait(identity, order.staging) == Exit(0, None)
        assert outcome(order)["metrics"]["epochs"] == 20
        assert await stand.run(stand.order("job_b")) == Exit(0, None)
        assert backend.warm_pid not in (None, first)

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_a_launch_under_way_when_the_warm_server_dies_is_refused_and_never_begins(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        await stand.run(stand.order("job_b"))
        order = stand.order()
        os.kill(backend.warm_pid, signal.SIGSTOP)
        launch = asyncio.create_task(backend.launch(order))
        while not backend._full.link._waiting:
            await asyncio.sleep(0)
        os.kill(backend.warm_pid, signal.SIGKILL)
        with pytest.raises(BackendBusy):
            await launch
        assert identity_or_revoke(order.staging) is None
        assert entries(order, "started") == []

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_a_launch_that_had_begun_when_the_warm_server_died_is_not_lost(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        await stand.run(stand.order("job_b"))
        order = stand.order()
        os.kill(backend.warm_pid, signal.SIGSTOP)
        launch = asyncio.create_task(backend.launch(order))
        while not backend._full.link._waiting:
            await asyncio.sleep(0)
        begun = ProcessIdentity(pid=1, start_time=1, boot_id="boot", reaper_pid=2, reaper_start_time=2)
        publish(order.staging, begun)
        os.kill(backend.warm_pid, signal.SIGKILL)
        assert await launch == begun

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_a_warm_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        await stand.run(stand.order("job_b"))
        hung = backend.warm_pid
        os.kill(hung, signal.SIGSTOP)
        backend._launch_timeout_s = 0.1
        with pytest.raises(BackendBusy, match="in time"):
            await backend.launch(stand.order())
        backend._launch_timeout_s = 60
        assert await stand.run(stand.order("job_c")) == Exit(0, None)
        assert liveness(hung, 0, "") is Liveness.DEAD

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_why_a_warm_server_cannot_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("raise ImportError('a broken installation')\n")

    async def story(backend: LocalBackend, stand: Stand) -> None:
        with pytest.raises(BackendBusy, match="a broken installation"):
            await backend.launch(stand.order())

    drive(LocalBackend(environment={"PYTHONPATH": str(tmp_path)}), tmp_path, story)


CONTROL_PLANE = """
import asyncio, sys
from pathlib import Path
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_stand import Stand

async def main():
    backend = LocalBackend(preload=["probe.faults"])
    await backend.open()
    order = Stand(backend, Path(sys.argv[1])).order(epochs=1_000_000, epoch_s=0.01)
    await backend.launch(order)
    print("warm", backend.warm_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_killed_control_plane_its_attempt_is_adopted_and_its_warm_server_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CONTROL_PLANE, str(tmp_path)], stdout=subprocess.PIPE, text=True) as plane:
        warm = next(int(line.split()[1]) for line in plane.stdout if line.startswith("warm "))
        plane.kill()

    async def story(backend: LocalBackend, stand: Stand) -> None:
        await wait_gone(warm)
        staging = tmp_path / "job_a" / "attempts" / "job_a.1"
        identity = identity_or_revoke(staging)
        assert await backend.alive(identity) is Liveness.ALIVE
        await backend.stop(identity)
        assert await backend.wait(identity, staging) == Exit(0, None)

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_killed_reaper_the_attempt_goes_on_and_its_daemon_is_found(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = running(stand, grandchild_setsid=True)
        identity = await backend.launch(order)
        daemon = int((await appears(order, "metrics"))["v"]["grandchild_pid"])
        os.kill(identity.reaper_pid, signal.SIGKILL)
        await wait_gone(identity.reaper_pid)
        assert await backend.alive(identity) is Liveness.ALIVE
        await backend.stop(identity)
        assert await backend.wait(identity, order.staging) == Exit(None, None)
        assert outcome(order)["status"] == "cancelled"
        assert (found := stat(daemon)) is None or found.ended

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_killed_reaper_a_kill_still_ends_everything(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = running(stand, grandchild_setsid=True, ignore_sigterm=True)
        identity = await backend.launch(order)
        daemon = int((await appears(order, "metrics"))["v"]["grandchild_pid"])
        os.kill(identity.reaper_pid, signal.SIGKILL)
        await wait_gone(identity.reaper_pid)
        await backend.kill(identity)
        assert await backend.alive(identity) is Liveness.DEAD
        assert (found := stat(daemon)) is None or found.ended

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_many_attempts_leave_nothing_in_the_warm_server(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        await stand.run(stand.order("job_first"))

        def held() -> tuple[int, int, str]:
            warm = Path(f"/proc/{backend.warm_pid}")
            return (
                len(list((warm / "fd").iterdir())),
                len(os.listdir("/proc/self/fd")),
                (warm / "task" / warm.name / "children").read_text(),
            )

        await forked_ahead(backend)
        before = held()
        for turn in range(3):
            await asyncio.gather(*(stand.run(stand.order(f"job_{turn}_{index}", epochs=1)) for index in range(8)))
        await forked_ahead(backend)
        after = held()
        assert after[:2] == before[:2]
        assert len(after[2].split()) == len(before[2].split()) == 1

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_an_attempt_whose_folder_was_deleted_ends(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = stand.order(hang_at=1)
        identity = await backend.launch(order)
        await appears(order, "phase")
        shutil.rmtree(order.staging)
        assert await backend.wait(identity, order.staging) == Exit(None, None)
        assert await backend.alive(identity) is Liveness.DEAD

    drive(LocalBackend(preload=PROBE), tmp_path, story)


# --- plug-ins and the environment -------------------------------------------------------------------

PLUGIN = """
from pydantic import BaseModel
from arc.catalog import Row
from arc.core.recipe import RecipeSpec

class Params(BaseModel):
    pass

SPEC = RecipeSpec(name="stranger.run", version="1", params=Params, title="A stranger's recipe", purpose="figure")
ROWS = [Row("stranger.run", "stranger:SPEC", "stranger_run:run")]
"""
ENTRY = "[arc.recipes]\nstranger = stranger:ROWS\n"
METADATA = "Metadata-Version: 2.1\nName: stranger\nVersion: 1\n"
RETURNS = "from arc.core.recipe import Done\n\ndef run(ctx, params):\n    return Done(result={})\n"


def install(folder: Path, run_side: str) -> dict[str, str]:
    """A stranger's package; the environment in which it is installed."""
    info = folder / "stranger-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY)
    (folder / "stranger.py").write_text(PLUGIN)
    (folder / "stranger_run.py").write_text(run_side)
    return {"PYTHONPATH": str(folder), "PATH": os.defpath, "ARC_DATABASE_URL": "postgresql://user:password@host", "MY_TOKEN": "t0ken"}


def strange(stand: Stand, job: str = "job_a", **changes: object) -> LaunchOrder:
    return replace(stand.order(job), recipe="stranger.run", params={}, **changes)


def test_changed_code_is_run_by_the_next_attempt(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", RETURNS.format("{'version': 1}"))

    async def story(backend: LocalBackend, stand: Stand) -> None:
        await forked_ahead(backend)
        before = strange(stand)
        await stand.run(before)
        await forked_ahead(backend)
        (tmp_path / "site" / "stranger_run.py").write_text(RETURNS.format("{'version': 22}"))
        orders = [strange(stand, f"job_{index}") for index in range(3)]
        assert await asyncio.gather(*(stand.run(order) for order in orders)) == [Exit(0, None)] * 3
        assert outcome(before)["result"] == {"version": 1}
        assert [outcome(order)["result"] for order in orders] == [{"version": 22}] * 3

    drive(LocalBackend(environment=environment, preload=["stranger.run"]), tmp_path / "jobs", story)


def test_a_recipe_that_cannot_be_imported_is_broken_and_harms_no_other(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", "raise ValueError('bad day')\n")

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = strange(stand)
        assert await stand.run(order) == Exit(1, None)
        failure = outcome(order)["failure"]
        assert failure["error"] == "RecipeBroken"
        assert "bad day" in failure["message"]
        assert "bad day" in (order.staging / "stderr.log").read_text()
        assert await stand.run(stand.order("job_b")) == Exit(0, None)

    drive(LocalBackend(environment=environment, preload=["stranger.run", *PROBE]), tmp_path / "jobs", story)


def test_a_recipe_whose_import_starts_a_thread_runs_all_the_same(tmp_path: Path) -> None:
    thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    environment = install(tmp_path / "site", thread + RETURNS.format("{'threads': threading.active_count()}"))

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = strange(stand)
        assert await stand.run(order) == Exit(0, None)
        assert outcome(order)["result"] == {"threads": 3}  # its own, the heartbeat and the main one: alive, after the fork
        assert await stand.run(stand.order("job_b")) == Exit(0, None)

    drive(LocalBackend(environment=environment, preload=["stranger.run", *PROBE]), tmp_path / "jobs", story)


def test_the_environment_holds_what_is_allowed_and_what_is_frozen(tmp_path: Path) -> None:
    run_side = "import os, resource\n" + RETURNS.format(
        "{'environment': dict(os.environ), 'folder': os.getcwd(), 'core': resource.getrlimit(resource.RLIMIT_CORE)[0], 'stdin': os.read(0, 1)}"
    ).replace("os.read(0, 1)", "len(os.read(0, 1))")
    environment = install(tmp_path / "site", run_side)

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = strange(stand, threads=3, gpu_ids=(1, 4), device="cuda")
        await stand.run(order)
        seen = outcome(order)["result"]
        variables = seen.pop("environment")
        assert seen == {"folder": str(order.staging), "core": 0, "stdin": 0}
        assert variables["OMP_NUM_THREADS"] == "3"
        assert variables["CUDA_VISIBLE_DEVICES"] == "1,4"
        assert variables["PYTHONSAFEPATH"] == "1"
        assert not {"ARC_DATABASE_URL", "MY_TOKEN"} & set(variables)
        assert SECRET not in str(variables)

    drive(LocalBackend(environment=environment, preload=["stranger.run"]), tmp_path / "jobs", story)


def test_the_capability_arrives(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", RETURNS.format("{'length': len(ctx.secret)}"))

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = strange(stand)
        await stand.run(order)
        assert outcome(order)["result"] == {"length": len(SECRET)}

    drive(LocalBackend(environment=environment, preload=["stranger.run"]), tmp_path / "jobs", story)


# --- torch across the fork --------------------------------------------------------------------------

TRAINS = """
import torch
from arc.core.recipe import Done

def run(ctx, params):
    images_BCHW = torch.randn(8, 3, 64, 64)
    layer = torch.nn.Conv2d(3, 16, 3)
    loss = layer(images_BCHW).square().mean()
    loss.backward()
    return Done(result={"threads": torch.get_num_threads(), "loss": loss.item(), "grad": bool(layer.weight.grad.abs().sum() > 0)})
"""


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed: this is about what it does across a fork")


@needs_torch
def test_a_convolution_and_its_backward_do_not_hang_after_the_fork(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", TRAINS)

    async def story(backend: LocalBackend, stand: Stand) -> None:
        orders = [strange(stand, f"job_{index}", threads=2) for index in range(2)]
        for order in orders:
            assert await stand.run(order) == Exit(0, None)
        seen = [outcome(order)["result"] for order in orders]
        assert (seen[0]["threads"], seen[0]["grad"]) == (2, True)
        assert seen[0] == seen[1]  # the same seed and threads give the same numbers

    drive(LocalBackend(environment=environment, preload=["torch", "stranger.run"]), tmp_path / "jobs", story)


@needs_torch
def test_a_recipe_that_computes_while_it_is_imported_does_not_hang_its_attempts(tmp_path: Path) -> None:
    at_import = (
        "import torch\ntorch.set_num_threads(2)\n(torch.randn(512, 512, requires_grad=True) @ torch.randn(512, 512)).sum().backward()\n"
    )
    environment = install(tmp_path / "site", at_import + TRAINS)

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = strange(stand, threads=2)
        assert await stand.run(order) == Exit(0, None)
        assert outcome(order)["result"]["grad"]

    drive(LocalBackend(environment=environment, preload=["torch", "stranger.run"]), tmp_path / "jobs", story)
