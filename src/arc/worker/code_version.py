"""Code version: whether what the warm server has in memory is still what stands on disk.

A digest over name, size and time of every source file of ARC and of the packages that offer recipes, and over
the installed distributions. About a millisecond; taken before each fork.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from arc import catalog


def roots() -> list[str]:
    """Folders (or files) of the packages whose run sides the catalog names."""
    packages = {"arc"} | {row.run.partition(":")[0].partition(".")[0] for row in catalog.rows().values()}
    found: set[str] = set()
    for package in packages:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        if spec is not None:
            found.update(spec.submodule_search_locations or ([spec.origin] if spec.origin else []))
    return sorted(found)


def code_version(places: list[str]) -> str:
    """The digest over `places` (what `roots` found) and over what is installed, as it is on disk now."""
    digest = hashlib.blake2b(digest_size=16)
    for line in (*_sources(places), *_installed()):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _sources(places: list[str]) -> Iterator[str]:
    for place in places:
        yield from _tree(place) if Path(place).is_dir() else _single(Path(place))


def _tree(folder: str) -> Iterator[str]:
    """One line for each source file below a folder; by directory entries, because this is on the way to each fork."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        found = []
    for entry in found:
        if entry.name.endswith(".py"):
            yield _line(entry)
        elif entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False):
            yield from _tree(entry.path)


def _single(path: Path) -> Iterator[str]:
    try:
        found = path.stat()
    except OSError:
        return
    yield f"{path} {found.st_size} {found.st_mtime_ns}"


def _installed() -> Iterator[str]:
    """One line for each installed distribution; installing it anew makes its folder anew."""
    for place in sys.path:
        try:
            with os.scandir(place) as entries:
                found = [entry for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
                yield from sorted(map(_line, found))
        except OSError:
            continue


def _line(entry: os.DirEntry[str]) -> str:
    try:
        found = entry.stat()
    except OSError:  # being replaced at this moment
        return f"{entry.path} -"
    return f"{entry.path} {found.st_size} {found.st_mtime_ns}"
