"""Names: the words by which archives call the two classes, splits, masks and eyes.

Suspected glaucoma is no alias of either class: whoever packs the archive must decide, by a mapping such as
`label:suspect = glaucoma`, or `label:suspect = skip` to leave them out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from arc.core.errors import InvalidSpec

Part = Literal["", "disc", "cup"]  # of an eye that a mask shows; nothing where it shows both

Split = Literal["", "train", "val", "test"]  # that a photograph came in

CLASSES: Final = ("normal", "glaucoma")  # class 0 and class 1
SKIP: Final = "skip"  # what a mapping calls a class whose photographs are left out
ROLES: Final = ("file", "label", "patient", "eye", "site", "split", "mask", "table")
_ALIASES: Final = {
    "glaucoma": "glaucoma glaucomatous glaucoma_positive with_glaucoma g 1 1.0 positive pos yes rg referable_glaucoma gon+",
    "normal": "normal healthy h n 0 0.0 negative neg no non_glaucoma nonglaucoma no_glaucoma noglaucoma non_glaucomatous without_glaucoma nrg control controls gon_",
}
_PATIENT_FOLDER: Final = re.compile(r"(?:patient|subject|participant)(?:_?id)?[_\s\-]*(?=.*\d)(\w[\w.\-]*)", re.IGNORECASE)
_OF_PATIENTS: Final = frozenset({"patients", "subjects", "participants", "by_patient"})  # folders of folders
_SEPARATORS: Final = re.compile(r"[\s\-.]+")
_BETWEEN: Final = re.compile(r"[_\-\s]+")
_MASKS: Final = (
    "mask masks gt gts ground_truth groundtruth annotation annotations segmentation segmentations contours disc_cup_masks softmap softmaps"
)
_MASK_WORDS: Final = frozenset(_MASKS.split())
_PARTS: Final[dict[Part, str]] = {
    "disc": "disc disk od optic_disc optic_disk opticdisc opticdisk odsegsoftmap",
    "cup": "cup oc optic_cup opticcup cupsegsoftmap",
}
_PART_OF: Final[dict[str, Part]] = {alias: part for part, aliases in _PARTS.items() for alias in aliases.split()}
_SURE_PARTS: Final = frozenset(_PART_OF) - {"od", "oc"}  # od is the right eye as well
_WHOLE_ENDINGS: Final = frozenset({"mask", "seg", "gt", "label", "groundtruth"})
_EYES: Final = {"r": "R", "right": "R", "od": "R", "l": "L", "left": "L", "os": "L"}
_SPLITS: Final[dict[Split, str]] = {
    "train": "train training training_set train_set trainset",
    "val": "val valid validation validation_set val_set dev",
    "test": "test testing test_set testset",
}
_SPLIT_OF: Final[dict[str, Split]] = {alias: name for name, aliases in _SPLITS.items() for alias in aliases.split()}


@lru_cache(maxsize=4096)  # the same few words on every photograph
def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", name.strip().casefold())


_CLASS_OF: Final = {_plain(alias): name for name, aliases in _ALIASES.items() for alias in aliases.split()}


def class_of(name: str) -> str | None:
    """The class that a folder or label names, or None."""
    return _CLASS_OF.get(_plain(name))


def split_of(name: str) -> Split:
    """The split that a folder or cell names, or nothing."""
    return _SPLIT_OF.get(_plain(name), "")


@lru_cache(maxsize=4096)
def patient_of(folders: tuple[str, ...]) -> str | None:
    """The patient that the folders of a path name: `patient_0042`, or any folder in one named `patients`; else None."""
    for above, name in pairwise(("", *folders)):
        match = _PATIENT_FOLDER.fullmatch(name.strip())
        if match:
            return match[1]
        if _plain(above) in _OF_PATIENTS:
            return name
    return None


def eye_of(name: str) -> str:
    """R, L, or nothing when it is neither."""
    return _EYES.get(name.strip().casefold(), "")


@lru_cache(maxsize=4096)
def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks: `masks`, `GT`, `disc_masks`, `masks_cup`, `reference_segmentations`, ..."""
    words = _plain(name).split("_")
    if "_".join(words) in _MASK_WORDS or (words[0] in _MASK_WORDS and "_".join(words[1:]) in _PART_OF):
        return True
    return (words[-1] in _MASK_WORDS or "_".join(words[-2:]) in _MASK_WORDS) and not {"no", "without", "with"} & set(words)


def part_of_folder(name: str) -> Part:
    """The part that the masks in a mask folder, or a folder below one, show."""
    words = [word for word in _plain(name).split("_") if word not in _MASK_WORDS]
    return _PART_OF.get("_".join(words), "")


def part_of_ending(stem: str, *, sure: bool) -> tuple[str, Part] | None:
    """The stem without the ending that makes it a mask's, and the part shown; None when it has no such ending.

    `sure`: only endings that cannot mean an eye, for masks that lie beside their photographs.
    """
    words = bare(stem).split("_")
    parts = _SURE_PARTS if sure else frozenset(_PART_OF)
    part: Part = ""
    kept, ended = len(words), False
    while kept > 1:
        word, two = words[kept - 1], "_".join(words[max(0, kept - 2) : kept])
        if two in parts and kept > 2:
            part, kept, ended = _PART_OF[two], kept - 2, True
        elif word in parts:
            part, kept, ended = _PART_OF[word], kept - 1, True
        elif word in _WHOLE_ENDINGS:
            kept, ended = kept - 1, True
        else:
            break
    return ("_".join(words[:kept]), part) if ended else None


def bare(stem: str) -> str:
    """A stem as it is compared: without case, and with one kind of separator."""
    return _BETWEEN.sub("_", stem.casefold())


@dataclass(frozen=True)
class Words:
    """What the asker's mapping says: column names by role, and values by meaning."""

    columns: Mapping[str, str] = field(default_factory=dict)  # role -> column, or the file of the table
    labels: Mapping[str, str] = field(default_factory=dict)  # value -> glaucoma, normal or skip
    splits: Mapping[str, Split] = field(default_factory=dict)  # value -> train, val or test

    def class_of(self, name: str) -> str | None:
        """The class that a folder or label names, SKIP, or None."""
        return self.labels.get(_plain(name)) or class_of(name)

    def split_of(self, name: str) -> Split:
        """The split that a cell names, or nothing."""
        return self.splits.get(_plain(name)) or split_of(name)


def words_of(mapping: Mapping[str, str]) -> Words:
    """A mapping as it was given; InvalidSpec naming the key that is not understood."""
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    splits: dict[str, Split] = {}
    for key, value in mapping.items():
        role, colon, word = key.partition(":")
        if not colon and role in ROLES:
            columns[role] = value
        elif colon and role == "label" and (value == SKIP or class_of(value)):
            labels[_plain(word)] = class_of(value) or SKIP
        elif colon and role == "split" and split_of(value):
            splits[_plain(word)] = split_of(value)
        else:
            known = f"{', '.join(ROLES)}, label:WORD = {' | '.join(CLASSES)} | {SKIP}, split:WORD = train | val | test"
            raise InvalidSpec(f"the mapping {key!a} = {value!a} is not understood; known are {known}", field="mapping", value=key[:160])
    return Words(columns, labels, splits)
