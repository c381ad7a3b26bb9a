"""Parsers that misbehave, for the sandbox to contain."""

import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path

from arc.core.errors import BadData, PermanentError, TooLarge


def size(path: str) -> dict:
    return {"size": len(Path(path).read_bytes()), "name": path}


def echo(value):
    return value


def raw(path: str) -> bytes:
    return bytes(range(256)) + b"\n" + Path(path).read_bytes()


def segfault(path: str) -> None:
    ctypes.string_at(0)


def abort(path: str) -> None:
    os.abort()


def spin(path: str) -> None:
    while True:
        pass


def sleep(path: str) -> None:
    time.sleep(60)


def exit_silently(path: str) -> None:
    os._exit(0)


def system_exit(path: str) -> None:
    sys.exit(3)


def bomb(path: str) -> int:
    return len(bytearray(3_000_000_000))


def babble(path: str) -> bytes:
    return bytes(3_000_000)


def chatter(path: str) -> str:
    for _ in range(2000):
        print("x" * 1000)
        os.write(2, b"y" * 1000)
    return "answer"


def fake(path: str) -> str:
    os.write(1, b'{"kind":"json"}\n"forged"')
    return "true"


def value_error(path: str) -> None:
    raise ValueError("a <wrong> thing")


def bad_data(path: str) -> None:
    raise BadData("the depth is wrong", field="depth")


def too_large(path: str) -> None:
    raise TooLarge("it has 10 GB")


def broken(path: str) -> None:
    raise PermanentError("not the caller's fault")


def no_json(path: str) -> object:
    return {1, 2}


def not_a_number(path: str) -> float:
    return float("nan")


def write(path: str) -> None:
    Path(path).with_suffix(".out").write_bytes(b"x" * 1000)


def deep(path: str) -> list:
    found: list = []
    for _ in range(900):
        found = [found]
    return found


def grandchild(path: str) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(1)
        time.sleep(60)
        os._exit(0)
    return pid


def surroundings() -> dict:
    return {"environment": sorted(os.environ), "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")), "cwd": os.getcwd()}


def call_out(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return "reached"
