"""Keeping: which files of a script become checkpoints while it runs, and which become artifacts when it is done.

A checkpoint is copied when it was closed or renamed into place, and passed over when it changed meanwhile: another event
comes for it then. Its step is the last number in its name, else the last step that was told of. Links and files outside
the working folder are never taken.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from arc.core.artifact import ArtifactKind
from arc.core.ports import RunContext

_MOST: Final = 200
_NUMBER: Final = re.compile(r"\d{1,9}(?=\D*$)")
_KINDS: Final = (
    (ArtifactKind.FIGURE, (".png", ".jpg", ".jpeg", ".svg", ".pdf")),
    (ArtifactKind.REPORT, (".html", ".md")),
    (ArtifactKind.CONFIG, (".yaml", ".yml", ".toml")),
    (ArtifactKind.LOG, (".log", ".txt")),
    (ArtifactKind.MODEL, (".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".npz")),
    (ArtifactKind.ARCHIVE, (".zip", ".tar", ".gz")),
)


class _Changed(Exception):
    """The file was written to while it was copied."""


def matches(path: Path, work: Path, patterns: Sequence[str]) -> bool:
    """Whether a file below the working folder is meant by one of the globs; `**/` is any folder or none."""
    if not path.is_relative_to(work) or path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(work.resolve()):
        return False
    name = path.relative_to(work).as_posix()
    return any(fnmatchcase(name, glob.replace("**/", "")) or fnmatchcase(name, glob.replace("**/", "*/")) for glob in patterns)


class Checkpoints:
    """The checkpoints that an attempt has kept."""

    def __init__(self, ctx: RunContext, work: Path) -> None:
        self._ctx = ctx
        self._work = work
        self._last = -1  # a step stands for one file, so each is larger than the one before
        self._taken: set[tuple[int, int, int]] = set()

    def known(self, path: Path) -> None:
        """Never take this file as it is now: the script was given it."""
        self._taken.add(_state(path))

    def take(self, path: Path, *, step: int | None = None, told: int = 0, best: bool = False) -> None:
        """Keep a file, unless it is gone, was kept already, or changes."""
        try:
            state = _state(path)
            if state in self._taken or not state[2]:
                return
            number = _NUMBER.search(PurePosixPath(path.name).stem)
            wanted = step if step is not None else int(number[0]) if number else told
            at = min(max(wanted, self._last + 1), 999_999_999)
            self._ctx.checkpoint(at, lambda part: _copy(path, part, state), best=best)
        except (FileNotFoundError, _Changed):
            return
        self._last = at
        self._taken.add(state)


def _state(path: Path) -> tuple[int, int, int]:
    """Which bytes these are, under whatever name: a file may be closed first and renamed then."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _copy(path: Path, part: Path, state: tuple[int, int, int]) -> None:
    shutil.copyfile(path, part, follow_symlinks=False)
    if _state(path) != state:
        raise _Changed


def save_results(ctx: RunContext, work: Path, patterns: Sequence[str]) -> int:
    """Make artifacts of the files that are meant; how many."""
    names = {"script.json"}
    found = sorted(path for path in work.rglob("*") if matches(path, work, patterns))
    for path in found[:_MOST]:
        name = _name(path.relative_to(work), names)
        names.add(name)
        ctx.save(name, kind_of(path), lambda part, path=path: _fill(path, part))  # type: ignore[misc]
    if len(found) > _MOST:
        ctx.log("more results than are kept", found=len(found), kept=_MOST)
    return min(len(found), _MOST)


def _fill(path: Path, part: Path) -> None:
    shutil.copyfile(path, part)


def kind_of(path: Path) -> str:
    """The kind of artifact that a file is, by its name."""
    if path.suffix in (".csv", ".json", ".jsonl") and "pred" in path.name.lower():
        return ArtifactKind.PREDICTIONS.value
    return next((kind for kind, suffixes in _KINDS if path.suffix.lower() in suffixes), ArtifactKind.RESULT).value


def _name(path: Path, taken: set[str]) -> str:
    """A name that is fit for an artifact, and that no other has."""
    plain = re.sub(r"[^A-Za-z0-9._-]+|\.{2,}", "-", path.as_posix()).lstrip("._-")[-100:].lstrip("._-") or "result"
    return next(name for name in _numbered(plain) if name not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in range(2, _MOST + 3):
        yield f"{number}-{name}"
