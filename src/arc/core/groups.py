"""Groups: a wall of the kernel around the memory of one attempt, where this process may build one.

A control group below our own, in version 2 (`memory.max`) or version 1 (`memory.limit_in_bytes`). What the attempt
and its descendants take is charged to it, and what it shares with the warm server is not. When the wall is hit the
kernel ends the attempt and counts it, so that an end for want of memory is read and never guessed from signal 9.

The reaper makes the group and removes it when every descendant is gone; where it is stands in the staging folder
(`memory-group`), for whoever must clear up after a killed reaper. Without the right to make groups there is no
wall, and private memory is watched instead (`arc.jobs.memory`).

Not covered: version 2 where our own group holds processes and has no controller for those below (the kernel
forbids both at once); there the watch remains.
"""

from pathlib import Path
from typing import Final

GROUP: Final = "memory-group"  # in the staging folder: the path of the group
_MOUNT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_GB: Final = 1 << 30


def make(name: str, memory_gb: float, *, mount: Path = _MOUNT, own: Path = _OWN) -> Path | None:
    """A new group with a limit, below the one of this process; None where it may not be made."""
    home = _home(mount, own)
    if home is None:
        return None
    group = home / f"arc-{name}"
    limit = "memory.max" if (home / "cgroup.subtree_control").exists() else "memory.limit_in_bytes"
    try:
        if limit == "memory.max" and "memory" not in (home / "cgroup.subtree_control").read_text().split():
            (home / "cgroup.subtree_control").write_text("+memory")
        group.mkdir()
    except OSError:
        return None
    try:
        (group / limit).write_text(str(round(memory_gb * _GB)))
    except OSError:
        remove(group)
        return None
    for knob, value in (("memory.memsw.limit_in_bytes", str(round(memory_gb * _GB))), ("memory.swap.max", "0"), ("memory.oom.group", "1")):
        try:
            if (group / knob).exists():
                (group / knob).write_text(value)
        except OSError:
            pass  # a kernel without accounting of swap: the limit itself holds
    return group


def join(group: Path, pid: int) -> None:
    """Put a process into the group; what it starts from now on is born there. OSError when it cannot be."""
    (group / "cgroup.procs").write_text(str(pid))


def kills(group: Path) -> int:
    """How many processes of the group the kernel has killed for want of memory; 0 when the group is not there."""
    for name in ("memory.events", "memory.oom_control"):
        try:
            lines = (group / name).read_text().splitlines()
        except OSError:
            continue
        counts = (line.split() for line in lines)
        return sum(int(words[1]) for words in counts if len(words) == 2 and words[0] == "oom_kill" and words[1].isdigit())
    return 0


def remove(group: Path) -> bool:
    """Remove a group; False while there are processes in it."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def of_staging(staging: Path) -> Path | None:
    """The group that was made for the attempt of this staging folder; None when there is none any more."""
    try:
        group = Path((staging / GROUP).read_text())
    except OSError:
        return None
    return group if group.name == f"arc-{staging.name}" and group.is_dir() else None


def _home(mount: Path, own: Path) -> Path | None:
    """The folder of this process's own group, in the hierarchy that accounts for memory."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        below = path.lstrip("/")
        if ".." in below.split("/"):
            continue
        if "memory" in controllers.split(",") and (found := mount / controllers / below).is_dir():
            return found
        if number == "0" and not controllers and "memory" in _words(mount / below / "cgroup.controllers"):
            return mount / below
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
