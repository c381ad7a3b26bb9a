"""Trees: a folder sealed by a list of its files, so that a changed, missing or added one is noticed before use.

The list is written in the form `sha256sum -c` reads, and its own digest is the seal that the store keeps. Checking
reads every byte once; afterwards a file whose size, times and inode are those of the last check is not read
again. That memory lies beside the folder and saves time alone: without it everything is read.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from arc.artifacts.local import digest_file
from arc.core.errors import BadData

LIST: Final = "files.sha256"


def seal(folder: Path, *, known: Mapping[str, str] | None = None, threads: int = 1) -> str:
    """Write the list of the folder's files and answer its SHA-256. `known`: file -> digest of those that need no reading."""
    known = dict(known or {})
    files = [file for file in _files(folder) if file != LIST]
    digests = known | _digests(folder, [file for file in files if file not in known], threads=threads)
    text = "".join(f"{digests[file]}  {file}\n" for file in files)
    (folder / LIST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def check(folder: Path, expected: str, *, threads: int = 1) -> int:
    """How many files were read to see that the folder is as it was sealed; BadData naming the first that is not."""
    listed = _listed(folder, expected)
    found = _files(folder)
    for file in found:
        if file != LIST and file not in listed:
            raise BadData(f"{file!r} was added to {folder.name} after it was sealed", field="dataset", value=file)
    memory = folder.with_name(f".{folder.name}.checked")
    before = _remembered(memory, expected)
    states = {file: _state(folder, file) for file in listed}
    unread = [file for file, state in states.items() if before.get(file) != state]
    for file, digest in _digests(folder, unread, threads=threads).items():
        if digest != listed[file]:
            raise BadData(f"{file!r} has changed since the dataset was made", field="dataset", value=file)
    if unread:
        _remember(memory, expected, states)
    return len(unread)


def _files(folder: Path) -> list[str]:
    """Every file below the folder, sorted, with forward slashes; what is not a plain file counts too, and fails when it is read."""
    found = []
    for root, _, names in os.walk(folder):
        below = os.path.relpath(root, folder)
        found += [name if below == "." else f"{below}/{name}" for name in names]
    return sorted(found)


def _listed(folder: Path, expected: str) -> dict[str, str]:
    try:
        data = (folder / LIST).read_bytes()
    except OSError as error:
        raise BadData(
            f"the list of files {LIST!r} of {folder.name} cannot be read: {error.strerror}", field="dataset", value=LIST
        ) from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise BadData(f"{LIST!r} has changed since the dataset was made", field="dataset", value=LIST)
    return {line[66:]: line[:64] for line in data.decode().splitlines()}


def _state(folder: Path, file: str) -> list[int]:
    try:
        about = os.lstat(folder / file)
    except OSError as error:
        raise BadData(f"{file!r} cannot be read: {error.strerror}", field="dataset", value=file) from None
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


def _digests(folder: Path, files: Iterable[str], *, threads: int) -> dict[str, str]:
    def one(file: str) -> str:
        try:
            return digest_file(folder / file)[0]
        except OSError as error:
            raise BadData(f"{file!r} cannot be read: {error.strerror}", field="dataset", value=file) from None

    files = list(files)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        return dict(zip(files, pool.map(one, files), strict=True))


def _remembered(memory: Path, expected: str) -> dict[str, list[int]]:
    try:
        kept = json.loads(memory.read_bytes())
        return dict(kept["files"]) if kept["seal"] == expected else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(memory: Path, expected: str, states: Mapping[str, list[int]]) -> None:
    part = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        part.write_text(json.dumps({"seal": expected, "files": states}))
        part.replace(memory)
    except OSError:  # no room, or a folder that cannot be written: the next check reads again
        part.unlink(missing_ok=True)
