"""The reaper: the parent of one attempt, which outlives the warm server and the control plane.

It is a fork of the warm server, leads a session of its own and is a child subreaper: whatever the attempt
starts and loses ends up as the reaper's child, daemons included. It publishes which process the attempt is
before that process runs any code of the recipe, waits, ends every descendant, and writes how it all ended. So
the exit status survives the death of everyone else; and no parent-death signal is used, because that fires
when a *thread* of the parent ends. A limit of memory is a control group around the attempt, not around the
reaper, which must live to say that the kernel hit it (`arc.core.groups`).

After the fork it imports nothing and leaves by os._exit. Not covered: a descendant in uninterruptible sleep
keeps the reaper waiting, and the attempt counts as alive until it is gone.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from arc.core import groups
from arc.core.attempt import ProcessIdentity
from arc.core.journal import EXIT, NO_ROOM, ORDER, PROCESS, STDERR, STDOUT
from arc.core.process import everyone, stat
from arc.worker.durable import disk_full
from arc.worker.outcomes import complain
from arc.worker.stopping import StopRequest

AttemptMain = Callable[..., int]
_HELD_BACK: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NAME: Final = 15
_EXIT_SIZE: Final = 64  # bytes set aside for exit.json, so that a full disk does not swallow it
_PACKET: Final = 64 << 10
_libc = ctypes.CDLL(None, use_errno=True)


def run(orders: socket.socket, *, shut: Sequence[int], boot: str, attempt: AttemptMain) -> NoReturn:
    """Be the reaper of one attempt, which waits with it for its order: a staging folder, and the pipe with the secret.

    Answers in one packet of JSON which process the attempt is, or why there is none. Ends when nobody can send an order any more.
    """
    code, begun = 70, False
    try:
        for descriptor in shut:
            os.close(descriptor)
        _settle()
        gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = os.fork()
        if child == 0:
            _be_the_attempt(theirs, shut=(orders, gate), attempt=attempt)
        os.setpgid(child, child)  # the child does so too: whoever is first, the group is there when it is published
        theirs.close()
        order, descriptors, _, _ = socket.recv_fds(orders, _PACKET, 1, socket.MSG_CMSG_CLOEXEC)
        if order:
            staging = Path(os.fsdecode(order))
            _open_logs(staging)
            _let_begin(staging, child, secret=descriptors[0], orders=orders, gate=gate, boot=boot)
            begun = True
            status = _wait_for(child)
            _end_descendants()
            _write_exit(staging, status, kills=_leave_group(staging))
        else:
            gate.close()
            _wait_for(child)
        code = 0
    except OSError as error:
        complain(error, sys.stderr)
        if not begun:
            _tell(orders, {"error": f"{type(error).__name__}: {error}", "full": error.errno == errno.ENOSPC})
    finally:
        os._exit(code)


def _settle() -> None:
    os.setsid()
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this kernel has no child subreaper")
    _libc.prctl(_PR_SET_NAME, b"arc-reaper", 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)  # the attempt lets them through when it can hear them


def _open_logs(staging: Path) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for path, number in ((staging / STDOUT, 1), (staging / STDERR, 2)):
        descriptor = os.open(path, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    (staging / f".{EXIT}").write_bytes(b" " * _EXIT_SIZE)


def _be_the_attempt(gate: socket.socket, *, shut: Sequence[socket.socket], attempt: AttemptMain) -> NoReturn:
    code = 71
    try:
        os.setpgid(0, 0)
        for end in shut:
            end.close()
        stop = StopRequest()
        stop.install()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _libc.prctl(_PR_SET_NAME, b"arc-attempt", 0, 0, 0)
        order, descriptors, _, _ = socket.recv_fds(gate, _PACKET, 3, socket.MSG_CMSG_CLOEXEC)
        gate.close()
        if order:
            secret, *logs = descriptors
            for descriptor, number in zip(logs, (1, 2), strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
            code = attempt(Path(os.fsdecode(order)), secret=secret, stop=stop)
    except Exception as error:  # noqa: BLE001 - before the recipe runs: the staging folder or the order is broken
        complain(error, sys.stderr)
        code = NO_ROOM if isinstance(error, OSError) and disk_full(error) else 1
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)


def _let_begin(staging: Path, child: int, *, secret: int, orders: socket.socket, gate: socket.socket, boot: str) -> None:
    """Publish which process the attempt is, then let it begin; when that fails, it never does."""
    try:
        own, found = stat(os.getpid()), stat(child)
        if own is None or found is None:
            raise ProcessLookupError(errno.ESRCH, "the attempt was gone before it began")
        identity = ProcessIdentity(
            pid=child,
            start_time=found.start_time,
            boot_id=boot,
            reaper_pid=os.getpid(),
            reaper_start_time=own.start_time,
            began=int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")),
        )
        _wall_in(staging, child)
        publish(staging, identity)
    except OSError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        _leave_group(staging)
        raise
    try:
        socket.send_fds(gate, [os.fsencode(staging)], [secret, 1, 2])
    except OSError:
        pass  # it was killed just now; how it ended is what is said of it
    gate.close()
    os.close(secret)
    _tell(orders, {"identity": identity.model_dump()})
    orders.close()


def _wall_in(staging: Path, child: int) -> None:
    """Put the attempt into a group of its own when its order limits its memory and a group can be had; else it is watched."""
    try:
        limit_gb = json.loads((staging / ORDER).read_bytes()).get("memory_gb")
    except (OSError, ValueError):  # the attempt itself says what is wrong with its order
        limit_gb = None
    group = groups.make(staging.name, limit_gb) if isinstance(limit_gb, int | float) else None
    if group is not None:
        try:
            (staging / groups.GROUP).write_text(str(group))
            groups.join(group, child)
        except OSError:
            groups.remove(group)


def _leave_group(staging: Path) -> int:
    """Remove the group of an attempt that is gone; how many of its processes the kernel had killed for want of memory."""
    group = groups.of_staging(staging)
    if group is None:
        return 0
    found = groups.kills(group)
    groups.remove(group)
    return found


def publish(staging: Path, identity: ProcessIdentity) -> None:
    """Write process.json, whole; FileExistsError when the launch was revoked.

    Not synced: that would cost a start tens of milliseconds on a busy disk, and a loss of power, the one thing it
    would guard against, ends the attempt as well.
    """
    part = staging / f".{PROCESS}"
    part.write_text(identity.model_dump_json())
    try:
        os.link(part, staging / PROCESS)
    finally:
        part.unlink()


def _tell(orders: socket.socket, answer: dict[str, object]) -> None:
    try:
        orders.send(json.dumps(answer).encode())
    except OSError:
        pass  # the warm server is gone; process.json says it too


def _wait_for(child: int) -> int:
    """Wait until the attempt ends, clearing away what it orphans meanwhile; its wait status."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


def _end_descendants() -> None:
    """Kill until there is no child left; grandchildren become children when their parent dies."""
    wait_s = 0.001
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                wait_s = 0.001
        except ChildProcessError:
            return
        own = os.getpid()
        for pid, found in everyone():
            if found.parent == own:
                os.kill(pid, signal.SIGKILL)  # a child of ours that was not waited for: the pid cannot be another's
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, 0.2)


def _write_exit(staging: Path, status: int, *, kills: int = 0) -> None:
    ended = os.WIFSIGNALED(status)
    how = {"code": None if ended else os.WEXITSTATUS(status), "signal": os.WTERMSIG(status) if ended else None}
    if kills:
        how["oom_kills"] = kills
    write_exit(staging, how)


def write_exit(staging: Path, how: dict[str, int | None]) -> None:
    """Write exit.json, whole, into the space that was set aside for it.

    Not synced, as `process.json` is not: after a loss of power nobody has to ask whether the attempt is gone, and its
    outcome, which is on disk, says what it has done.
    """
    part = staging / f".{EXIT}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o644)
    os.pwrite(descriptor, json.dumps(how).encode().ljust(_EXIT_SIZE), 0)
    os.close(descriptor)
    part.rename(staging / EXIT)
