"""Leakage: the same patient, the same bytes or the same picture on both sides of a split, and shortcuts to the label.

A model that was trained on a copy of a test photograph is judged by its memory. Where the label can be told from the
size of a photograph, the length of its file or a few blurred pixels, it may learn the camera in place of the disease
(Geirhos et al., Nat. Mach. Intell. 2, 2020): that is measured and told, and for a person to weigh.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from arc.data import duplicates, shortcuts
from arc.data.checks import Check, Finding, Item, Subject
from arc.data.duplicates import UNTOLD


def all_of(subject: Subject, *, shortcut_auc: float, seed: int) -> Iterator[Check]:
    """Every check that compares photographs with each other."""
    yield same_patient(subject)
    yield same_bytes(subject)
    yield same_picture(subject)
    if len(subject.classes) == 2:
        yield from _shortcuts(subject, limit=shortcut_auc, seed=seed)


def same_patient(subject: Subject) -> Check:
    """No patient is in two splits."""
    if not subject.patients_known:
        return Check("leakage.patient", "a patient is in one split", 0)
    groups = _grouped((item.row.patient, item) for item in subject.items)
    crossing = [group for group in groups.values() if len({item.split for item in group}) > 1]
    found = tuple(_finding(group, f"patient {group[0].row.patient!r} is in {_splits(group)}") for group in crossing)
    return Check("leakage.patient", "a patient is in one split", len(groups), found)


def same_bytes(subject: Subject) -> Check:
    """No file is in two splits; one that is twice in a split is a warning."""
    groups = [group for group in _grouped((item.row.sha256, item) for item in subject.items).values() if len(group) > 1]
    crossing = tuple(_finding(group, f"the same file is in {_splits(group)}") for group in groups if _crosses(group))
    within = tuple(_finding(group, "the same file is there more than once") for group in groups if not _crosses(group))
    return Check("leakage.bytes", "a file is in one split", len(subject.items), crossing, within)


def same_picture(subject: Subject) -> Check:
    """No picture is in two splits, re-encoded, turned, brightened, cropped or shifted; twice in a split is a warning.

    Two photographs of one patient in one split are no finding: they may well look alike. What is too small or too smooth to be told
    from others is said to be so, and not compared.
    """
    signed = [(item, item.seen.signature) for item in subject.items if item.seen.signature is not None]
    items = [item for item, signature in signed if duplicates.tells(signature)]
    untold = [item for item, signature in signed if not duplicates.tells(signature)]
    failures, warnings = [], []
    if untold:
        warnings.append(_finding(untold, f"{len(untold)} photographs {UNTOLD}"))
    for pair in duplicates.find([signature for _, signature in signed if duplicates.tells(signature)]):
        both = [items[pair.a], items[pair.b]]
        if both[0].row.sha256 == both[1].row.sha256:
            continue  # said by same_bytes
        how = "the same picture" if pair.how == "same" else f"the same picture, {pair.how.replace('_', ' ')}"
        if _crosses(both):
            failures.append(_finding(both, f"{how}, is in {_splits(both)} (agreement {pair.score:.2f})"))
        elif not (subject.patients_known and both[0].row.patient == both[1].row.patient):
            warnings.append(_finding(both, f"{how}, is there twice (agreement {pair.score:.2f})"))
    return Check("leakage.picture", "a picture is in one split", len(items), tuple(failures), tuple(warnings))


def _shortcuts(subject: Subject, *, limit: float, seed: int) -> Iterator[Check]:
    """Whether size, bytes or 16 x 16 pixels alone tell the label, by cross-validated AUC over patients."""
    items = [item for item in subject.items if item.seen.small is not None and item.row.label in subject.classes]
    labels = [subject.classes.index(item.row.label) for item in items]
    patients = [item.row.patient for item in items]
    said = {
        "size": ("the size of a photograph", [[item.seen.width, item.seen.height] for item in items]),
        "bytes": ("the length of its file", [[math.log(max(item.seen.bytes, 1))] for item in items]),
        "pixels": ("16 x 16 pixels of it", [item.seen.small for item in items]),
    }
    for name, (words, values) in said.items():
        title = f"{words} does not tell the label"
        told = shortcuts.auc_by(np.asarray(values, np.float64), labels, patients, seed=seed) if items else None
        if told is None or told.value is None:
            why = (Finding("", told.note),) if told is not None else ()
            yield Check(f"shortcut.{name}", title, 0, warnings=why)
            continue
        what = f"{words} alone tells the label with AUC {told.value:.2f} [{told.low:.2f}, {told.high:.2f}]; above {limit:g} is a warning"
        strong = (Finding("", what),) if told.value > limit else ()
        yield Check(f"shortcut.{name}", title, len(items), (), strong, told.value, told.low, told.high)


def _grouped(pairs: Iterable[tuple[str, Item]]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for key, item in pairs:
        groups[key].append(item)
    return groups


def _crosses(group: list[Item]) -> bool:
    return len({item.split for item in group}) > 1


def _splits(group: list[Item]) -> str:
    return " and in ".join(sorted({item.split for item in group}))


def _finding(group: list[Item], what: str) -> Finding:
    """About a group: the first file of each split before further ones."""
    first, *others = sorted(group, key=lambda item: (item.split, item.row.file))
    return Finding(first.row.file, what, tuple(item.row.file for item in others[:8]))
