"""Remains: what an attempt leaves running when its reaper was killed, and ending it.

With a living reaper nothing remains: it ends every descendant. Without it they are found by two marks that they
cannot lose by accident: the session that the reaper led, and, for daemons with a session of their own, the
variable ARC_PROCESS in the environment that they were started with.

Not covered: a daemon that has both a session of its own and an environment of its own.
"""

import signal
import time
from pathlib import Path
from typing import Final

from arc.core.attempt import ProcessIdentity
from arc.core.process import everyone, send, stat

_LOOK_AGAIN_S: Final = 0.02
_GIVE_UP_S: Final = 5.0


def remains(identity: ProcessIdentity) -> list[tuple[int, int]]:
    """(pid, start time) of each living process that belongs to the attempt, the attempt itself included."""
    mark = f"ARC_PROCESS={identity.pid}.{identity.start_time}".encode()
    session = None if _reused(identity) else identity.reaper_pid
    found = []
    for pid, about in everyone():
        variables = _variables(pid)
        itself = pid == identity.pid and about.start_time == identity.start_time
        if itself or mark in variables or (about.session == session and b"ARC_WORKER=1" in variables):
            found.append((pid, about.start_time))
    return found


def _reused(identity: ProcessIdentity) -> bool:
    """Whether the reaper's pid now belongs to another process, and with it the number of its session."""
    if identity.reaper_pid is None:
        return True
    leader = stat(identity.reaper_pid)
    return leader is not None and leader.start_time != identity.reaper_start_time


def _variables(pid: int) -> frozenset[bytes]:
    try:
        return frozenset(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:  # gone meanwhile, or another user's
        return frozenset()


def sweep(identity: ProcessIdentity) -> bool:
    """Kill what remains until nothing does; False when something is still there after five seconds."""
    end = time.perf_counter() + _GIVE_UP_S
    while found := remains(identity):
        for pid, start_time in found:
            send(pid, start_time, signal.SIGKILL)
        if time.perf_counter() > end:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True
