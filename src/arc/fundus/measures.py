"""Measures: what a classifier's probabilities are worth on one split, as JSON values.

The numbers and their intervals are `arc.kit.metrics`; here is said which of them leads. Photographs of one
patient go together: where patients have several, the AUC that counts is the one resampled by patient, and
DeLong's, which takes every photograph as independent, stands beside it as `auc_delong`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arc.kit.metrics import measure_binary

BINS = 8


@dataclass(frozen=True)
class Judged:
    """One photograph and what was said of it."""

    label: int  # 1 is glaucoma
    probability: float  # of glaucoma
    patient: str | None  # None when patients are not known
    site: str = ""


def measure(judged: Sequence[Judged], *, threshold: float, confidence: float, seed: int) -> dict[str, Any]:
    """Everything that is measured, with `metrics` by name, each {value, low, high, n, note, method}."""
    whole = _measured(judged, threshold=threshold, confidence=confidence, seed=seed)
    metrics = whole.pop("measures")
    metrics["auc_delong"] = metrics["auc"]
    metrics["auc"] = metrics.pop("auc_by_patient", metrics["auc"])
    return whole | {"metrics": metrics, "per_site": _per_site(judged, threshold=threshold, confidence=confidence, seed=seed)}


def _measured(judged: Sequence[Judged], *, threshold: float, confidence: float, seed: int) -> dict[str, Any]:
    patients = [one.patient for one in judged]
    return measure_binary(
        [one.label for one in judged],
        [one.probability for one in judged],
        threshold=threshold,
        patients=None if None in patients else patients,
        confidence=confidence,
        bins=BINS,
        seed=seed,
    ).as_dict()


def _per_site(judged: Sequence[Judged], *, threshold: float, confidence: float, seed: int) -> dict[str, dict[str, Any]]:
    """The AUC within each site; nothing when there is only one."""
    sites = sorted({one.site for one in judged})
    found = {}
    for site in sites if len(sites) > 1 else []:
        here = [one for one in judged if one.site == site]
        measures = _measured(here, threshold=threshold, confidence=confidence, seed=seed)["measures"]
        found[site or "unknown"] = measures.get("auc_by_patient", measures["auc"])
    return found


def flat(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """`auc`, `auc_low`, `auc_high` and so on, as jobs keep them."""
    return {
        f"{name}{suffix}": interval[key]
        for name, interval in metrics.items()
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
