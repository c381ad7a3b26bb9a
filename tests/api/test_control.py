"""The control plane as a process: where it says it is, what it refuses, how it ends."""

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from asyncinotify import Inotify, Mask

from arc.api import settings
from arc.api.control import ControlPlane
from arc.app import build
from arc.client.control import address, token
from arc.core.errors import Conflict, InvalidSpec
from arc.settings import Settings
from arc.testing.inline import InlineBackend
from tests.api.serving import House


def test_it_says_where_it_is_only_while_it_serves(tmp_path: Path) -> None:
    app = build(Settings(workspace=tmp_path, backend="inline"), backends={"inline": InlineBackend()})
    plane = ControlPlane(app, port=0)
    plane.start_background()
    file = tmp_path / "control.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["url"] == plane.url == address(tmp_path)
    assert httpx.get(f"{plane.url}/health", trust_env=False).json() == {"status": "ok"}
    plane.stop()
    assert not file.exists()
    assert address(tmp_path) is None
    plane.stop()  # once more is no error


def test_one_that_runs_no_jobs_does_not_hide_the_one_that_does(start: Callable[..., House], tmp_path: Path) -> None:
    start()
    assert not (tmp_path / "control.json").exists()


def test_a_port_in_use_is_one_clear_error(start: Callable[..., House], tmp_path: Path) -> None:
    house = start()
    app = build(Settings(workspace=tmp_path / "other"))
    try:
        with pytest.raises(Conflict, match=f"port {house.plane.port} on 127.0.0.1") as caught:
            ControlPlane(app, port=house.plane.port)
    finally:
        app.close()
    assert caught.value.field == "port"
    assert not (tmp_path / "other" / "control.json").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_opening_to_the_network_needs_the_names_it_is_called_by(tmp_path: Path, host: str) -> None:
    app = build(Settings(workspace=tmp_path))
    try:
        with pytest.raises(InvalidSpec, match="allowed_hosts"):
            ControlPlane(app, host=host, port=0)
    finally:
        app.close()


def test_a_host_that_is_none_of_this_machine_is_refused(tmp_path: Path) -> None:
    app = build(Settings(workspace=tmp_path, allowed_hosts=["arc.example"]))
    try:
        with pytest.raises((InvalidSpec, Conflict)):
            ControlPlane(app, host="192.0.2.1", port=0)
    finally:
        app.close()


def test_the_token_file_lets_local_commands_in_and_heals(start: Callable[..., House], tmp_path: Path) -> None:
    house = start()
    first = token(tmp_path)
    assert house.app.access.authenticate(first).name == "first"
    with house.client(None, Authorization=f"Bearer {first}") as client:
        mine = next(item for item in client.get("/tokens").json()["items"] if item["name"] == "first")
        rotated = client.post(f"/tokens/{mine['id']}/rotate").json()
        assert token(tmp_path) == rotated["token"] != first
        assert client.get("/tokens").status_code == 401
    house.app.access.revoke(rotated["id"])
    house.plane.stop()
    again = start()
    assert again.app.access.authenticate(token(tmp_path)).role == "admin"


