"""Sandbox: a function that parses a foreign file runs in a short-lived, limited child.

Image, MATLAB and tensor parsers are native code that strangers can crash. `parse(function, path)` starts a
fresh interpreter, imports the function there by name, sets its limits, calls it and reads the answer from
a pipe. A crash, a bomb or an endless loop ends the child; the caller gets `BadData` that names the file.

Why a fresh interpreter and not a fork: the caller may be a training process with native threads, and a forked
child of such a process can hang for ever in a lock that no thread will release. `subprocess` without a hook
in the child is safe there, costs about 35 ms and the imports of the function's module (keep that module light),
and starts without the caller's memory, environment and open files. So hand it many files in one call.

Limits, set after the imports and so on top of what the code itself takes: memory (address space), processor
time, size of written files (none by default), open files, no core dump, wall time, size of the answer.
The network is cut off where the kernel allows it without privileges.

Not covered: reading other files of the same user, and holes in the kernel. It contains accidents and
crashes of parsers; it is no prison for hostile programs.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from arc.core.errors import BadData, CallerError, InvalidSpec, TooLarge, all_errors
from arc.core.process import signal_name

T = TypeVar("T")
R = TypeVar("R")

_BOOT = "import sys; sys.path[:] = {path!r}; from arc.kit.sandbox_child import main; main()"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_CALLER_ERRORS = {error.__name__: error for error in all_errors() if issubclass(error, CallerError)}


def parse(
    function: Callable[..., Any],
    *args: Any,
    cpu_s: int = 10,
    memory_mb: int = 1024,
    timeout_s: float = 30.0,
    write_mb: int = 0,
    answer_mb: int = 64,
    what: str | None = None,
) -> Any:
    """What `function(*args)` answers, computed in a limited child: a JSON value, or bytes when it answers bytes.

    `function` is a module's own function (imported by name in the child), `args` are JSON values or paths; `what`
    names the thing in errors (by default the first path). Errors of the caller's kind that the function raises
    (`BadData`, `TooLarge`, ...) come out as they are; any other exception, crash, or exceeded limit is `BadData`,
    exceeded memory `TooLarge`. InvalidSpec when the function or an argument cannot be handed over.
    """
    name = what or next((arg.name for arg in args if isinstance(arg, Path)), function.__name__)
    request = json.dumps(
        {
            "module": function.__module__,
            "function": _importable(function),
            "args": [_plain(arg) for arg in args],
            "limits": {"cpu_s": cpu_s, "memory_mb": memory_mb, "wall_s": timeout_s + 5, "write_mb": write_mb},
        }
    )
    answer, status = _ask(request.encode(), timeout_s=timeout_s, limit=answer_mb * 1_000_000, name=name)
    return _read(answer, status, name=name, memory_mb=memory_mb, cpu_s=cpu_s)


def apart(ask: Callable[[Sequence[T]], list[R]], items: Sequence[T], lost: Callable[[T, CallerError], R]) -> list[R]:
    """`ask(items)`, in order; where that fails, each half is asked by itself, until the item that did it is alone: `lost` answers for it."""
    try:
        return ask(items)
    except (BadData, TooLarge) as error:
        if len(items) == 1:
            return [lost(items[0], error)]
    half = len(items) // 2
    return apart(ask, items[:half], lost) + apart(ask, items[half:], lost)


def _importable(function: Callable[..., Any]) -> str:
    qualified = getattr(function, "__qualname__", "")
    if "<" in qualified or "." in qualified or function.__module__ in ("__main__", None):
        raise InvalidSpec(f"{qualified or function!r} is not a module's own function, so a child cannot import it", field="function")
    return qualified


def _plain(arg: Any) -> Any:
    if isinstance(arg, Path):
        return str(arg.absolute())
    try:
        json.dumps(arg, allow_nan=False)
    except (TypeError, ValueError):
        raise InvalidSpec(f"an argument of type {type(arg).__name__} cannot be handed to a child", field="args") from None
    return arg


def _ask(request: bytes, *, timeout_s: float, limit: int, name: str) -> tuple[bytes, int]:
    """Run the child; its answer and return code (negative: the signal that ended it)."""
    code = _BOOT.format(path=[str(Path(entry).absolute()) for entry in sys.path if entry])
    child = subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        answer = _converse(child, request, deadline=time.perf_counter() + timeout_s, limit=limit, name=name)
    finally:
        _end(child)
    return answer, child.returncode


def _converse(child: subprocess.Popen[bytes], request: bytes, *, deadline: float, limit: int, name: str) -> bytes:
    """Hand over the request and take the answer until the child is gone, whatever its own children do."""
    assert child.stdin is not None
    assert child.stdout is not None
    for pipe in (child.stdin, child.stdout):
        os.set_blocking(pipe.fileno(), False)
    received = bytearray()
    gone = os.pidfd_open(child.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdin, selectors.EVENT_WRITE)
            selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(gone, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(max(0.0, deadline - time.perf_counter()))]
                if not ready:
                    raise BadData(f"{name}: reading it took too long and was stopped", field=name)
                if child.stdin in ready:
                    request = _send(child, selector, request)
                if child.stdout in ready and not _take(child.stdout.fileno(), received):
                    selector.unregister(child.stdout)
                if len(received) > limit:
                    raise TooLarge(f"{name}: what was read from it exceeds {limit // 1_000_000} MB", field=name)
                if ready == [gone]:  # and nothing of its answer is left in the pipe
                    return bytes(received)
    finally:
        os.close(gone)


def _take(pipe: int, received: bytearray) -> bool:
    """Append what the pipe holds now; False at its end."""
    chunk = os.read(pipe, 1 << 20)
    received += chunk
    return bool(chunk)


def _send(child: subprocess.Popen[bytes], selector: selectors.BaseSelector, request: bytes) -> bytes:
    """Write what the pipe takes; returns what is left. A child that is gone says why by its exit."""
    assert child.stdin is not None
    try:
        rest = request[os.write(child.stdin.fileno(), request) :]
    except BrokenPipeError:
        rest = b""
    if not rest:
        selector.unregister(child.stdin)
        child.stdin.close()
    return rest


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it started. Not waited for until then, it keeps the number of its group from being reused."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None and not pipe.closed:
            pipe.close()


def _read(answer: bytes, status: int, *, name: str, memory_mb: int, cpu_s: int) -> Any:
    head, newline, body = answer.partition(b"\n")
    if status < 0:
        if -status == signal.SIGXCPU:
            raise BadData(f"{name}: reading it took more than {cpu_s} s of processor time", field=name)
        if -status == signal.SIGALRM:
            raise BadData(f"{name}: reading it took too long and was stopped", field=name)
        raise BadData(f"{name}: reading it crashed the parser ({signal_name(-status)})", field=name)
    try:
        said = json.loads(head, parse_constant=_refuse) if newline else None
        value = json.loads(body, parse_constant=_refuse) if isinstance(said, dict) and said.get("kind") == "json" else body
    except (ValueError, RecursionError):
        said = None
    if status not in (0, 1) or not isinstance(said, dict) or (status == 1) != (said.get("kind") == "error"):
        raise BadData(f"{name}: the parser ended without an answer (exit code {status})", field=name)
    if said.get("kind") == "error":
        raise _error(said, name=name, memory_mb=memory_mb)
    return value


def _error(said: dict[str, Any], *, name: str, memory_mb: int) -> CallerError:
    kind, message = str(said.get("class")), str(said.get("message"))[:2000]
    if kind == "MemoryError":
        return TooLarge(f"{name}: reading it takes more than {memory_mb} MB", field=name)
    if kind in _CALLER_ERRORS:
        field = said.get("field")
        return _CALLER_ERRORS[kind](message, field=str(field)[:200] if field is not None else name)
    return BadData(f"{name}: {kind}: {message}", field=name)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")
