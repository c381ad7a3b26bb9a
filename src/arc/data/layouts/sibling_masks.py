"""Sibling masks: masks in folders of their own beside the photographs, or beside each by an ending of the name.

They pair by stem and by nothing else: never by their order. `masks/7.png`, `masks/7_mask.png` and `7_seg.png` are one
picture with both labels; `GT/disc/7.png` with `GT/cup/7.png`, and `7_disc.png` with `7_cup.png`, are two. The endings
`_OD` and `_OC` count in mask folders alone, since OD is the right eye as well. Where one name occurs in several
folders, the folders tell which is meant; when they do not, the set is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from arc.core.errors import BadData
from arc.data.names import Part, bare, class_of, is_mask_folder, part_of_ending, part_of_folder
from arc.data.tree import Annotation, Layout, Photograph, Tree, shown

NAME = "sibling_masks"
_TREES_KEPT: Final = 2  # every reader asks for the same; a named one looks at a part
_SAYING_NOTHING: Final = frozenset({"image", "images", "img", "imgs", "photo", "photos", "photographs", "pictures", "fundus", "data"})


@dataclass(frozen=True)
class Pairs:
    """Photographs and the masks that belong to them."""

    photographs: tuple[PurePosixPath, ...]
    annotations: dict[PurePosixPath, Annotation]
    unused: tuple[PurePosixPath, ...]  # masks of no photograph


@dataclass(frozen=True)
class _Mask:
    file: PurePosixPath
    keys: tuple[tuple[str, Part], ...]  # stem it may belong to, what it shows; the likelier first


def claim(tree: Tree) -> Layout | None:
    """The photographs that have a mask; None when none has."""
    pairs = pairs_of(tree)
    if not pairs.annotations:
        return None
    with_masks = [
        Photograph(str(file), None, annotation=made, split=tree.split_of(file)) for file, made in sorted(pairs.annotations.items())
    ]
    warnings = [f"{len(pairs.unused)} masks belong to no photograph, such as {shown(pairs.unused[:3])}"] if pairs.unused else []
    return Layout(NAME, "segmentation", tuple(with_masks), tuple(warnings), tree.says)


@lru_cache(maxsize=_TREES_KEPT)
def photographs_of(tree: Tree) -> tuple[PurePosixPath, ...]:
    """The pictures that are no masks by their folder or ending."""
    masks = {mask.file for mask in _masks(tree)}
    return tuple(file for file in tree.pictures if file not in masks) if masks else tree.pictures


def pairs_of(tree: Tree) -> Pairs:
    """Every mask with its photograph; BadData when a mask or a photograph has two that fit."""
    masks = _masks(tree)
    photographs = photographs_of(tree)
    if not masks:
        return Pairs(photographs, {}, ())
    by_stem: dict[str, list[PurePosixPath]] = {}
    for file in photographs:
        by_stem.setdefault(bare(file.stem), []).append(file)
    found: dict[PurePosixPath, list[tuple[Part, PurePosixPath]]] = {}
    unused = []
    for mask in masks:
        key = next(((stem, part) for stem, part in mask.keys if stem in by_stem), None)
        if key is None:
            unused.append(mask.file)
            continue
        found.setdefault(_the_one(mask.file, by_stem[key[0]]), []).append((key[1], mask.file))
    return Pairs(photographs, {file: annotation_of(file, given) for file, given in found.items()}, tuple(unused))


def annotation_of(photograph: PurePosixPath, given: Iterable[tuple[Part, PurePosixPath]]) -> Annotation:
    """How the mask is made of the files that belong to a photograph; BadData when they do not make one."""
    files = list(given)
    drawn = [(part, file) for part, file in files if file.suffix.casefold() != ".txt"]
    files = drawn or files
    parts: dict[Part, list[str]] = {"": [], "disc": [], "cup": []}
    for part, file in files:
        parts[part].append(str(file))
    counts = tuple(len(parts[part]) for part in ("", "disc", "cup"))
    if counts in {(1, 0, 0), (0, 1, 0)}:
        return Annotation("labels" if drawn else "contours", tuple(parts[""] + parts["disc"]))
    if counts == (0, 1, 1):
        return Annotation("disc_cup" if drawn else "contours", (parts["disc"][0], parts["cup"][0]))
    raise BadData(
        f"{str(photograph)!a} has {len(files)} masks ({shown(file for _, file in files)}); "
        "one with both labels, a disc, or a disc and a cup are read, and they pair by the name of the file",
        field="archive", value=str(photograph)[:160],
    )  # fmt: skip


@lru_cache(maxsize=_TREES_KEPT)
def _masks(tree: Tree) -> tuple[_Mask, ...]:
    stems: dict[PurePosixPath, set[str]] = {}
    for file in tree.pictures:
        stems.setdefault(file.parent, set()).add(bare(file.stem))
    masks: list[_Mask] = []
    for file in (*tree.pictures, *tree.with_suffix({".txt"})):
        folders = tree.inner(file)
        if any(is_mask_folder(part) for part in folders):
            ended = part_of_ending(file.stem, sure=False)
            shows: Part = next((part for name in reversed(folders) if (part := part_of_folder(name))), "")
            if ended or file.suffix.casefold() != ".txt" or shows:
                masks.append(_Mask(file, ((bare(file.stem), shows), *([(ended[0], ended[1] or shows)] if ended else []))))
        elif file.suffix.casefold() != ".txt":
            ended = part_of_ending(file.stem, sure=True)
            if ended and ended[0] in stems[file.parent]:
                masks.append(_Mask(file, (ended,)))
    return tuple(masks)


def _the_one(mask: PurePosixPath, photographs: list[PurePosixPath]) -> PurePosixPath:
    """The photograph that a mask belongs to, by the folders that both lie in."""
    if len(photographs) == 1:
        return photographs[0]
    fitting = [file for file in photographs if _meaning(file) == _meaning(mask)]
    fitting = fitting or [file for file in photographs if _classes(file) == _classes(mask)]
    if len(fitting) != 1:
        raise BadData(
            f"the mask {str(mask)!r} fits {len(fitting) or len(photographs)} photographs; masks are paired by the name of the file",
            field="archive", value=str(mask)[:160],
        )  # fmt: skip
    return fitting[0]


def _meaning(file: PurePosixPath) -> list[str]:
    """The folders of a path without those that only say whether it is a photograph or a mask."""
    folders = [part.casefold() for part in file.parts[:-1]]
    return sorted(part for part in folders if part not in _SAYING_NOTHING and not is_mask_folder(part) and not part_of_folder(part))


def _classes(file: PurePosixPath) -> set[str | None]:
    return {class_of(part) for part in file.parts[:-1]}