SERVE = """
import sys
import threading
from pathlib import Path
from arc.api import settings
from arc.api.control import ControlPlane
from arc.app import build
from arc.settings import Settings
from arc.telemetry import logs
from arc.testing.inline import InlineBackend
logs.configure()
house = build(Settings(workspace=Path(sys.argv[1]), backend="inline"), backends={"inline": InlineBackend()})
ControlPlane(house, port=0).run()
print("ended well", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_a_stream_open(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        url = wait_for_address(tmp_path, process)
        headers = {"Authorization": f"Bearer {token(tmp_path)}"}
        with httpx.stream("GET", f"{url}/events", headers=headers, trust_env=False) as response:
            assert next(response.iter_lines()) == "retry: 2000"
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err.decode()
        assert out == b"ended well\n"
        assert b"Traceback" not in err
        assert not (tmp_path / "control.json").exists()
    finally:
        process.kill()
        process.wait()


def wait_for_address(workspace: Path, process: subprocess.Popen[bytes]) -> str:
    """The address, as soon as the file is there; the folder is watched, nothing sleeps."""
    with Inotify(sync_timeout=30) as watch:
        watch.add_watch(workspace, Mask.MOVED_TO | Mask.CREATE)
        while (found := address(workspace)) is None:
            assert process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
            assert watch.sync_get() is not None, "the control plane did not start"
    return found


def test_secrets_are_in_no_command_line_and_no_environment(start: Callable[..., House], tmp_path: Path) -> None:
    start()
    secret = token(tmp_path).encode()
    for name in ("cmdline", "environ"):
        assert secret not in Path(f"/proc/{os.getpid()}/{name}").read_bytes()


def test_the_bound_address_is_loopback(start: Callable[..., House]) -> None:
    house = start()
    with socket.create_connection(("127.0.0.1", house.plane.port), timeout=5) as link:
        assert link.getpeername()[0] == "127.0.0.1"
    assert house.plane._host == "127.0.0.1"


def test_a_workspace_that_is_run_by_another_is_one_clear_error(tmp_path: Path) -> None:
    def made() -> ControlPlane:
        return ControlPlane(build(Settings(workspace=tmp_path, backend="inline"), backends={"inline": InlineBackend()}), port=0)

    first, second = made(), made()
    first.start_background()
    try:
        with pytest.raises(Conflict, match="is run by another"):
            second.start_background()
        assert address(tmp_path) == first.url
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", second.port), timeout=5):
            pass
    finally:
        second.stop()
        first.stop()


def test_a_disk_without_room_to_say_where_it_is_ends_nothing_and_keeps_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = build(Settings(workspace=tmp_path, backend="inline"), backends={"inline": InlineBackend()})
    plane = ControlPlane(app, port=0)
    opened = os.open

    def full(path: Path, *rest: int) -> int:
        if "control.json" in str(path):
            os.close(opened(path, *rest))
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", full)
    plane.start_background()
    assert httpx.get(f"{plane.url}/health", trust_env=False).json() == {"status": "ok"}
    assert list(tmp_path.glob("*control.json*")) == []
    monkeypatch.undo()
    plane.stop()


def test_a_second_signal_leaves_the_attempts_to_the_next_start(start: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> None:
    house = start()
    abandoned = threading.Event()

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def abandon() -> None:
        abandoned.set()

    monkeypatch.setattr(house.app, "stop", hangs)
    monkeypatch.setattr(house.app.engine, "abandon", abandon)
    loop = house.plane.loop
    assert loop is not None
    loop.call_soon_threadsafe(house.plane._signalled)
    loop.call_soon_threadsafe(house.plane._signalled)
    house.plane.stop()
    assert abandoned.is_set()
    assert not (house.app.settings.workspace / "control.json").exists()


def test_a_database_password_is_not_shown() -> None:
    shown = settings._without_password("postgresql://arc:s3cr3t@db.example:5432/arc")
    assert shown == "postgresql://***@db.example:5432/arc"
    assert settings._without_password(["a@b"]) == ["a@b"]


def test_where_it_is_is_said_as_soon_as_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, tries = ControlPlane._write_file, []

    def full_at_first(plane: ControlPlane) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        write(plane)

    monkeypatch.setattr(ControlPlane, "_write_file", full_at_first)
    monkeypatch.setattr("arc.api.control._AGAIN_S", 0.0)
    plane = ControlPlane(build(Settings(workspace=tmp_path, backend="inline"), backends={"inline": InlineBackend()}), port=0)
    with Inotify() as watch:
        watch.add_watch(tmp_path, Mask.MOVED_TO)
        plane.start_background()
        while address(tmp_path) is None:
            assert watch.sync_get() is not None
    assert address(tmp_path) == plane.url
    plane.stop()
