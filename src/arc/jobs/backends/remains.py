"""Remains: what an attempt leaves running when its reaper was killed, and ending it.

With a living reaper nothing remains: it ends every descendant. Without it they are found by two marks that they
cannot lose by accident: the session that the reaper led, and, for daemons with a session of their own, the
variable ARC_PROCESS in the environment that they were started with. A child between its fork and its exec bears
neither, so all that is found is first halted, children included, and only then killed.

Not covered: a daemon that has both a session of its own and an environment of its own.
"""

import signal
import time
from pathlib import Path
from typing import Final

from arc.core.attempt import ProcessIdentity
from arc.core.process import Stat, everyone, send, stat

_LOOK_AGAIN_S: Final = 0.02
_QUIET_LOOKS: Final = 2  # what was between fork and exec at the first look shows its mark at the second
_GIVE_UP_S: Final = 5.0

_Found = set[tuple[int, int]]  # (pid, start time)


def remains(identity: ProcessIdentity) -> _Found:
    """Each living process that belongs to the attempt, the attempt itself included."""
    alive = dict(everyone())
    session = None if _reused(identity) else identity.reaper_pid
    found = {pid for pid, about in alive.items() if _belongs(pid, about, identity, session)}
    while children := {pid for pid, about in alive.items() if about.parent in found} - found:
        found |= children
    return {(pid, alive[pid].start_time) for pid in found}


def _belongs(pid: int, about: Stat, identity: ProcessIdentity, session: int | None) -> bool:
    if pid == identity.pid:
        return about.start_time == identity.start_time
    if about.start_time < identity.start_time:
        return False
    variables = _variables(pid)
    mark = f"ARC_PROCESS={identity.pid}.{identity.start_time}".encode()
    return mark in variables or (about.session == session and b"ARC_WORKER=1" in variables)


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
    quiet = 0
    while quiet < _QUIET_LOOKS:
        found = _halt(identity)
        for pid, start_time in found:
            send(pid, start_time, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        if time.perf_counter() > end:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True


def _halt(identity: ProcessIdentity) -> _Found:
    """Stop all that belongs to the attempt, until a look finds nothing new; what is stopped forks no more."""
    halted: _Found = set()
    while new := remains(identity) - halted:
        for pid, start_time in new:
            send(pid, start_time, signal.SIGSTOP)
        halted |= new
    return halted
