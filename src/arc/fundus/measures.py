"""Measures: what a classifier's probabilities are worth on one split, as JSON values.

The numbers and their intervals are `arc.kit.metrics`; here is said which of them leads. Photographs of one
patient go together: where patients have several, the AUC that counts is the one resampled by patient, and
DeLong's, which takes every photograph as independent, stands beside it as `auc_delong`.

Each column of the manifest that can tell people or places apart (`SUBGROUPS`) gives a row a value, so that a good mean cannot
hide a site where the model fails. A row of few patients has a wide interval, which is the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from arc.kit.metrics import measure_binary, measure_probabilities
from arc.stats import calibration_bins

BINS: Final = 8
SUBGROUPS: Final = ("site", "eye")
BENEFIT_AT: Final = tuple(step / 50 for step in range(1, 50))  # threshold probabilities of the decision curve
_IN_A_ROW: Final = ("auc", "sensitivity", "specificity", "brier")


@dataclass(frozen=True)
class Judged:
    """One photograph and what was said of it."""

    label: int  # 1 is glaucoma
    probability: float  # of glaucoma
    patient: str | None  # None when patients are not known
    site: str = ""
    eye: str = ""
    unscaled: float | None = None  # the probability before the temperature


def measure(
    judged: Sequence[Judged], *, threshold: float, confidence: float, seed: int, points: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Everything that is measured, with `metrics` by name, each {value, low, high, n, confidence, note, method}.

    `points` are further thresholds that were chosen on validation; see `arc.kit.metrics.measure_binary`.
    """
    options = {"threshold": threshold, "confidence": confidence, "seed": seed}
    subgroups = {name: _rows(judged, name, options) for name in SUBGROUPS}
    found = _measured(judged, options, points=points, benefit_at=BENEFIT_AT)
    per_site = {site: row["metrics"]["auc"] for site, row in subgroups["site"].items()}
    return found | {"per_site": per_site, "subgroups": {name: rows for name, rows in subgroups.items() if rows}}


def scaling(judged: Sequence[Judged], *, confidence: float, seed: int) -> dict[str, Any]:
    """What the probabilities were worth before the temperature and after it; nothing where it is not known what they were before."""
    before = [one.unscaled for one in judged if one.unscaled is not None]
    if len(before) < len(judged):
        return {}
    labels, after = [one.label for one in judged], [one.probability for one in judged]
    found: dict[str, Any] = {}
    for name, scores in (("before", before), ("after", after)):
        numbers = measure_probabilities(labels, scores, patients=_patients(judged), confidence=confidence, bins=BINS, seed=seed)
        found[name] = {each: measure.as_dict() for each, measure in numbers.items()}
    bins = calibration_bins(labels, before, bins=BINS, confidence=confidence)
    return found | {"calibration_before": [{"predicted": each.predicted, "observed": each.observed.as_dict()} for each in bins]}


def _measured(judged: Sequence[Judged], options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    whole = measure_binary(
        [one.label for one in judged], [one.probability for one in judged], patients=_patients(judged), bins=BINS, **options, **more
    ).as_dict()
    metrics = whole.pop("measures")
    metrics["auc_delong"] = metrics["auc"]
    metrics["auc"] = metrics.pop("auc_by_patient", metrics["auc"])
    return whole | {"metrics": metrics}


def _rows(judged: Sequence[Judged], column: str, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What leads, within each value of a column; nothing when there is only one value."""
    values = sorted({getattr(one, column) for one in judged})
    rows = {}
    for value in values if len(values) > 1 else ():
        found = _measured([one for one in judged if getattr(one, column) == value], options)
        counts = {name: found[name] for name in ("n", "positives", "patients")}
        rows[value or "unknown"] = counts | {"metrics": {name: found["metrics"][name] for name in _IN_A_ROW}}
    return rows


def _patients(judged: Sequence[Judged]) -> list[str] | None:
    """The patient of each photograph, unless one is not known."""
    known = [one.patient for one in judged if one.patient is not None]
    return known if len(known) == len(judged) else None


def flat(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """`auc`, `auc_low`, `auc_high` and so on, as jobs keep them."""
    return {
        f"{name}{suffix}": interval[key]
        for name, interval in metrics.items()
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
