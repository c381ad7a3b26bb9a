"""Names: the words by which archives call the two classes, masks and eyes.

Suspected glaucoma is no alias of either class: whoever packs the archive must decide.
"""

import re
from typing import Final

CLASSES: Final = ("normal", "glaucoma")  # class 0 and class 1
_ALIASES: Final = {
    "glaucoma": "glaucoma glaucomatous glaucoma_positive with_glaucoma g 1 positive pos yes rg referable_glaucoma",
    "normal": "normal healthy h n 0 negative neg no non_glaucoma nonglaucoma no_glaucoma non_glaucomatous without_glaucoma nrg control controls",
}
_CLASS_OF: Final = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_MASKS: Final = frozenset(
    ["mask", "masks", "gt", "ground_truth", "groundtruth", "annotation", "annotations", "segmentation", "segmentations"]
)
_EYES: Final = {"r": "R", "right": "R", "od": "R", "l": "L", "left": "L", "os": "L"}
_SEPARATORS = re.compile(r"[\s\-.]+")


def class_of(name: str) -> str | None:
    """The class that a folder or label names, or None."""
    return _CLASS_OF.get(_SEPARATORS.sub("_", name.strip().casefold()))


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks."""
    return _SEPARATORS.sub("_", name.casefold()) in _MASKS


def eye_of(name: str) -> str:
    """R, L, or nothing when it is neither."""
    return _EYES.get(name.strip().casefold(), "")
