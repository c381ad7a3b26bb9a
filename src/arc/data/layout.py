"""Layout: which files of a tree are photographs, of which class, whose, and with which mask.

Recognised: folders named after the two classes, at any depth and under any wrapper; a `labels.csv` beside
them or instead of them; masks by stem in a folder of their own. Hidden files and what a computer adds by
itself are passed over. Whatever could mean two things is refused, saying what was found and what is read.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from arc.core.errors import BadData, TooLarge
from arc.data import about
from arc.data.archive import ARCHIVE_SUFFIXES
from arc.data.labels import Labelled, Table, read
from arc.data.names import CLASSES, class_of, is_mask_folder
from arc.data.photographs import SUFFIXES

_MASK_ENDINGS = ("_mask", "-mask", "_seg", "_gt")
_SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_FOUND_SHOWN: Final = 8
EXPECTED: Final = (
    "expected are folders named glaucoma and normal with JPEG, PNG, TIFF or BMP photographs, or a labels.csv with columns file and label"
)


@dataclass(frozen=True)
class Photograph:
    """One photograph as it was found."""

    file: str  # below the root, with forward slashes
    label: str  # one of CLASSES
    patient: str | None = None
    eye: str = ""
    site: str = ""
    mask: str | None = None


@dataclass(frozen=True)
class Layout:
    """What a tree holds."""

    name: str  # class_folders, labels_csv, or class_folders+labels_csv
    photographs: tuple[Photograph, ...]
    warnings: tuple[str, ...]
    says: about.About  # of itself


def files_below(root: Path, *, most: int, depth: int = 24) -> tuple[list[str], list[str]]:
    """Every plain visible file below `root`, sorted, and warnings on what was passed over; links are never followed."""
    found, warnings = [], []
    waiting = [(root, 0)]
    while waiting:
        folder, level = waiting.pop()
        for entry in folder.iterdir():
            relative = entry.relative_to(root).as_posix()
            if entry.is_symlink():
                warnings.append(f"passed over the link {relative!a}")
            elif entry.name.startswith(".") or entry.name.casefold() in _IGNORED:
                continue
            elif entry.is_dir() and level < depth:
                waiting.append((entry, level + 1))
            elif entry.is_file():
                found.append(relative)
            else:
                warnings.append(f"passed over {relative!a}: it is no plain file, or lies too deep")
            if len(found) > most:
                raise TooLarge(f"there are more than {most:,} files (max_files)", field="archive")
    return sorted(found), sorted(warnings)


def recognise(root: Path, *, most_files: int) -> Layout:
    """The photographs below `root` with what is known of each; BadData when it cannot be said for sure."""
    files, warnings = files_below(root, most=most_files)
    warnings += [
        f"{file!a} is an archive in the archive and was not opened"
        for file in files
        if PurePosixPath(file).suffix.casefold() in ARCHIVE_SUFFIXES
    ]
    pictures = [PurePosixPath(file) for file in files if PurePosixPath(file).suffix.casefold() in SUFFIXES]
    masks = [file for file in pictures if any(is_mask_folder(part) for part in file.parts[:-1])]
    pictures = [file for file in pictures if file not in set(masks)]
    if not pictures:
        raise BadData(f"no photograph was found; {EXPECTED}. Found: {_shown(files)}", field="archive")
    table = read(root, files)
    labelled = {file: _labelled(file, table) for file in pictures}
    unknown = [str(file) for file, row in labelled.items() if row.label is None]
    if unknown:
        raise BadData(f"{len(unknown)} photographs belong to no class, such as {_shown(unknown)}; {EXPECTED}", field="archive")
    counts = Counter(row.label for row in labelled.values())
    if set(counts) != set(CLASSES):
        raise BadData(f"only photographs of class {', '.join(sorted(map(str, counts)))} were found; {EXPECTED}", field="archive")
    if any(part.casefold() in _SPLIT_FOLDERS for file in pictures for part in file.parts[:-1]):
        warnings.append("the folders train, val or test of the archive were put together; the split is drawn anew")
    pairs, unpaired = _paired(pictures, masks)
    warnings += unpaired
    photographs = [
        Photograph(str(file), str(row.label), row.patient, row.eye, row.site, pairs.get(file)) for file, row in sorted(labelled.items())
    ]
    in_folders = any(_by_folder(file) is not None for file in pictures)
    return Layout("+".join(_names(in_folders, table)), tuple(photographs), tuple(warnings), about.read(root, files))


def _names(in_folders: bool, table: Table | None) -> Iterator[str]:
    if in_folders:
        yield "class_folders"
    if table is not None:
        yield "labels_csv"


def _labelled(file: PurePosixPath, table: Table | None) -> Labelled:
    """What the folders and the table say of a photograph; BadData when they contradict each other."""
    by_folder = _by_folder(file)
    row = table.of(file) if table is not None else None
    if row is None:
        return Labelled(by_folder)
    if row.label is not None and by_folder is not None and row.label != by_folder:
        raise BadData(f"{str(file)!r} lies in a folder of class {by_folder}, but {table and table.file} says {row.label}", field="archive")
    return Labelled(row.label or by_folder, row.patient, row.eye, row.site)


def _by_folder(file: PurePosixPath) -> str | None:
    """The class named by the nearest folder that names one; BadData when a spelt-out name above says the other."""
    named = [(part, class_of(part)) for part in reversed(file.parts[:-1]) if class_of(part) is not None]
    if not named:
        return None
    nearest = named[0][1]
    for part, label in named[1:]:
        if label != nearest and len(part) > 3:
            raise BadData(f"{str(file)!r} lies in folders of both classes; {EXPECTED}", field="archive")
    return nearest


def _paired(pictures: list[PurePosixPath], masks: list[PurePosixPath]) -> tuple[dict[PurePosixPath, str], list[str]]:
    """Masks by stem; a stem that occurs twice pairs with nothing unless the class folder tells which is meant."""
    by_stem: dict[str, list[PurePosixPath]] = {}
    for mask in masks:
        by_stem.setdefault(_bare(mask.stem), []).append(mask)
    pairs: dict[PurePosixPath, str] = {}
    for picture in pictures:
        found = by_stem.get(_bare(picture.stem), [])
        if len(found) > 1:
            found = [mask for mask in found if _by_folder(mask) == _by_folder(picture)]
        if len(found) == 1:
            pairs[picture] = str(found[0])
    if not masks:
        return pairs, []
    used = Counter(pairs.values())
    twice = [mask for mask, count in used.items() if count > 1]
    if twice:
        raise BadData(f"the mask {twice[0]!r} fits {used[twice[0]]} photographs; masks are paired by the name of the file", field="archive")
    missing = len(pictures) - len(pairs)
    return pairs, [f"{missing} of {len(pictures)} photographs have no mask"] if missing else []


def _bare(stem: str) -> str:
    folded = stem.casefold()
    return next((folded.removesuffix(ending) for ending in _MASK_ENDINGS if folded.endswith(ending)), folded)


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _FOUND_SHOWN} more" if len(names) > _FOUND_SHOWN else ""
    return ", ".join(ascii(name) for name in names[:_FOUND_SHOWN]) + more if names else "nothing"
