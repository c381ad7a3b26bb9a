"""Memory: what an attempt and its descendants use for themselves.

Resident memory counts what a forked attempt shares with the warm server (about 100 MB with torch), so the
limit is held against private pages: the unique set size of the process tree.
"""

import psutil


def private_gb(pid: int) -> float:
    """Private memory of a process and its descendants, in GB; 0 when they are gone."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0.0
    return sum(_unique(process) for process in tree) / (1 << 30)


def _unique(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0
