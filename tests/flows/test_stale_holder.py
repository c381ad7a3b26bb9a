"""A holder is stopped for longer than its lease, another one takes over, the first goes on and does not know: nothing it writes is kept."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arc.app import App
from arc.client import Client
from arc.core.access import Role
from arc.core.clock import SystemClock
from arc.core.errors import Conflict
from arc.core.lease import Lease
from arc.store import events, leases
from arc.store.engine import Store
from tests.api.serving import serve
from tests.flows.living import kind, living, seen
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
_HOLDER = Path(__file__).with_name("lease_holder.py")
_BY_HTTP = """
import sys
from arc.client import Client
from arc.core.errors import Conflict
url, token = sys.argv[1:]
with Client(url, token) as arc:
    lease = arc.leases.acquire("slot", owner="first", ttl_s=1)
    print(lease.token, flush=True)
    sys.stdin.readline()
    for act in (arc.leases.renew, arc.leases.release):
        try:
            act("slot", token=lease.token)
            print("done", flush=True)
        except Conflict as refused:
            print("refused", refused.message, flush=True)
"""


class Holder:
    """The process, and a line of talk with it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.token = int(self.hear())

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def does(self, words: str) -> str:
        self.tell(words)
        return self.hear()

    def stop(self) -> None:
        """Stop it, and return when the kernel says that it is stopped."""
        self.process.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1])

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def holder(*command: str) -> Iterator[Holder]:
    """Another process that has acquired the lease; killed at the end."""
    process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Holder(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/arc.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url, clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def first(store: Store, url: str) -> Iterator[Holder]:
    """A program that writes to the store itself; it begins when the store is there."""
    with holder(str(_HOLDER), url, "slot") as begun:
        yield begun


def _take_over(store: Store) -> Lease:
    """Ask until the lease of the other one has run out."""
    while True:
        with store.write() as tx:
            found = leases.acquire(tx, "slot", owner="second", actor="second", ttl_s=600, hold_s=7200)
        if isinstance(found, Lease):
            return found


def _told(store: Store) -> list[tuple[str, int]]:
    with store.read() as tx:
        return [(event.kind, event.detail["token"]) for event in events.after(tx, 0, subject="slot")]


def test_a_stopped_holder_s_write_is_refused_by_the_store(store: Store, first: Holder) -> None:
    assert first.does("write") == "done"
    assert first.does("renew 0.3") == "done"
    first.stop()
    second = _take_over(store)
    assert second.token > first.token
    first.go_on()
    assert [first.does(word) for word in ("write", "renew 600", "release", "write")] == ["refused"] * 4
    with store.write() as tx:
        assert leases.check(tx, "slot", token=second.token).owner == "second"
        events.append(tx, subject="slot", kind="write.fenced", actor="second", detail={"token": second.token})
    assert _told(store) == [
        ("lease.acquired", first.token),
        ("write.fenced", first.token),
        ("lease.expired", first.token),
        ("lease.acquired", second.token),
        ("write.fenced", second.token),
    ]


def test_a_stopped_holder_that_nobody_replaced_has_lost_its_lease_too(store: Store, first: Holder) -> None:
    assert first.does("renew 0.3") == "done"
    first.stop()
    while _holder(store) is not None:
        pass
    first.go_on()
    assert [first.does(word) for word in ("write", "renew 600")] == ["refused"] * 2
    assert _told(store) == [("lease.acquired", first.token)]


def _holder(store: Store) -> Lease | None:
    with store.read() as tx:
        return leases.get(tx, "slot")


def test_a_stopped_holder_s_lease_is_free_again_when_it_was_killed(store: Store, first: Holder) -> None:
    assert first.does("renew 0.3") == "done"
    first.process.kill()
    assert _take_over(store).token > first.token


def test_over_http_a_stopped_holder_renews_and_releases_nothing(tmp_path: Path) -> None:
    house = serve(tmp_path)
    house.secrets["other"] = house.app.access.create("other", Role.OPERATOR)[1]
    try:
        with holder("-c", _BY_HTTP, house.url, house.secrets["operator"]) as first, Client(house.url, house.secrets["other"]) as arc:
            first.stop()
            second = _asked_again_and_again(arc)
            first.go_on()
            first.tell("go on")
            for _ in range(2):
                assert first.hear() == f"refused token {first.token} does not hold lease slot: second does, with token {second.token}"
            assert [(one.owner, one.token) for one in arc.leases.all()] == [("second", second.token)]
            arc.leases.release("slot", token=second.token)
    finally:
        house.plane.stop()


def _asked_again_and_again(arc: Client) -> Lease:
    while True:
        try:
            return arc.leases.acquire("slot", owner="second", ttl_s=600)
        except Conflict as refused:
            assert "held by first" in refused.message


def test_who_waits_for_a_lease_hears_of_its_expiry(tmp_path: Path) -> None:
    """Nobody has to ask: the engine looks every sample."""

    async def story() -> None:
        async with living(tmp_path, sample_interval_s=0.05) as app:
            lease = await asyncio.to_thread(_no_time_at_all, app)
            event = await seen(app, "slot", kind("lease.expired"))
            assert (event.actor, event.detail) == ("store", {"token": lease.token, "owner": "first"})
            assert app.leases.list() == []

    asyncio.run(story())


def _no_time_at_all(app: App) -> Any:
    with app.store.write() as tx:
        return leases.acquire(tx, "slot", owner="first", actor="first", ttl_s=0, hold_s=60)
