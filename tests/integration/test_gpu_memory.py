"""What the driver holds for an attempt that is gone; the driver is played, because the machine may have no GPU."""

from pathlib import Path

import pytest
import structlog

from arc.core.ports import Exit
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_stand import Stand
from tests.integration.test_local_backend import PROBE, drive


def test_an_attempt_is_over_when_the_driver_holds_nothing_for_it_any_more(tmp_path: Path) -> None:
    looks: list[int] = []
    held: set[int] = set()

    def holders() -> set[int]:
        looks.append(len(held))
        return {held.pop()} if len(looks) < 3 and held else set()

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = stand.order(epochs=1)
        identity = await backend.launch(order)
        held.add(identity.pid)
        assert await backend.wait(identity, order.staging) == Exit(0, None)
        assert looks == [1, 0]

    drive(LocalBackend(preload=PROBE, gpu_holders=holders), tmp_path, story)


def test_a_driver_that_never_lets_go_is_said_and_waited_for_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc.jobs.backends.local._GPU_LOOK_S", 0.0)

    async def story(backend: LocalBackend, stand: Stand) -> None:
        order = stand.order(epochs=1)
        identity = await backend.launch(order)
        held.add(identity.pid)
        with structlog.testing.capture_logs() as said:
            assert await backend.wait(identity, order.staging) == Exit(0, None)
        assert [line["pid"] for line in said if "driver" in line["event"]] == [identity.pid]

    held: set[int] = set()
    drive(LocalBackend(preload=PROBE, gpu_holders=lambda: held), tmp_path, story)
