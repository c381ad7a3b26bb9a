"""Checks: what is asked of a dataset, one function a question.

Each takes the subject (rows by split and what was seen of every picture) and answers with a `Check`: how many things it
examined and what it found, each finding with the file it is about. A check that failed blocks training until somebody
accepts it by name; a warning only tells. `leakage` has those that compare photographs with each other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from arc.data.look import CUP, DISC, Seen
from arc.data.manifest import Row

MASK_VALUES: Final = (frozenset({0, 1}), frozenset({0, 255}), frozenset({0, DISC, CUP}))
_CUP_OUTSIDE: Final = 0.5  # share of the cup's outline that may touch the background: without a rim over half of it is no cup
_CUP_WITHOUT_RIM: Final = 0.25  # from here on it is told: a rim may be gone in advanced glaucoma, but rarely over so much
_FLAT: Final = 2.0  # levels of standard deviation below which a picture shows nothing
_DARK: Final = 12  # level that nothing exceeds in a black picture


@dataclass(frozen=True)
class Item:
    """One photograph of the subject."""

    split: str  # empty for a folder without splits
    row: Row
    path: Path
    mask: Path | None
    seen: Seen


@dataclass(frozen=True)
class Subject:
    """What is validated."""

    name: str
    task: str
    classes: tuple[str, ...]
    patients_known: bool
    items: tuple[Item, ...]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # split -> class -> photographs, as the version says
    about: dict[str, Any] = field(default_factory=dict)  # licence, source and the like
    troubles: tuple[tuple[str, str], ...] = ()  # (file, what) found before any picture was looked at


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where."""

    file: str
    what: str
    others: tuple[str, ...] = ()  # further files that it is about


