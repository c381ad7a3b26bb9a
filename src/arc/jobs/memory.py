"""Memory: what an attempt and its descendants use for themselves.

Resident memory counts what a forked attempt shares with the warm server (about 100 MB with torch), so the
limit is held against private pages: the unique set size of all that the reaper looks after, daemons included.
Where a control group can be made it is the wall (`arc.core.groups`) and this only a watch that finds nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import psutil

from arc.core.attempt import ProcessIdentity
from arc.jobs.attend import Attendance
from arc.jobs.house import House

_LONGEST_S: Final = 1.0  # between two looks at an attempt with a limit


async def watch(house: House, attending: Mapping[str, Attendance]) -> None:
    """For ever: ask each attempt that is over its limit to checkpoint and leave; it is ended when it does not."""
    while True:
        for attendance in [each for each in attending.values() if each.job.limits.memory_gb is not None]:
            if await house.run(_over, attendance):
                attendance.request("memory")
        await asyncio.sleep(min(house.sample_interval_s, _LONGEST_S))


def _over(attendance: Attendance) -> bool:
    limit_gb, identity = attendance.job.limits.memory_gb, attendance.identity
    return limit_gb is not None and identity is not None and private_gb(identity) > limit_gb


def private_gb(identity: ProcessIdentity) -> float:
    """Private memory of an attempt and its descendants, in GB; 0 when they are gone."""
    return sum(_unique(process) for process in _tree(identity)) / (1 << 30)


def _tree(identity: ProcessIdentity) -> list[psutil.Process]:
    try:
        if identity.reaper_pid is not None and psutil.pid_exists(identity.reaper_pid):
            return psutil.Process(identity.reaper_pid).children(recursive=True)
        root = psutil.Process(identity.pid)
        return [root, *root.children(recursive=True)]
    except (psutil.Error, OSError):  # a failed reading changes nothing
        return []


def _unique(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, OSError):
        return 0
