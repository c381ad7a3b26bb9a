"""Splits: which patients train, which choose the threshold, and which are sealed.

A patient is never in two splits, nor are photographs with the same bytes, nor, where the caller says so, those that
look like the same picture. Within each class the patients are put in an order that depends on the seed and on their
id alone and cut by the shares wanted; whoever has glaucoma in one eye counts as glaucoma. So the split is the same
wherever it is drawn. A split that came with the photographs is kept only when it holds to the same rules.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from arc.core.errors import BadData
from arc.data.names import CLASSES
from arc.data.spec import SplitParams

SPLITS: Final = ("train", "val", "sealed")
_GIVEN: Final = {"train": "train", "val": "val", "test": "sealed", "sealed": "sealed"}


@dataclass(frozen=True)
class Member:
    """One photograph, for the purpose of splitting."""

    patient: str
    label: str  # empty where there are masks and no classes
    sha256: str
    site: str = ""
    given: str = ""  # the split it came in: train, val, test, or nothing


def split(
    members: Sequence[Member],
    rule: SplitParams,
    *,
    seed: int,
    alike: Iterable[tuple[int, int]] = (),
    sealed: Sequence[bool] | None = None,
) -> list[str]:
    """The split of each member; BadData when it cannot be had.

    `alike` are positions of photographs that must stay together; `sealed` says which are sealed already and stay so.
    """
    groups = together(members, alike)
    if sealed is not None:
        result = _around(members, groups, _still_sealed(members, groups, sealed), rule, seed)
    elif rule.split_by == "keep":
        result = _kept(members, groups, rule, seed)
    elif rule.split_by == "site":
        result = _around(members, groups, _of_site(members, groups, rule.sealed_site), rule, seed)
    else:
        shares = {"train": rule.train_share, "val": rule.val_share, "sealed": rule.sealed_share}
        result = _drawn(members, groups, shares, seed)
    _complete(members, result, patients=len(set(groups)))
    return result


def rule_in_words(rule: SplitParams, *, patients_known: bool, seed: int) -> str:
    """The rule as it stands with the version."""
    whose = "by patient" if patients_known else "by photograph (patients unknown; photographs of one picture together)"
    shares = f"{rule.train_share:g} train, {rule.val_share:g} val, {rule.sealed_share:g} sealed"
    how = {"draw": shares, "keep": "as it came, test sealed", "site": f"site {rule.sealed_site!r} sealed, the rest drawn"}[rule.split_by]
    return f"{how}; {whose}, stratified by class, seed {seed}"


def _drawn(members: Sequence[Member], groups: Sequence[str], shares: Mapping[str, float], seed: int) -> list[str]:
    """Each group to a split, class by class, by the shares; a share of none gets nobody."""
    ill = {group for member, group in zip(members, groups, strict=True) if member.label == CLASSES[1]}
    chosen: dict[str, str] = {}
    for stratum in (ill, set(groups) - ill):
        ordered = sorted(stratum, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
        sizes = _sizes(len(ordered), shares)
        names = [name for name in shares for _ in range(sizes[name])]
        chosen |= dict(zip(ordered, names, strict=True))
    return [chosen[group] for group in groups]


def _kept(members: Sequence[Member], groups: Sequence[str], rule: SplitParams, seed: int) -> list[str]:
    """The split that came along; where no validation came along it is drawn from what trains."""
    given = [_GIVEN.get(member.given, "") for member in members]
    if "" in given or "sealed" not in given:
        lacking = "no test photographs" if "" not in given else f"{given.count('')} photographs outside train, val and test"
        raise BadData(
            f"its own split cannot be kept: there are {lacking}; let it be drawn (split_by = draw)", field="split_by", value="keep"
        )
    seen: dict[str, tuple[str, Member]] = {}
    for member, group, name in zip(members, groups, given, strict=True):
        other, first = seen.setdefault(group, (name, member))
        if other != name:
            who = (
                f"patient {member.patient!r}"
                if member.patient == first.patient
                else f"{first.patient!r} and {member.patient!r}, the same picture,"
            )
            raise BadData(
                f"its own split leaks: {who} in {other} and in {name}; let it be drawn (split_by = draw)",
                field="split_by", value="keep",
            )  # fmt: skip
    if "val" in given:
        return given
    tested = {group for group, name in zip(groups, given, strict=True) if name == "sealed"}
    return _around(members, groups, tested, rule, seed)


def _of_site(members: Sequence[Member], groups: Sequence[str], site: str | None) -> set[str]:
    """The groups with a photograph from the site."""
    sites = {member.site for member in members}
    if site not in sites:
        known = ", ".join(sorted(repr(name) for name in sites if name)[:8]) or "none is known"
        raise BadData(f"there is no photograph of site {site!r}; sites: {known}", field="sealed_site", value=site)
    return {group for member, group in zip(members, groups, strict=True) if member.site == site}


def _still_sealed(members: Sequence[Member], groups: Sequence[str], sealed: Sequence[bool]) -> set[str]:
    """The groups that are sealed already; BadData when one of them has a photograph outside, too."""
    away = {group for group, is_sealed in zip(groups, sealed, strict=True) if is_sealed}
    for member, group, is_sealed in zip(members, groups, sealed, strict=True):
        if group in away and not is_sealed:
            raise BadData(
                f"{member.patient!r} is in the sealed split and outside of it, as a patient or as the same picture; "
                "the sealed split must be drawn anew (redraw_sealed = true)",
                field="redraw_sealed", value=False,
            )  # fmt: skip
    return away


def _around(members: Sequence[Member], groups: Sequence[str], away: set[str], rule: SplitParams, seed: int) -> list[str]:
    """The groups in `away` sealed, the others drawn to train and val by their shares."""
    rest = [at for at, group in enumerate(groups) if group not in away]
    whole = rule.train_share + rule.val_share
    shares = {"train": rule.train_share / whole, "val": rule.val_share / whole}
    drawn = iter(_drawn([members[at] for at in rest], [groups[at] for at in rest], shares, seed))
    return ["sealed" if group in away else next(drawn) for group in groups]


def together(members: Sequence[Member], alike: Iterable[tuple[int, int]] = ()) -> list[str]:
    """One id a member, equal for those that must stay together: same patient, same bytes, or alike."""
    root: dict[str, str] = {}

    def find(patient: str) -> str:
        while root.setdefault(patient, patient) != patient:
            root[patient] = root[root[patient]]
            patient = root[patient]
        return patient

    def join(a: str, b: str) -> None:
        one, other = sorted((find(a), find(b)))
        root[other] = one

    first: dict[str, str] = {}
    for member in members:
        join(member.patient, first.setdefault(member.sha256, member.patient))
    for a, b in alike:
        join(members[a].patient, members[b].patient)
    return [find(member.patient) for member in members]


def _sizes(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of `count` patients each split gets: at least one each when there are enough."""
    first, *others = shares
    least = 1 if count >= len(shares) else 0
    sizes = {name: max(least, int(count * shares[name] + 0.5)) for name in others}
    while sum(sizes.values()) > count - least:
        largest = max(sizes, key=lambda name: sizes[name])
        sizes[largest] -= 1
    return {first: count - sum(sizes.values()), **sizes}


def _complete(members: Sequence[Member], splits: Sequence[str], *, patients: int) -> None:
    """BadData when a split is empty, or lacks a class where there are classes."""
    labels = CLASSES if any(member.label for member in members) else ()
    for name in SPLITS:
        held = [member.label for member, split_name in zip(members, splits, strict=True) if split_name == name]
        missing = [f"class {label}" for label in labels if label not in held] if held else ["any kind"]
        if missing:
            raise BadData(
                f"there are too few patients to split: {name} would have no photograph of {missing[0]} ({patients} patients in all; "
                f"at least {len(SPLITS)} of each class are needed)",
                field="archive",
            )
