"""The warm server: torch and the recipes in memory, ready to fork; `python -m arc.worker.warm --socket FD`.

Importing torch takes seconds, a fork milliseconds. The server imports and does nothing else: one tensor
operation before the fork would start native threads, which the child lacks and waits for forever. So it counts
its native threads before each fork. A recipe whose import starts a thread is left out (its attempts import it
themselves), and when code or plug-ins have changed on disk it starts itself over: both by exec, which keeps the
pid, the socket and the requests that wait in it.

It speaks packets of JSON over a Unix socket pair that it inherits: a request names a staging folder and brings
the read end of a pipe with the attempt's secret, which it never reads; the answer is the attempt's identity.
It ends when the other end is closed, and the reapers it forked live on.
"""

import argparse
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from arc import catalog
from arc.core.process import boot_id
from arc.worker import attempt, reaper
from arc.worker.code_version import code_version, roots

_PACKET = 64 << 10
_TORCH = "torch"


@dataclass(frozen=True)
class Arguments:
    """The command line."""

    socket: int
    preload: tuple[str, ...] | None  # recipes to import beforehand, or `torch`; None for all
    cold: tuple[str, ...]  # what starts threads when it is imported, found by an earlier round


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="arc.worker.warm")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--preload", nargs="*")
    parser.add_argument("--cold", nargs="*", default=[])
    found = parser.parse_args(argv)
    return Arguments(found.socket, None if found.preload is None else tuple(found.preload), tuple(found.cold))


def native_threads() -> int:
    """Threads of this process as the kernel counts them."""
    return len(list(Path("/proc/self/task").iterdir()))


def preload(arguments: Arguments) -> dict[str, str]:
    """Import what is wanted; names and errors of what cannot be. Starts over when an import starts a thread."""
    broken: dict[str, str] = {}
    names = [_TORCH, *sorted(catalog.rows())] if arguments.preload is None else arguments.preload
    for name in names:
        if name in arguments.cold:
            continue
        try:
            _import(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a recipe's module may raise anything; its attempts say so
            broken[name] = f"{type(error).__name__}: {error}"
        if native_threads() > 1:
            _start_over(arguments, cold=name)
    return broken


def _import(name: str) -> None:
    if name != _TORCH:
        catalog.run_side(name)
        catalog.spec(name)
    elif importlib.util.find_spec(_TORCH) is not None:
        importlib.import_module(_TORCH)


def _start_over(arguments: Arguments, *, cold: str | None = None) -> NoReturn:
    names = [*arguments.cold, *([cold] if cold else [])]
    command = [sys.executable, "-P", "-m", "arc.worker.warm", "--socket", str(arguments.socket)]
    if arguments.preload is not None:
        command += ["--preload", *arguments.preload]
    if names:
        command += ["--cold", *names]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, our own arguments


def serve(link: socket.socket, arguments: Arguments, *, places: list[str], version: str) -> None:
    """Fork an attempt for each request, one after the other, until the other end is closed."""
    while link.recv(1, socket.MSG_PEEK):
        if native_threads() > 1 or code_version(places) != version:
            _start_over(arguments)
        data, descriptors, _, _ = socket.recv_fds(link, _PACKET, 1, socket.MSG_CMSG_CLOEXEC)
        request = json.loads(data)
        answer = launch(link, Path(request["staging"]), descriptors[0])
        link.send(json.dumps({"id": request["id"], **answer}).encode())


def launch(link: socket.socket, staging: Path, secret: int) -> dict[str, Any]:
    """Fork a reaper and return what it says: the identity of the attempt, why there is none, or that it said nothing."""
    ready_out, ready_in = os.pipe()
    if os.fork() == 0:
        reaper.run(staging, secret=secret, ready=ready_in, shut=(link.detach(), ready_out), boot=boot_id(), attempt=attempt.main)
    os.close(secret)
    os.close(ready_in)
    with os.fdopen(ready_out, "rb") as ready:
        said = ready.readline()
    answer: dict[str, Any] = json.loads(said) if said else {"unknown": True, "error": "the reaper died without a word"}
    return answer


def main(argv: Sequence[str]) -> int:
    """Import, say hello, serve."""
    arguments = parse(argv)
    places = roots()
    version = code_version(places)
    broken = preload(arguments)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # reapers that end need no one to wait for them
    gc.collect()
    gc.freeze()  # what is shared with the attempts stays shared
    with socket.socket(fileno=arguments.socket) as link:
        try:
            link.send(json.dumps({"hello": os.getpid(), "broken": broken, "cold": arguments.cold}).encode())
            serve(link, arguments, places=places, version=version)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the control plane was killed
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
