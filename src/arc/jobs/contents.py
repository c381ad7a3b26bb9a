"""Contents: what lies in the folder of an experiment, as far as a clean-up must know before it takes it away.

Three things speak for a folder: a file that may be a checkpoint, by its suffix and whatever wrote it; a log that
says more than an attempt says before its first result, its header; and any file that ARC did not put there. In
doubt a file speaks for its folder: a link, an unreadable one, a name nobody knows.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from arc.core.errors import BadData
from arc.core.journal import ASKED, EXIT, JOURNAL, ORDER, PROCESS, STDERR, STDOUT, decode

CHECKPOINT_SUFFIXES = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".h5", ".npz", ".npy", ".pkl", ".tar"})
HEADER_LINES = 40  # a start and a traceback fit; the tombstone keeps all of them
_HEADER_BYTES = 64_000
_TEMPORARY = re.compile(r"\.part-.+|\.(metadata|config)\.(json|yaml)\.part|\.process\.json(\.revoked)?|\.exit\.json|\.journal\.reserve")
_BOOKKEEPING = re.compile(
    r"metadata\.json|config/config\.(json|yaml)|attempts/[^/]+/("
    + "|".join(re.escape(name) for name in (ORDER, PROCESS, EXIT, ASKED, JOURNAL, STDOUT, STDERR))
    + r")|logs/[^/]+\.\d+\.("
    + "|".join(re.escape(name) for name in (JOURNAL, STDOUT, STDERR))
    + ")"
)


@dataclass
class Contents:
    """What a folder holds."""

    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # path below the folder -> size, modification time in ns
    checkpoints: list[str] = field(default_factory=list)  # not empty, with the suffix of one
    strange: list[str] = field(default_factory=list)  # not empty, and not ours
    logs: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """What the files take."""
        return sum(size for size, _ in self.files.values())


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that was being written, and is not whole."""
    return _TEMPORARY.fullmatch(name) is not None


def look(folder: Path) -> Contents:
    """What lies below the folder; nothing when it is not there. OSError when a part of it cannot be read."""
    found = Contents()
    if folder.is_symlink():
        found.strange.append(".")
        return found
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        state = path.lstat()
        found.files[relative] = (state.st_size, state.st_mtime_ns)
        if path.is_symlink():
            found.strange.append(relative)
        elif state.st_size and not is_temporary(path.name):
            _sort(found, relative)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Every file and every link below the folder."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in [*names, *links])


def _sort(found: Contents, relative: str) -> None:
    if PurePosixPath(relative).suffix.lower() in CHECKPOINT_SUFFIXES:
        found.checkpoints.append(relative)
    elif not _BOOKKEEPING.fullmatch(relative):
        found.strange.append(relative)
    elif relative.endswith((JOURNAL, STDOUT, STDERR)):
        found.logs.append(relative)


def beyond_header(path: Path) -> bool:
    """Whether a log says more than an attempt says before its first result. OSError when it cannot be read.

    A journal does with its first metric, checkpoint, artifact or step of progress, another log with more lines
    than a tombstone keeps.
    """
    if path.stat().st_size > _HEADER_BYTES:
        return True
    data = path.read_bytes()
    if path.name.endswith(JOURNAL):
        return any(_is_result(line) for line in data.split(b"\n")[:-1])  # what follows the last newline was never said
    return len(data.splitlines()) > HEADER_LINES


def _is_result(line: bytes) -> bool:
    try:
        entry = decode(line)
    except BadData:
        return True  # nobody knows what it says
    if entry["k"] == "progress":
        return float(entry["done"]) > 0
    return entry["k"] in ("metrics", "checkpoint", "artifact")


def size_of(path: Path) -> int:
    """What a file, or everything below a folder, takes; what vanishes meanwhile counts nothing."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size if path.is_symlink() or path.exists() else 0
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def remove_tree(folder: Path) -> None:
    """Delete a folder and all below it; nothing happens when it is gone already. OSError when it cannot be."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
