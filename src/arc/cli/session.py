"""Session: a client of the control plane that serves the workspace, or of one that this process starts.

There is one way to the jobs: HTTP. When a control plane runs the jobs of the workspace it is used; otherwise
one is started in a thread of this process, on a free loopback port, for as long as the command runs. Commands
that do work start the engine too, commands that only look do not. A workspace that does not exist is made by
the former; the latter say that there is nothing yet.

Ctrl-C and SIGTERM end the block: what runs in this process then writes a checkpoint and goes back into the
queue. Not covered: an engine that another process holds without serving it; the app then says its pid.
"""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from arc.cli.output import note
from arc.client import Client
from arc.client.control import address, token
from arc.core.errors import NotFound, ServiceDown
from arc.settings import Settings

_LOG_BYTES = 5_000_000  # a log beyond this is set aside once, under `.1`


@dataclass(frozen=True)
class Link:
    """How this command reaches the jobs."""

    client: Client
    own: bool  # the control plane lives in this process and ends with it
    engine: bool  # something runs the jobs


class Interrupted(Exception):
    """A person or the system asked this command to end; the message says how to go on."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def session(settings: Settings, *, engine: bool, make: bool = False) -> Iterator[Link]:
    """A link to the jobs of the workspace; with `engine`, one that runs them.

    NotFound when the command only looks, does not `make` the workspace, and there is nothing yet; Conflict when
    another process holds the engine.
    """
    served = serving(settings)
    if served is not None:
        with served:
            yield Link(served, own=False, engine=True)
        return
    if not engine and not make:
        _check_there(settings)
    with _own_control_plane(settings, engine=engine) as link:
        yield link


def serving(settings: Settings) -> Client | None:
    """A client of the control plane that the settings name, or that runs the jobs of the workspace; None when there is none."""
    if settings.control_plane_url:
        return Client(settings.control_plane_url, token(settings.workspace))
    url = address(settings.workspace)
    if url is None:
        return None
    client = Client(url, token(settings.workspace))
    try:
        if client.health().get("runs_jobs"):
            return client
    except ServiceDown:
        pass  # it ended between the two looks
    client.close()
    return None


def _check_there(settings: Settings) -> None:
    if not settings.database_url and not (settings.workspace / "arc.db").exists():
        raise NotFound(
            f"there is nothing in {settings.workspace} yet: arc demo trains a first model there, arc init makes an empty workspace",
            field="workspace",
            value=str(settings.workspace),
        )


@contextmanager
def _own_control_plane(settings: Settings, *, engine: bool) -> Iterator[Link]:
    # Imported here, because `arc --help` and `arc jobs list` against a running control plane need none of it.
    from arc.api.control import ControlPlane
    from arc.app import build
    from arc.telemetry import logs

    settings.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = settings.workspace / "arc.log"
    if file.exists() and file.stat().st_size > _LOG_BYTES:
        file.replace(file.with_name("arc.log.1"))
    before = logging.getLogger().handlers[:]
    with file.open("a") as log, _terminable():
        logs.configure(as_json=settings.log_json, stream=log)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # our own requests, which the other side logs
        plane = ControlPlane(build(settings), host="127.0.0.1", port=0, engine=engine)
        try:
            plane.start_background()
            with Client(plane.url, token(settings.workspace)) as client:
                yield Link(client, own=True, engine=engine)
        except (KeyboardInterrupt, Interrupted):
            if engine:
                note("Stopping: what runs writes a checkpoint first …")
            raise
        finally:
            plane.stop(timeout_s=settings.shutdown_s + 30)
            logging.getLogger().handlers[:] = before


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block like Ctrl-C, so that nothing in it is simply cut off."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise Interrupted("Stopped; what was running goes on with arc serve.", exit_code=128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
