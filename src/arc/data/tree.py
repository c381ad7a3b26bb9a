"""Tree: the files of a folder as they lie there, and the nouns that say what they are.

A layout's reader (`arc.data.layouts`) is asked about a `Tree` and answers with a `Layout` of `Photograph`s. Hidden
files and what a computer adds by itself are passed over, links are never followed, and archives in the archive are
reported. The folder that wraps everything is no part of what a path says about a split.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from arc.core.errors import TooLarge
from arc.data import about
from arc.data.archive import ARCHIVE_SUFFIXES
from arc.data.decode import FOREIGN_SUFFIXES, SUFFIXES, is_dicom
from arc.data.names import Split, Words, split_of

TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".xlsx"})
_IGNORED: Final = frozenset({"thumbs.db", "desktop.ini", "dicomdir", "__macosx"})
_DEEPEST: Final = 24
_SHOWN: Final = 8

AnnotationKind = Literal["labels", "disc_cup", "soft", "polygons", "contours"]


@dataclass(frozen=True)
class Annotation:
    """How the mask of a photograph is to be made (`arc.data.masks`)."""

    kind: AnnotationKind
    files: tuple[str, ...]  # below the root; where there are two, the disc and then the cup


@dataclass(frozen=True)
class Photograph:
    """One photograph as it was found."""

    file: str  # below the root, with forward slashes
    label: str | None  # one of CLASSES; None in a set with masks and no classes
    patient: str | None = None
    eye: str = ""
    site: str = ""
    annotation: Annotation | None = None
    split: Split = ""  # the split it came in


@dataclass(frozen=True)
class Layout:
    """What a tree holds."""

    name: str  # of the reader, or of several joined by +
    task: Literal["classification", "segmentation"]
    photographs: tuple[Photograph, ...]
    warnings: tuple[str, ...]
    says: about.About  # of itself


@dataclass(frozen=True, eq=False)
class Tree:
    """The plain files below a folder, and the words by which the asker calls things; known by its identity."""

    root: Path
    files: tuple[PurePosixPath, ...]  # sorted
    warnings: tuple[str, ...]
    words: Words

    @cached_property
    def pictures(self) -> tuple[PurePosixPath, ...]:
        """Files that are pictures by name, also those of a kind that is refused later; DICOM has no suffix at times."""
        wanted = SUFFIXES | FOREIGN_SUFFIXES
        return tuple(file for file, end in self._ends if end in wanted or (not end and is_dicom(self.root / file)))

    @cached_property
    def wrapping(self) -> tuple[str, ...]:
        """The folders that lie around all pictures and tables and so say nothing."""
        folders = [file.parts[:-1] for file in self.with_suffix(SUFFIXES | TABLE_SUFFIXES)]
        first, last = min(folders, default=()), max(folders, default=())  # all between them share what they share
        return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))

    @cached_property
    def folders(self) -> frozenset[str]:
        """The names of all folders that pictures lie in, at any depth, without case."""
        return frozenset(part.casefold() for folders in {file.parts[:-1] for file in self.pictures} for part in folders)

    def with_suffix(self, suffixes: Iterable[str]) -> tuple[PurePosixPath, ...]:
        """Files whose name ends in one of these."""
        wanted = frozenset(suffixes)
        return tuple(file for file, end in self._ends if end in wanted)

    @cached_property
    def _ends(self) -> list[tuple[PurePosixPath, str]]:
        """Each file with its suffix without case, which all readers ask for."""
        return [(file, file.suffix.casefold()) for file in self.files]

    def inner(self, file: PurePosixPath) -> tuple[str, ...]:
        """The folders of a file below those that wrap everything."""
        folders = file.parts[:-1]
        return folders[len(self.wrapping) :] if folders[: len(self.wrapping)] == self.wrapping else folders

    def split_of(self, file: PurePosixPath) -> Split:
        """The split that a folder of the path names, the innermost; nothing when none does."""
        return next((word for part in reversed(self.inner(file)) if (word := split_of(part))), "")

    @cached_property
    def says(self) -> about.About:
        """What the tree says of itself."""
        return about.read(self.root, [str(file) for file in self.files if file.name == about.FILE])


def look(root: Path, *, most_files: int, words: Words) -> Tree:
    """The tree below `root`; TooLarge when it has more files than `most_files`."""
    files, warnings = files_below(root, most=most_files)
    paths = tuple(PurePosixPath(file) for file in files)
    endings = tuple(ARCHIVE_SUFFIXES)
    nested = [f"{file!a} is an archive in the archive and was not opened" for file in files if file.casefold().endswith(endings)]
    return Tree(root, paths, (*warnings, *nested), words)


def files_below(root: Path, *, most: int, depth: int = _DEEPEST) -> tuple[list[str], list[str]]:
    """Every plain visible file below `root`, sorted, and warnings on what was passed over; links are never followed."""
    found, warnings = [], []
    waiting = [("", 0)]  # folders below the root, each with a slash behind it
    while waiting:
        folder, level = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                relative = folder + entry.name
                if entry.is_symlink():
                    warnings.append(f"passed over the link {relative!a}")
                elif entry.name.startswith((".", "~$")) or entry.name.casefold() in _IGNORED:
                    continue
                elif entry.is_dir() and level < depth:
                    waiting.append((f"{relative}/", level + 1))
                elif entry.is_file():
                    found.append(relative)
                else:
                    warnings.append(f"passed over {relative!a}: it is no plain file, or lies too deep")
                if len(found) > most:
                    raise TooLarge(f"there are more than {most:,} files (max_files)", field="archive")
    return sorted(found), sorted(warnings)


def shown(names: Iterable[object]) -> str:
    """Some of the names, for an error."""
    words = [ascii(str(name)) for name in names]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more if words else "nothing"
