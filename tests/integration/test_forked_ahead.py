"""Reapers and attempts that were forked before there was a job for them, and the small server of recipes that import little."""

import os
import signal
from pathlib import Path

from arc.core.ports import Exit
from arc.jobs import attend
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_stand import Stand, outcome
from tests.integration.test_local_backend import PROBE, RETURNS, drive, forked_ahead, install, strange, wait_gone


def test_what_was_forked_ahead_ends_with_the_warm_server(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        reaper = await forked_ahead(backend)
        [attempt] = Path(f"/proc/{reaper}/task/{reaper}/children").read_text().split()
        os.kill(backend.warm_pid, signal.SIGKILL)
        await wait_gone(reaper)
        await wait_gone(int(attempt))

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_a_reaper_that_was_killed_while_it_waited_for_an_order_gets_none(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        reaper = await forked_ahead(backend)
        [attempt] = Path(f"/proc/{reaper}/task/{reaper}/children").read_text().split()
        os.kill(reaper, signal.SIGKILL)
        await wait_gone(int(attempt))
        order = stand.order(epochs=1)
        assert await stand.run(order) == Exit(0, None)
        assert outcome(order)["status"] == "done"

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_an_attempt_that_was_forked_ahead_begins_when_it_is_told_to(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        reaper = await forked_ahead(backend)
        identity = await backend.launch(stand.order(epochs=1))
        assert identity.reaper_pid == reaper
        assert identity.began >= identity.start_time
        assert attend._age_s(identity.model_copy(update={"start_time": 0})) < identity.began / os.sysconf("SC_CLK_TCK")

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_recipes_that_import_little_have_a_small_server_of_their_own(tmp_path: Path) -> None:
    async def story(backend: LocalBackend, stand: Stand) -> None:
        assert await stand.run(stand.order(epochs=1)) == Exit(0, None)
        assert await stand.run(strange(stand, "job_b")) == Exit(0, None)
        small, full = (Path(f"/proc/{link.process.pid}/maps").read_text() for link in (backend._slim.link, backend._full.link))
        assert "numpy" not in small
        assert "numpy" in full

    environment = install(tmp_path / "site", "import numpy\n" + RETURNS.format("{}"))
    drive(LocalBackend(environment=environment), tmp_path / "jobs", story)
