"""Class folders: photographs in folders named after the two classes, at any depth and under any wrapper."""

from pathlib import PurePosixPath

from arc.core.errors import BadData
from arc.data.layouts.sibling_masks import photographs_of
from arc.data.names import CLASSES
from arc.data.tree import Layout, Photograph, Tree

NAME = "class_folders"


def claim(tree: Tree) -> Layout | None:
    """The photographs that lie in class folders; None when none does. BadData for one in folders of both classes."""
    labelled = [
        Photograph(str(file), label, split=tree.split_of(file))
        for file in photographs_of(tree)
        if (label := class_by_folder(tree, file)) is not None
    ]
    return Layout(NAME, "classification", tuple(labelled), (), tree.says) if labelled else None


def class_by_folder(tree: Tree, file: PurePosixPath) -> str | None:
    """The class named by the nearest folder that names one; BadData when a spelt-out name above says the other."""
    named = [(part, label) for part in reversed(file.parts[:-1]) if (label := tree.words.class_of(part)) is not None]
    if not named:
        return None
    nearest = named[0][1]
    for part, label in named[1:]:
        if label != nearest and len(part) > 3:
            raise BadData(
                f"{str(file)!r} lies in folders of both classes; expected are folders of {CLASSES[1]} and {CLASSES[0]} side by side",
                field="archive",
            )
    return nearest
