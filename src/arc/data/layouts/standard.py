"""Standard: ARC's own layout, a `metadata.json` beside photographs that say the rest by where they lie.

Segmentation: `images/` and `masks/` (0 background, 128 disc, 255 cup, or binary). Classification:
`{train,val,test}/{glaucoma,normal}/` or class folders with `labels.csv`. The general readers read it; its own name
says that nothing had to be found out.
"""

from dataclasses import replace

from arc.data import about
from arc.data.layouts import general
from arc.data.tree import Layout, Tree

NAME = "standard"


def claim(tree: Tree) -> Layout | None:
    """The tree when a `metadata.json` lies beside everything else; None when there is none."""
    if not any(file.name == about.FILE and file.parent.parts == tree.wrapping[: len(file.parts) - 1] for file in tree.files):
        return None
    below = {(*tree.inner(file), file.name)[0] for file in tree.pictures}
    found = general.combine(tree)
    if found is None or not (below <= {"images", "masks"} or all(photo.label for photo in found.photographs)):
        return None
    return replace(found, name=NAME)
