"""Splits: which patients train, which choose the threshold, and which are sealed.

A patient is never in two splits, nor are photographs with the same bytes. Within each class the patients
are put in an order that depends on the seed and on their id alone and cut by the shares wanted; whoever
has glaucoma in one eye counts as glaucoma. So the split is the same wherever it is drawn.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from arc.core.errors import BadData
from arc.data.names import CLASSES

SPLITS: Final = ("train", "val", "sealed")


@dataclass(frozen=True)
class Member:
    """One photograph, for the purpose of splitting."""

    patient: str
    label: str
    sha256: str


def split(members: Sequence[Member], shares: Mapping[str, float], *, seed: int) -> list[str]:
    """The split of each member; BadData when a split would lack a class."""
    groups = _groups(members)
    ill = {group for member, group in zip(members, groups, strict=True) if member.label == CLASSES[1]}
    chosen: dict[str, str] = {}
    for stratum in (ill, set(groups) - ill):
        ordered = sorted(stratum, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
        sizes = _sizes(len(ordered), shares)
        names = [name for name in SPLITS for _ in range(sizes[name])]
        chosen |= dict(zip(ordered, names, strict=True))
    result = [chosen[group] for group in groups]
    _complete(members, result, patients=len(set(groups)))
    return result


def _groups(members: Sequence[Member]) -> list[str]:
    """One id a member, equal for those that must stay together: same patient, or same bytes."""
    root: dict[str, str] = {}

    def find(patient: str) -> str:
        while root.setdefault(patient, patient) != patient:
            patient = root[patient]
        return patient

    first: dict[str, str] = {}
    for member in members:
        one, other = sorted((find(member.patient), find(first.setdefault(member.sha256, member.patient))))
        root[other] = one
    return [find(member.patient) for member in members]


def _sizes(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of `count` patients each split gets: at least one each when there are three."""
    least = 1 if count >= len(SPLITS) else 0
    sizes = {name: max(least, int(count * shares[name] + 0.5)) for name in SPLITS[1:]}
    while sum(sizes.values()) > count - least:
        largest = max(sizes, key=lambda name: sizes[name])
        sizes[largest] -= 1
    return {SPLITS[0]: count - sum(sizes.values()), **sizes}


def _complete(members: Sequence[Member], splits: Sequence[str], *, patients: int) -> None:
    for name in SPLITS:
        held = {member.label for member, split_name in zip(members, splits, strict=True) if split_name == name}
        missing = [label for label in CLASSES if label not in held]
        if missing:
            raise BadData(
                f"there are too few patients to split: {name} would have no photograph of class {missing[0]} ({patients} patients in all; "
                f"at least {len(SPLITS)} of each class are needed)",
                field="archive",
            )
