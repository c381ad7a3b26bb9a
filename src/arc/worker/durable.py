"""Durable files: written under a temporary name, synced, hashed, renamed; whole or absent.

A full disk is told apart from other trouble, because trying again later may help then.
"""

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arc.core.errors import ArcError, NoSpace, RecipeBroken

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Written:
    """A file that is on disk."""

    path: Path
    digest: str  # sha256 in hex
    size_bytes: int


def disk_full(error: OSError) -> bool:
    """Whether the system says that there is no room."""
    return error.errno in _FULL


def no_space(path: Path) -> NoSpace:
    """The error for a disk without room."""
    return NoSpace(f"the disk is full: {path.name} could not be written", delay_s=60.0, field="disk", value=str(path))


def write(path: Path, fill: Callable[[Path], None]) -> Written:
    """Have `fill` write a file and put it at `path` when it is whole and on disk.

    The temporary name ends as `path` does, for writers that look at the suffix. NoSpace when the disk is full,
    RecipeBroken when `fill` wrote nothing; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    try:
        fill(part)
        written = _sync_and_hash(part, path)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if disk_full(error):
            raise no_space(path) from error
        raise
    finally:
        part.unlink(missing_ok=True)
    return written


def _sync_and_hash(part: Path, path: Path) -> Written:
    if not part.is_file():
        raise RecipeBroken(f"the function given to write {path.name} wrote nothing", field=path.name)
    with part.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Written(path, digest, os.fstat(file.fileno()).st_size)


def holds(path: Path, digest: str) -> ArcError | None:
    """None when the file has that digest, else what is wrong with it."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return ArcError(f"{path.name} cannot be read: {error.strerror}", field="checkpoint")
    return None if found == digest else ArcError(f"{path.name} is damaged: its digest is not the recorded one", field="checkpoint")


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
