"""Bytes by digest in a local folder: `<root>/ab/abcd…`, read-only, whole or absent.

A file enters by a hard link where it can (same file system: no byte is copied), else by a copy, under a temporary
name; bytes and names are on the disk before `put` answers, because a row says `published` right after. What leaves
for people is a reflink or a copy, never a link, so that editing it cannot change the artifact.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from arc.core.errors import DigestMismatch, NotFound

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FICLONE = 0x40049409  # ioctl: share the blocks of a file, on file systems that can
_READ_ONLY = 0o444


def digest_file(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size in bytes of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, os.fstat(file.fileno()).st_size


class ArtifactStore:
    """The folder of all bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: Path) -> tuple[str, int]:
        """Take in the bytes of a file, which must not be changed any more; their digest and size. Repeating it is harmless."""
        digest, size = digest_file(path)
        target = self._place(digest)
        if not target.exists():
            _make_folder(target.parent)
            part = target.with_name(f".{digest}.{secrets.token_hex(4)}")
            try:
                _link_or_copy(path, part)
                part.chmod(_READ_ONLY)
                _sync(part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            _sync(target.parent)
        return digest, size

    def path(self, digest: str) -> Path:
        """Where the bytes are; NotFound."""
        path = self._place(digest)
        if not path.is_file():
            raise NotFound(f"the bytes of artifact {digest[:64]} are not here", field="digest", value=digest[:64])
        return path

    def verify(self, digest: str) -> Path:
        """Where the bytes are, after reading all of them; DigestMismatch when they were changed."""
        path = self.path(digest)
        if digest_file(path)[0] != digest:
            raise DigestMismatch(f"the bytes of artifact {digest} were changed on disk", field="digest", value=digest)
        return path

    def copy_out(self, digest: str, to: Path) -> None:
        """Give people their own read-only file with the bytes."""
        with self.path(digest).open("rb") as source, to.open("xb") as target:
            try:
                _fill(source, target)
            except BaseException:
                to.unlink(missing_ok=True)
                raise
        to.chmod(_READ_ONLY)

    def remove(self, digest: str) -> None:
        """Delete the bytes; nothing happens when they are gone already."""
        self._place(digest).unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"{digest[:64]!r} is not a digest", field="digest", value=digest[:64])
        return self._root / digest[:2] / digest


def _link_or_copy(source: Path, target: Path) -> None:
    if not source.is_symlink():  # a link to the link would be no bytes at all
        try:
            return os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
    with source.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def _fill(source: BinaryIO, target: BinaryIO) -> None:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        shutil.copyfileobj(source, target, 1 << 20)


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, their names on the disk."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
