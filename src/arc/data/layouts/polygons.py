"""Polygons: a JSON beside each photograph that draws disc and cup, as LabelMe writes it; G1020 and ORIGA.

G1020: `Images/image_0.jpg` with `Images/image_0.json`, and `G1020.csv` (imageID, binaryLabels)
(https://www.dfki.uni-kl.de/g1020). ORIGA: `Images/001.jpg` with `OrigaList.csv` (Eye, Filename, ExpCDR, Set, Glaucoma)
and masks in `Masks/` or as JSON. Common copies of both hold cropped and squared copies of every photograph beside
`Images/`, which are not read.
"""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from arc.core.errors import BadData
from arc.data import labels
from arc.data.decode import LIMITS
from arc.data.layouts.sibling_masks import pairs_of, photographs_of
from arc.data.names import bare
from arc.data.tree import Annotation, Layout, Photograph, Tree, shown

NAME = "polygons"
G1020: Final = "g1020"
ORIGA: Final = "origa"
_TABLES: Final = {G1020: frozenset({"g1020.csv"}), ORIGA: frozenset({"origalist.csv", "origa_info.csv"})}
_READ: Final = frozenset({"images", "masks", "json_files"})
_LEAST_DRAWN: Final = 0.5  # share of photographs with a JSON of their name, for it to be meant


def claim(tree: Tree) -> Layout | None:
    """Photographs with a JSON of their name; None unless most have one and the first draws something."""
    photographs = photographs_of(tree)
    drawn = _drawn(tree, photographs)
    if not drawn or len(drawn) < _LEAST_DRAWN * len(photographs) or not _draws(tree, next(iter(drawn.values()))):
        return None
    found = [Photograph(str(file), None, annotation=made, split=tree.split_of(file)) for file, made in drawn.items()]
    return Layout(NAME, "segmentation", tuple(found), (), tree.says)


def claim_g1020(tree: Tree) -> Layout | None:
    """G1020 by its table."""
    return _claim_named(tree, G1020)


def claim_origa(tree: Tree) -> Layout | None:
    """ORIGA by its table."""
    return _claim_named(tree, ORIGA)


def _claim_named(tree: Tree, name: str) -> Layout | None:
    tables = [file for file in tree.files if file.name.casefold() in _TABLES[name]]
    if not tables:
        return None
    base = tables[0].parent
    inner = [file for file in tree.files if file.is_relative_to(base) and _READ & {part.casefold() for part in file.parts[:-1]}]
    mine = replace(tree, files=tuple(inner))
    table = labels.read(tree.root, str(tables[0]), tree.words)
    pairs = pairs_of(mine)
    made = pairs.annotations | _drawn(mine, pairs.photographs)
    found, unnamed = [], []
    for file in pairs.photographs:
        row = table.of(file)
        if row is None:
            unnamed.append(file)
        else:
            found.append(Photograph(str(file), row.label, eye=row.eye, annotation=made.get(file)))
    warnings = [f"{len(unnamed)} photographs are not in {tables[0].name} and were left out: {shown(unnamed[:3])}"] if unnamed else []
    return Layout(name, "classification", tuple(found), tuple(warnings), tree.says)


def _draws(tree: Tree, made: Annotation) -> bool:
    """Whether a JSON speaks of shapes, disc or cup; others keep there what they know of the photograph."""
    with (tree.root / made.files[0]).open("rb") as file:
        text = file.read(LIMITS["drawing_bytes"]).lower()
    return any(word in text for word in (b'"shapes"', b'"disc"', b'"disk"', b'"cup"'))


def _drawn(tree: Tree, photographs: tuple[PurePosixPath, ...]) -> dict[PurePosixPath, Annotation]:
    """Photographs with the JSON of their name, in the same folder before elsewhere."""
    by_stem: dict[str, list[PurePosixPath]] = {}
    for file in tree.with_suffix({".json"}):
        by_stem.setdefault(bare(file.stem), []).append(file)
    made: dict[PurePosixPath, Annotation] = {}
    for photo in photographs if by_stem else ():
        fitting = by_stem.get(bare(photo.stem), [])
        fitting = [file for file in fitting if file.parent == photo.parent] or fitting
        if len(fitting) > 1:
            raise BadData(f"{str(photo)!a} has {len(fitting)} drawings: {shown(fitting)}", field="archive", value=str(photo)[:160])
        if fitting:
            made[photo] = Annotation("polygons", (str(fitting[0]),))
    taken = [each.files[0] for each in made.values()]
    twice = next((file for file in taken if taken.count(file) > 1), None) if len(set(taken)) < len(taken) else None
    if twice:
        raise BadData(f"the drawing {twice!a} fits several photographs; drawings are paired by the name of the file", field="archive")
    return made
