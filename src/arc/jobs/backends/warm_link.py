"""The control plane's end of the warm server: its process, the socket, and who waits for which answer.

Packets over a Unix socket pair, so that a message is whole or absent and the server may start itself over
without losing the requests that wait in the socket. The secret of an attempt travels in a pipe whose read end
is sent along: the server never has it in memory.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import structlog

_log = structlog.get_logger(__name__)
_PACKET: Final = 64 << 10
_END_S: Final = 1.0


class NotSent(ConnectionError):
    """The server was gone before it could be asked."""


class WarmLink:
    """A running warm server; lost for good when its process ends."""

    def __init__(self, process: subprocess.Popen[bytes], link: socket.socket, stderr: IO[bytes]) -> None:
        self.lost = False
        self.process = process
        self._socket = link
        self._stderr = stderr
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sending = asyncio.Lock()
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, environment: Mapping[str, str], preload: Sequence[str] | None, *, slim: bool) -> "WarmLink":
        """Start the server; it answers when it has imported everything, or with `slim` the little there is to import."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        command = [sys.executable, "-P", "-m", "arc.worker.warm", "--socket", str(theirs.fileno())]
        if preload is not None:
            command += ["--preload", *preload]
        if slim:
            command += ["--slim"]
        try:
            process = await asyncio.to_thread(_spawn, command, environment, theirs.fileno(), stderr)
        except OSError:
            ours.close()
            stderr.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours, stderr)

    async def launch(self, staging: Path, secret: str) -> dict[str, Any]:
        """The server's answer: `identity`, or `error`. NotSent when it was gone before, ConnectionError when it died over it."""
        key = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            await self._send(json.dumps({"id": key, "staging": str(staging)}).encode(), secret)
            return await answer
        finally:
            self._waiting.pop(key, None)

    async def close(self) -> None:
        """End the server; the attempts it forked live on."""
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        self._lose("it was closed")
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, _END_S)
        if self.process.returncode is None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)
        self._stderr.close()

    async def _send(self, message: bytes, secret: str) -> None:
        outlet, inlet = os.pipe()
        try:
            os.write(inlet, secret.encode())
            os.close(inlet)
            async with self._sending:
                while not self._try_to_send(message, outlet):
                    await self._room()
        finally:
            os.close(outlet)

    def _try_to_send(self, message: bytes, descriptor: int) -> bool:
        if self.lost:
            raise NotSent
        try:
            socket.send_fds(self._socket, [message], [descriptor])
        except BlockingIOError:
            return False
        except OSError as error:
            raise NotSent from error
        return True

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        free: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._socket, _set, free)
        try:
            await free
        finally:
            loop.remove_writer(self._socket)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(self._socket, _PACKET):
                self._take(json.loads(data))
        self.lost = True
        tail = await asyncio.to_thread(self._last_words)
        self._lose(tail or "it was killed")

    def _take(self, message: dict[str, Any]) -> None:
        if "hello" in message:
            for name, error in message["broken"].items():
                _log.warning("a recipe cannot be imported", recipe=name, error=error)
            _log.debug("the warm server is ready", pid=message["hello"], cold=message["cold"])
        elif (answer := self._waiting.get(message["id"])) is not None and not answer.done():
            answer.set_result(message)

    def _lose(self, why: str) -> None:
        self.lost = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError(f"the warm server is gone: {why}"))

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_S)
        self._stderr.seek(0)
        lines = self._stderr.read()[-4096:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines and self.process.returncode != 0 else ""


def _spawn(command: list[str], environment: Mapping[str, str], inherited: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=(inherited,),
        start_new_session=True,
    )


def _set(free: asyncio.Future[None]) -> None:
    if not free.done():
        free.set_result(None)
