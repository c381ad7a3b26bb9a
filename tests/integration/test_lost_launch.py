"""A launch of which nobody heard how it went: whether it has begun decides, and never a guess."""

from pathlib import Path

import pytest

from arc.core.errors import BackendBusy
from arc.core.ports import Exit
from arc.core.process import identity_or_revoke
from arc.jobs.backends import local
from arc.jobs.backends.local import LocalBackend
from arc.jobs.backends.warm_link import WarmLink
from arc.testing.backend_stand import Stand, outcome
from tests.integration.test_local_backend import PROBE, drive


def test_a_launch_whose_reaper_died_without_a_word_after_it_began_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell = WarmLink.launch

    async def untold(link: WarmLink, staging: Path, secret: str) -> dict[str, object]:
        await tell(link, staging, secret)
        return {"unknown": True, "error": "the reaper died without a word"}

    async def story(backend: LocalBackend, stand: Stand) -> None:
        monkeypatch.setattr(WarmLink, "launch", untold)
        order = stand.order(epochs=3)
        identity = await backend.launch(order)
        assert identity == identity_or_revoke(order.staging)
        assert await backend.wait(identity, order.staging) == Exit(0, None)
        assert outcome(order)["metrics"]["epochs"] == 3

    drive(LocalBackend(preload=PROBE), tmp_path, story)


def test_while_nobody_knows_whether_a_launch_began_it_is_neither_busy_nor_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(link: WarmLink, staging: Path, secret: str) -> dict[str, object]:
        return {"unknown": True, "error": "the reaper died without a word"}

    def full(staging: Path) -> None:
        raise OSError(28, "No space left on device")

    async def story(backend: LocalBackend, stand: Stand) -> None:
        monkeypatch.setattr(WarmLink, "launch", unknown)
        with pytest.raises(BackendBusy):
            await backend.launch(stand.order())
        monkeypatch.setattr(local, "identity_or_revoke", full)
        with pytest.raises(local.Unsettled):
            await backend.launch(stand.order("job_b"))

    drive(LocalBackend(preload=PROBE), tmp_path, story)
