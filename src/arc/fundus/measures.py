"""Measures: what a classifier's probabilities are worth on one split, as JSON values.

The numbers and their intervals are `arc.kit.metrics`; here is said which of them leads. Photographs of one
patient go together: where patients have several, the AUC that counts is the one resampled by patient, and
DeLong's, which takes every photograph as independent, stands beside it as `auc_delong`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc.kit.metrics import measure_binary
from arc.stats import auc, bootstrap, delong

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
    patients = [one.patient for one in judged if one.patient is not None]
    whole = measure_binary(
        [one.label for one in judged],
        [one.probability for one in judged],
        threshold=threshold,
        patients=patients if len(patients) == len(judged) else None,
        confidence=confidence,
        bins=BINS,
        seed=seed,
    ).as_dict()
    metrics = whole.pop("measures")
    metrics["auc_delong"] = metrics["auc"]
    metrics["auc"] = _leading(metrics.pop("auc_by_patient", None), metrics["auc"])
    return whole | {"metrics": metrics, "per_site": _per_site(judged, confidence=confidence, seed=seed)}


def _per_site(judged: Sequence[Judged], *, confidence: float, seed: int) -> dict[str, dict[str, Any]]:
    """The AUC within each site, by the rule of the whole; nothing when there is only one site."""
    sites = sorted({one.site for one in judged})
    if len(sites) < 2:
        return {}
    return {site or "unknown": _area([one for one in judged if one.site == site], confidence, seed) for site in sites}


def _area(here: Sequence[Judged], confidence: float, seed: int) -> dict[str, Any]:
    labels, scores = [one.label for one in here], [one.probability for one in here]
    patients = [one.patient for one in here if one.patient is not None]
    by_photograph = delong(labels, scores, confidence).as_dict() | {"method": "delong"}
    if len(patients) < len(here) or len(set(patients)) == len(here):
        return by_photograph
    found = bootstrap(auc, np.array(labels), np.array(scores), groups=patients, confidence=confidence, seed=seed)
    return _leading(found.as_dict() | {"method": "bootstrap by patient"}, by_photograph)


def _leading(by_patient: dict[str, Any] | None, by_photograph: dict[str, Any]) -> dict[str, Any]:
    """The AUC by patient, unless every resample said the same: that is no certainty, and DeLong's has a bound for it."""
    if by_patient is None or (by_patient["low"] is not None and by_patient["low"] == by_patient["high"]):
        return by_photograph
    return by_patient


def flat(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """`auc`, `auc_low`, `auc_high` and so on, as jobs keep them."""
    return {
        f"{name}{suffix}": interval[key]
        for name, interval in metrics.items()
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
