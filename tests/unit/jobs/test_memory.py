"""Private memory: what an attempt took for itself, its helpers included, and that its watch asks it to leave."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from arc.core.attempt import ProcessIdentity
from arc.core.process import boot_id, stat
from arc.jobs.memory import private_gb, watch

_HELPED = """
import subprocess, sys
mine = bytearray(64 << 20)
helper = subprocess.Popen([sys.executable, "-c", "m = bytearray(96 << 20); print('there', flush=True); input()"], stdin=subprocess.PIPE)
input()
"""


@pytest.fixture
def attempt() -> Iterator[ProcessIdentity]:
    with subprocess.Popen([sys.executable, "-c", _HELPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        found = stat(process.pid)
        assert found is not None
        yield ProcessIdentity(pid=process.pid, start_time=found.start_time, boot_id=boot_id())
        process.communicate()


def test_helpers_are_counted(attempt: ProcessIdentity) -> None:
    assert 0.15 < private_gb(attempt) < 0.4


def test_what_is_gone_takes_nothing() -> None:
    assert private_gb(ProcessIdentity(pid=2**22 + 1, start_time=1, boot_id="x")) == 0.0


def test_the_watch_asks_only_the_one_over_its_limit_to_leave(attempt: ProcessIdentity) -> None:
    async def story() -> list[str]:
        asked: list[str] = []
        enough = asyncio.Event()

        def ask(name: str) -> Any:
            return lambda ending: (asked.append(f"{name}: {ending}"), enough.set())

        def attending(name: str, limit_gb: float | None) -> Any:
            job = SimpleNamespace(limits=SimpleNamespace(memory_gb=limit_gb))
            return SimpleNamespace(job=job, identity=attempt, request=ask(name))

        house: Any = SimpleNamespace(sample_interval_s=60.0, run=asyncio.to_thread)
        care = {"free": attending("free", None), "small": attending("small", 0.05), "large": attending("large", 8.0)}
        task = asyncio.create_task(watch(house, care))
        await asyncio.wait_for(enough.wait(), 60)
        task.cancel()
        return asked

    assert asyncio.run(story()) == ["small: memory"]
