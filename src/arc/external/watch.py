"""Watching: which files below a folder grew, and which were closed or renamed into place; told by inotify.

A folder that is made meanwhile is watched, too, and what is in it by then has grown. Not covered: a file that was closed
in a new folder before the watch was there is no event; the last look, when the script is gone, finds it. When events
were lost because there were too many, everything counts as grown.
"""

from dataclasses import dataclass, field
from pathlib import Path

from asyncinotify import Inotify, Mask

_MASK = Mask.CREATE | Mask.MODIFY | Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.ONLYDIR
_DEEPEST = 12


@dataclass
class Seen:
    """What happened since the last look."""

    grown: set[Path] = field(default_factory=set)
    whole: dict[Path, None] = field(default_factory=dict)  # closed after writing, or renamed into place; in that order


class Tree:
    """The files below some folders."""

    def __init__(self, *roots: Path) -> None:
        self._roots = roots
        self._inotify = Inotify(sync_timeout=0)
        for root in roots:
            self._add(root, Seen())

    def fileno(self) -> int:
        """What a selector waits for."""
        return self._inotify.fd

    def look(self) -> Seen:
        """What happened since the last look; does not wait."""
        seen = Seen()
        for event in self._inotify:
            if event.mask & Mask.Q_OVERFLOW:
                for root in self._roots:
                    seen.grown.update(path for path in root.rglob("*") if path.is_file())
                continue
            path = event.path
            if path is None:
                continue
            if event.mask & Mask.ISDIR:
                self._add(path, seen)
                continue
            seen.grown.add(path)
            if event.mask & (Mask.CLOSE_WRITE | Mask.MOVED_TO):
                seen.whole.pop(path, None)
                seen.whole[path] = None
        return seen

    def close(self) -> None:
        """Watch no more."""
        self._inotify.close()

    def _add(self, folder: Path, seen: Seen, depth: int = 0) -> None:
        try:
            self._inotify.add_watch(folder, _MASK)
            entries = list(folder.iterdir())
        except OSError:
            return  # gone again, or no folder
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink() and depth < _DEEPEST:
                self._add(entry, seen, depth + 1)
            elif entry.is_file():
                seen.grown.add(entry)
