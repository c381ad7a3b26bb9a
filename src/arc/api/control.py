"""The control plane: one app served on one address, from its first lock to its last byte.

`run` serves from the main thread until a signal; `start_background` serves from a thread of a process that
does something else (a command without a running control plane). In both cases the address is bound before
anything is announced, and `<workspace>/control.json` says where, for commands and dashboards, only while it
is true.

Stopping goes from the outside inwards: no new connections, open streams and waits are told to end, what is
still open after a few seconds is cut, then the engine lets its attempts checkpoint, then the store closes.
A second signal skips the waiting: the attempts are left running, and the next start adopts them.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI

from arc.api.server import create_app
from arc.app import App
from arc.core import process
from arc.core.errors import ArcError, Conflict, InvalidSpec, PermanentError
from arc.telemetry import logs

CONTROL_FILE: Final = "control.json"
_AGAIN_S: Final = 2.0
_CONNECTIONS_END_S = 3
_HEAD_S = 30.0  # for the head of a request to arrive
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call an address that means all of them
_log = structlog.get_logger(__name__)


class ControlPlane:
    """Serves one app; used once. `url` is known as soon as the object is made."""

    def __init__(self, app: App, host: str | None = None, port: int | None = None, *, engine: bool = True) -> None:
        self.app = app
        self._host = app.settings.host if host is None else host
        self._engine = engine
        self._check_exposure()
        self._socket = _bind(self._host, app.settings.port if port is None else port)
        shown = _ANY.get(self._host, self._host)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://[{shown}]:{self.port}" if ":" in shown else f"http://{shown}:{self.port}"
        self._file = app.settings.workspace / CONTROL_FILE
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._hurry: asyncio.Event | None = None

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, from the main thread, with logs on standard error; the errors of `App.start`."""
        logs.configure(as_json=self.app.settings.log_json)
        asyncio.run(self._serve(signals=True))

    def start_background(self, *, timeout_s: float = 60.0) -> None:
        """Serve from a thread, and return when requests are answered; the errors of `App.start` are raised here."""
        if not structlog.is_configured():
            logs.configure(as_json=self.app.settings.log_json, level=logging.WARNING)  # the output belongs to the command
        self._thread = threading.Thread(target=self._in_thread, name="control-plane", daemon=True)
        self._thread.start()
        if not self._ready.wait(timeout_s):
            self.stop()
            raise PermanentError(f"the control plane did not start within {timeout_s:.0f} s")
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self, *, timeout_s: float = 60.0) -> None:
        """End serving and wait until everything is closed; from any thread but its own. Stopping twice is no error."""
        if self.loop is not None and self._server is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
                self.loop.call_soon_threadsafe(self._server.end)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._serve(signals=False))
        except (ArcError, OSError) as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self, *, signals: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self._hurry = asyncio.Event()
        web = create_app(self.app)
        self._server = _Server(_config(web), web.state.stopping)
        try:
            self.app.claimer.control_url = self.url  # where attempts find this control plane
            await self.app.start(engine=self._engine)
        except BaseException:
            self._socket.close()
            self.app.close()
            raise
        if signals:
            self._take_signals()
        try:
            await self._server.serve_until_told(self._socket, self._announce)
        finally:
            self._retract()
            self._socket.close()  # closed already, unless serving did not even begin
            await self._close()

    async def _close(self) -> None:
        """Stop the app; when told to hurry, let its attempts run on for the next start to adopt."""
        assert self._hurry is not None
        stopping = asyncio.create_task(self.app.stop())
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if stopping.done():
            stopping.result()
            return
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await self.app.engine.abandon()
        self.app.hub.close()
        self.app.close()

    def _take_signals(self) -> None:
        assert self.loop is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        assert self._server is not None
        assert self._hurry is not None
        if self._server.should_exit:
            self._server.force_exit = True
            self._hurry.set()
        self._server.end()

    def _announce(self) -> None:
        if self._engine:
            self._say_where()
        _log.info("serving", url=self.url, workspace=str(self.app.settings.workspace), engine=self._engine)
        self._ready.set()

    def _say_where(self) -> None:
        """Write `control.json`; on a full disk serve all the same, and try again until there is room."""
        try:
            self._write_file()
        except OSError as error:
            _log.warning("control.json cannot be written, trying again", error=str(error))
            if self.loop is not None and self._server is not None and not self._server.should_exit:
                self.loop.call_later(_AGAIN_S, self._say_where)

    def _write_file(self) -> None:
        """Say where the control plane of the workspace is; a process that only reads must not hide the one that runs the jobs."""
        own = process.stat(os.getpid())
        text = json.dumps({"url": self.url, "pid": os.getpid(), "start_time": own.start_time if own else 0})
        fresh = self._file.with_name(f".{CONTROL_FILE}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
            fresh.replace(self._file)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise

    def _retract(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self._file.read_text())["pid"] == os.getpid():
                self._file.unlink()

    def _check_exposure(self) -> None:
        if self._host not in _LOOPBACK and not self.app.settings.allowed_hosts:
            raise InvalidSpec(
                f"serving on {self._host} opens the control plane to the network: name the hosts it may be called by "
                "with ARC_ALLOWED_HOSTS or `allowed_hosts` in arc.toml",
                field="host",
                value=self._host,
            )


class _Server(uvicorn.Server):
    """uvicorn, without its signal handling, told to stop by an event instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._announce: Callable[[], None] | None = None
        self._silent: dict[tuple[Any, int], float] = {}  # a connection before its next request -> since when

    async def serve_until_told(self, listener: socket.socket, announce: Callable[[], None]) -> None:
        """Serve on a bound socket; `announce` is called when requests are answered."""
        self._announce = announce
        await self.serve(sockets=[listener])

    def _cut_silent(self) -> None:
        """Close connections that have not sent the head of a request for long: uvicorn itself would wait for ever."""
        now = asyncio.get_running_loop().time()
        before, self._silent = self._silent, {}
        connections: set[Any] = self.server_state.connections
        for connection in connections:
            cycle = connection.cycle
            if cycle is None or cycle.response_complete:
                since = self._silent[connection, id(cycle)] = before.get((connection, id(cycle)), now)
                if now - since > _HEAD_S:
                    connection.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections; one that is still open after its time is cut, whatever it holds."""
        for listener in [listener for server in self.servers for listener in server.sockets]:
            asyncio.get_running_loop().remove_reader(listener)
        await _rounds(2)  # what was accepted a moment ago becomes a connection; asyncio would lose it on a closed server
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await _rounds(2)  # each transport tells its protocol that it is gone

    def end(self) -> None:
        """Stop serving; from the event loop only."""
        self.should_exit = True
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the control plane."""
        yield

    async def main_loop(self) -> None:
        """Wait until told to stop, refreshing the Date header once a second."""
        if self._announce is not None:
            self._announce()
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 10) % 864_000
            self._cut_silent()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stopping.wait()


async def _rounds(count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def _config(web: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        web,
        lifespan="off",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,  # it would write paths with their queries; the guard logs paths alone
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_CONNECTIONS_END_S,
        h11_max_incomplete_event_size=32 * 1024,
    )


def _bind(host: str, port: int) -> socket.socket:
    """A listening address of our own; Conflict when it is taken, InvalidSpec when it is none of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidSpec(f"host {host!r} cannot be used: {error.strerror or error}", field="host", value=host) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise Conflict(
            f"port {port} on {host} cannot be taken ({error.strerror}): stop what uses it, or give another with ARC_PORT or --port",
            field="port",
            value=port,
        ) from None
    listener.setblocking(False)
    return listener
