"""The child's side of the sandbox: import, limit, call, answer. Started by `arc.kit.sandbox`, never imported by others.

The answer is one line of JSON saying what follows (`json`, `bytes`, or an `error` with class, message and field)
and then the value. It goes through a descriptor that only this module knows; what a parser prints to its
standard output is thrown away, so that it cannot be taken for an answer.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arc.core.errors import ArcError

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_OPEN_FILES = 64


def main() -> None:
    """Serve one request from standard input and exit: code 0 with a value, 1 with an error, else without an answer."""
    answer = os.dup(1)
    os.dup2(2, 1)
    sys.excepthook = lambda _class, error, _trace: _write(answer, _error(error))
    request = json.loads(sys.stdin.buffer.read())
    signal.setitimer(signal.ITIMER_REAL, request["limits"]["wall_s"])  # ends it even when the caller has died
    _cut_network()
    function = getattr(importlib.import_module(request["module"]), request["function"])
    _limit(request["limits"])
    _write(answer, _encode(function(*request["args"])))
    os._exit(0)  # parsers may leave threads and exit hooks behind; nothing of them is wanted


def _write(answer: int, payload: bytes) -> None:
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(payload)


def _encode(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return b'{"kind":"bytes"}\n' + bytes(value)
    return b'{"kind":"json"}\n' + json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _error(error: BaseException) -> bytes:
    """Whatever a parser throws at a foreign file is the answer."""
    field = error.field if isinstance(error, ArcError) else None
    said = {"kind": "error", "class": type(error).__name__, "message": str(error)[:2000], "field": field}
    return json.dumps(said).encode() + b"\n"


def _limit(limits: Mapping[str, Any]) -> None:
    """Limits on top of what the interpreter and the imported code take already."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(spent.ru_utime + spent.ru_stime) + 1 + int(limits["cpu_s"])
    _set(resource.RLIMIT_AS, used + int(limits["memory_mb"]) * 1_000_000)
    _set(resource.RLIMIT_CPU, cpu_s, hard=cpu_s + 1)  # the soft limit sends SIGXCPU, which says what happened
    _set(resource.RLIMIT_FSIZE, int(limits["write_mb"]) * 1_000_000)
    _set(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _set(resource.RLIMIT_CORE, 0)


def _set(kind: int, soft: int, *, hard: int | None = None) -> None:
    present = resource.getrlimit(kind)[1]
    top = present if present != resource.RLIM_INFINITY else sys.maxsize
    resource.setrlimit(kind, (min(soft, top), min(hard or soft, top)))


def _cut_network() -> None:
    """A network namespace of its own, where the kernel lets us; as root alone, so that no right to files is lost."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    libc.unshare(flags)  # refused in many containers; then the other limits must do
