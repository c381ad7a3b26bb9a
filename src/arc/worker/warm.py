"""The warm server: torch and the recipes in memory, ready to fork; `python -m arc.worker.warm --socket FD`.

Importing torch takes seconds, a fork milliseconds. The server imports and does nothing else: one tensor
operation before the fork would start native threads, which the child lacks and waits for forever. So it counts
its native threads before each fork. A recipe whose import starts a thread is left out (its attempts import it
themselves), and when code or plug-ins have changed on disk it starts itself over: both by exec, which keeps the
pid, the socket and the requests that wait in it.

It speaks packets of JSON over a Unix socket pair that it inherits: a request names a staging folder and brings
the read end of a pipe with the attempt's secret, which it never reads; the answer is the attempt's identity.
It ends when the other end is closed, and the reapers it forked live on.

While nothing is asked of it, it forks the next reaper and attempt ahead. They wait on a socket for their order, have
seen nothing of any job, and end when the server does or starts over, because then the socket is closed.
"""

import argparse
import gc
import importlib
import importlib.util
import json
import os
import select
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
_IDLE_S = 0.05  # without a request for so long, the next attempt is forked ahead: the one that has just begun comes first


@dataclass(frozen=True)
class Arguments:
    """The command line."""

    socket: int
    preload: tuple[str, ...] | None  # recipes to import beforehand, or `torch`; None for all
    cold: tuple[str, ...]  # what starts threads when it is imported, found by an earlier round
    slim: bool = False  # only the recipes that say of themselves that they import little, and no torch


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="arc.worker.warm")
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--preload", nargs="*")
    parser.add_argument("--cold", nargs="*", default=[])
    parser.add_argument("--slim", action="store_true")
    found = parser.parse_args(argv)
    return Arguments(found.socket, None if found.preload is None else tuple(found.preload), tuple(found.cold), found.slim)


def native_threads() -> int:
    """Threads of this process as the kernel counts them."""
    return len(list(Path("/proc/self/task").iterdir()))


def preload(arguments: Arguments) -> dict[str, str]:
    """Import what is wanted; names and errors of what cannot be. Starts over when an import starts a thread."""
    broken: dict[str, str] = {}
    names = [_TORCH, *sorted(catalog.rows())] if arguments.preload is None else arguments.preload
    for name in names:
        if name in arguments.cold or (arguments.slim and name == _TORCH):
            continue
        try:
            if not arguments.slim or catalog.spec(name).slim:
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
    if arguments.slim:
        command += ["--slim"]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, our own arguments


def serve(link: socket.socket, arguments: Arguments, *, places: list[str], version: str) -> None:
    """Have an attempt begin for each request, one after the other, until the other end is closed."""
    spare: socket.socket | None = None
    while True:
        asked, _, _ = select.select([link], [], [], _IDLE_S if spare is None else None)
        if asked and not link.recv(1, socket.MSG_PEEK):
            return
        if native_threads() > 1 or code_version(places) != version:
            _start_over(arguments)
        try:
            spare = spare if spare is not None and _waits(spare) else park(link)
        except OSError:
            if asked:
                raise
        if asked and spare is not None:
            data, descriptors, _, _ = socket.recv_fds(link, _PACKET, 1, socket.MSG_CMSG_CLOEXEC)
            request = json.loads(data)
            answer = launch(spare, request["staging"], descriptors[0])
            spare = None
            link.send(json.dumps({"id": request["id"], **answer}).encode())


def park(link: socket.socket) -> socket.socket:
    """Fork a reaper with its attempt, which wait for their order; where it is sent to."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        reaper.run(theirs, shut=(link.detach(),), boot=boot_id(), attempt=attempt.main)
    theirs.close()
    return ours


def _waits(spare: socket.socket) -> bool:
    """Whether a reaper that was forked ahead is still there: it says nothing before it is asked."""
    readable, _, _ = select.select([spare], [], [], 0)
    if readable:
        spare.close()
    return not readable


def launch(spare: socket.socket, staging: str, secret: int) -> dict[str, Any]:
    """Give a waiting reaper its order and return what it says: the identity of the attempt, why there is none, or that it said nothing."""
    try:
        socket.send_fds(spare, [os.fsencode(staging)], [secret])
        said = spare.recv(_PACKET)
    except (BrokenPipeError, ConnectionResetError):
        said = b""
    finally:
        os.close(secret)
        spare.close()
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