@dataclass(frozen=True)
class Check:
    """The answer to one question."""

    name: str  # such as leakage.patient
    title: str
    examined: int
    failures: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    value: float | None = None  # a measured number, where there is one
    low: float | None = None
    high: float | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing failed; warnings do not count."""
        return not self.failures


@dataclass(frozen=True)
class Expected:
    """What the asker expects, from the parameters."""

    width: int | None
    height: int | None
    min_per_class: int
    max_imbalance: float


def all_of(subject: Subject, expected: Expected) -> Iterator[Check]:
    """Every check that looks at photographs one by one, or counts them."""
    yield structure(subject)
    yield metadata(subject)
    yield decodes(subject)
    yield sizes(subject, expected)
    yield channels(subject)
    yield degenerate(subject)
    if any(item.mask for item in subject.items) or subject.task == "segmentation":
        yield mask_pairs(subject)
        yield mask_sizes(subject)
        yield mask_values(subject)
        yield cup_in_disc(subject)
    if subject.classes:
        yield classes(subject, expected)
        yield balance(subject, expected)
    if subject.counts:
        yield split_sums(subject)


def structure(subject: Subject) -> Check:
    """The files are those the tables name, and the tables are as their schema says."""
    return Check("structure.files", "files and tables", len(subject.items), tuple(Finding(file, what) for file, what in subject.troubles))


def metadata(subject: Subject) -> Check:
    """Licence, source, patient, eye and site are filled in; what is missing is a warning."""
    missing = [Finding("", f"no {name} is given") for name in ("licence", "source") if not subject.about.get(name)]
    if not subject.patients_known:
        missing.append(Finding("", "patients are not known: two photographs of one patient cannot be told from two patients"))
    for name in ("eye", "site"):
        without = [item.row.file for item in subject.items if not getattr(item.row, name)]
        if without:
            missing.append(Finding(without[0], f"{len(without)} of {len(subject.items)} photographs have no {name}"))
    return Check("structure.metadata", "metadata", len(subject.items), warnings=tuple(missing))


def decodes(subject: Subject) -> Check:
    """Every picture can be decoded, all of it."""
    bad = tuple(Finding(item.row.file, item.seen.error) for item in subject.items if item.seen.error)
    return Check("pictures.decode", "every picture decodes", len(subject.items), bad)


def sizes(subject: Subject, expected: Expected) -> Check:
    """Every photograph has the expected size, where one is; different sizes within a set are a warning."""
    seen = _decoded(subject)
    wrong = tuple(
        Finding(
            item.row.file,
            f"{item.seen.width} x {item.seen.height} pixels; expected are {expected.width or 'any'} x {expected.height or 'any'}",
        )
        for item in seen
        if (expected.width and item.seen.width != expected.width) or (expected.height and item.seen.height != expected.height)
    )
    kinds = Counter((item.seen.width, item.seen.height) for item in seen)
    told = f"{len(kinds)} sizes, most often {' x '.join(map(str, kinds.most_common(1)[0][0]))}" if len(kinds) > 1 else ""
    return Check("pictures.size", "size of the photographs", len(seen), wrong, (Finding("", told),) if told else ())


def channels(subject: Subject) -> Check:
    """Photographs are in colour; one without it among coloured ones is a warning, for a model sees the difference."""
    seen = _decoded(subject)
    grey = [item for item in seen if item.seen.channels < 3 or (item.seen.features or {}).get("saturation", 1.0) == 0.0]
    odd = tuple(Finding(item.row.file, "without colour, among coloured photographs") for item in grey) if len(grey) < len(seen) else ()
    return Check("pictures.channels", "colour", len(seen), warnings=odd)


def degenerate(subject: Subject) -> Check:
    """No picture is black or shows one level alone."""
    bad = []
    for item in _decoded(subject):
        if item.seen.high <= _DARK:
            bad.append(Finding(item.row.file, f"black: no level above {item.seen.high}"))
        elif item.seen.spread < _FLAT:
            bad.append(Finding(item.row.file, f"shows nothing: levels from {item.seen.low} to {item.seen.high}"))
    return Check("pictures.degenerate", "no picture is empty", len(_decoded(subject)), tuple(bad))


def mask_pairs(subject: Subject) -> Check:
    """Every photograph of a segmentation set has a mask; in a set with classes a missing one is a warning."""
    without = tuple(Finding(item.row.file, "has no mask") for item in subject.items if item.mask is None)
    needed = subject.task == "segmentation"
    return Check(
        "masks.present", "every photograph has a mask", len(subject.items), without if needed else (), () if needed else without[:1]
    )  # fmt: skip


def mask_sizes(subject: Subject) -> Check:
    """A mask has the size of its photograph, and can be decoded."""
    masked = [(item, item.seen.mask) for item in _decoded(subject) if item.seen.mask is not None]
    bad = []
    for item, mask in masked:
        if mask.error:
            bad.append(Finding(item.row.mask, mask.error))
        elif (mask.width, mask.height) != (item.seen.width, item.seen.height):
            what = f"{mask.width} x {mask.height} pixels; its photograph has {item.seen.width} x {item.seen.height}"
            bad.append(Finding(item.row.mask, what, (item.row.file,)))
    return Check("masks.size", "masks fit their photographs", len(masked), tuple(bad))


def mask_values(subject: Subject) -> Check:
    """Masks hold 0 and 1, 0 and 255, or 0, 128 (disc) and 255 (cup); an empty one is a warning."""
    masked = [(item, item.seen.mask) for item in subject.items if item.seen.mask is not None and not item.seen.mask.error]
    bad, empty = [], []
    for item, mask in masked:
        if not any(set(mask.values) <= allowed for allowed in MASK_VALUES):
            bad.append(
                Finding(
                    item.row.mask, f"holds the values {', '.join(map(str, mask.values[:8]))}; 0, 128 and 255 are read", (item.row.file,)
                )
            )
        elif len(mask.values) == 1:
            empty.append(Finding(item.row.mask, f"holds nothing but {mask.values[0]}", (item.row.file,)))
    return Check("masks.values", "values of the masks", len(masked), tuple(bad), tuple(empty))


def cup_in_disc(subject: Subject) -> Check:
    """The cup lies inside the disc."""
    masked = [(item, item.seen.mask) for item in subject.items if item.seen.mask is not None and {DISC, CUP} <= set(item.seen.mask.values)]
    told = [
        (mask.cup_outside, Finding(item.row.mask, f"{mask.cup_outside:.0%} of the cup's outline lie outside the disc", (item.row.file,)))
        for item, mask in masked
        if mask.cup_outside > _CUP_WITHOUT_RIM
    ]
    bad = tuple(one for share, one in told if share > _CUP_OUTSIDE)
    thin = tuple(one for share, one in told if share <= _CUP_OUTSIDE)
    return Check("masks.cup_in_disc", "the cup lies inside the disc", len(masked), bad, thin)


def classes(subject: Subject, expected: Expected) -> Check:
    """Every split has enough photographs of every class."""
    found = _counted(subject)
    few = tuple(
        Finding("", f"{split or 'it'} has {counts[label]} photographs of class {label}; {expected.min_per_class} are asked for")
        for split, counts in found.items()
        for label in subject.classes
        if counts[label] < expected.min_per_class
    )
    return Check("classes.present", "every class in every split", len(subject.items), few)


def balance(subject: Subject, expected: Expected) -> Check:
    """No class outnumbers another beyond measure, and the splits agree in their mixture."""
    whole = Counter(item.row.label for item in subject.items)
    ordered = sorted(whole[label] for label in subject.classes)
    failures: tuple[Finding, ...] = ()
    if ordered and ordered[0] and ordered[-1] / ordered[0] > expected.max_imbalance:
        failures = (
            Finding("", f"one class outnumbers another {ordered[-1] / ordered[0]:.1f} to 1; {expected.max_imbalance:g} is allowed"),
        )
    shares = {split: counts[subject.classes[-1]] / sum(counts.values()) for split, counts in _counted(subject).items() if counts.total()}
    apart = max(shares.values()) - min(shares.values()) if shares else 0.0
    uneven = ", ".join(f"{split} {share:.0%}" for split, share in shares.items())
    warnings = (Finding("", f"the share of {subject.classes[-1]} differs between splits: {uneven}"),) if apart > 0.15 else ()
    return Check("classes.balance", "balance of the classes", len(subject.items), failures, warnings)


def split_sums(subject: Subject) -> Check:
    """The splits add up to what the version says it holds, and no split is empty."""
    found = _counted(subject)
    bad = []
    for split, said in subject.counts.items():
        have = found.get(split, Counter())
        if have.total() != sum(said.values()):
            bad.append(Finding(f"{split}.csv", f"{split} has {have.total()} photographs; the version says {sum(said.values())}"))
        elif not have.total():
            bad.append(Finding(f"{split}.csv", f"{split} is empty"))
    return Check("splits.sums", "the splits add up", len(subject.items), tuple(bad))


def _decoded(subject: Subject) -> Sequence[Item]:
    return [item for item in subject.items if not item.seen.error]


def _counted(subject: Subject) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for item in subject.items:
        found[item.split][item.row.label] += 1
    return dict(found)
