"""Cgroups: what a container may really use, which is often less than what the machine has.

psutil reports the memory and the cores of the host. Inside a container the kernel ends a process long
before that, so the limits of this process's own control group and of every group above it are read, in
version 2 and in version 1, and the tightest counts. Called by `telemetry.system`.

Not covered: a limit above the root of a cgroup namespace; the kernel does not show it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ENDLESS = 1 << 60  # version 1 writes about 2^63 for no limit


@dataclass(frozen=True)
class Allowance:
    """What the control groups leave to this process; None where they set no limit."""

    memory_total: int | None  # bytes
    memory_free: int | None  # bytes, reclaimable cache counted as free
    cpus: float | None


def allowance(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Allowance:
    """The tightest limits of this process's groups, under the mount `root`."""
    total: int | None = None
    free: int | None = None
    cpus: float | None = None
    for folder in _folders(root, own):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit is not None and limit < _ENDLESS:
            used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
            room = max(0, limit - max(0, used - _reclaimable(folder)))
            total = limit if total is None else min(total, limit)
            free = room if free is None else min(free, room)
        share = _cpus(folder)
        if share is not None:
            cpus = share if cpus is None else min(cpus, share)
    return Allowance(total, free, cpus)


def whole_cpus(share: float) -> int:
    """How many processes a quota of `share` cores can keep busy, at least 1."""
    return max(1, math.floor(share + 1e-9))


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's groups, each with all those above it."""
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            base = root
        elif controllers in ("memory", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            base = root / controllers
        else:
            continue
        below = PurePosixPath(path.lstrip("/"))
        if ".." not in below.parts:
            yield from (base / part for part in (below, *below.parents))


def _cpus(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if quota.strip().isdigit() and period.strip().isdigit() and int(period):
        return int(quota) / int(period)
    old_quota, old_period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return old_quota / old_period if old_quota and old_period else None


def _reclaimable(folder: Path) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
