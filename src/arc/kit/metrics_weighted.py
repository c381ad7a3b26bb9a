"""The cases of a binary classifier, and what is computed of them as functions of weights.

Each function here takes weights of shape (draws, n) and gives one column a number, so that `arc.stats.resample` finds all
numbers of an evaluation and their draws at once. A case that weighs 2 counts as two cases. What is not defined for a draw
(no positives, nothing called positive) is NaN there.

The definitions are those of scikit-learn, which the tests compare with: average precision is the sum over steps without
interpolation; the sensitivity at a specificity is the highest of any threshold that keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from arc.core.errors import BadData
from arc.stats.resampled import Statistics

Floats = npt.NDArray[np.float64]
TN, FP, FN, TP = range(4)
SPECIFICITIES: Final = {"sensitivity_at_specificity_85": 0.85, "sensitivity_at_specificity_95": 0.95}
RANKING: Final = ("auc", "average_precision", *SPECIFICITIES)
CALLS: Final = ("accuracy", "sensitivity", "specificity", "precision", "f1", "balanced_accuracy")
PROBABILITY: Final = ("brier", "log_loss", "calibration_error", "calibration_deviation")
LEAST: Final = 1e-7  # probability below which a surprise counts no more: float32 knows no smaller one beside 1
_ROUNDING: Final = 1e-9  # of sums of weights


@dataclass(frozen=True)
class Cases:
    """Labels and probabilities of the positive class, both of shape (n,)."""

    truth: npt.NDArray[np.int64]
    said: Floats

    @classmethod
    def of(cls, labels: npt.ArrayLike, scores: npt.ArrayLike) -> Self:
        """Cases that mean something; BadData when shapes differ, a label is not 0 or 1 or a score is not a probability."""
        truth, said = np.asarray(labels), np.asarray(scores, dtype=np.float64)
        if truth.ndim != 1 or truth.shape != said.shape:
            raise BadData(f"labels of shape {truth.shape} and scores of shape {said.shape} do not belong together", field="scores")
        if not np.isin(truth, (0, 1)).all():
            raise BadData("a label is neither 0 nor 1", field="labels")
        wrong = int((~((said >= 0) & (said <= 1))).sum())  # counts NaN too
        if wrong:
            raise BadData(f"{wrong} of {len(said)} scores are not probabilities from 0 to 1", field="scores")
        return cls(truth.astype(np.int64), said)

    def __len__(self) -> int:
        """Cases."""
        return len(self.truth)

    def cells(self, threshold: float) -> Floats:
        """One row a case with a 1 in its cell of the confusion matrix, shape (n, 4); positive from the threshold on."""
        return np.eye(4)[self.truth * 2 + (self.said >= threshold)]


def ranking(cases: Cases) -> Statistics:
    """The columns RANKING: what depends on the order of the scores alone; equal scores count half."""
    order = np.argsort(-cases.said, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(cases.said[order]) != 0, True))
    truth = cases.truth[order].astype(np.float64)

    def columns(weights: Floats) -> Floats:
        drawn = weights[:, order]
        hits = _from_nothing(np.cumsum(drawn * truth, axis=1)[:, ends])
        alarms = _from_nothing(np.cumsum(drawn * (1 - truth), axis=1)[:, ends])
        positives, negatives = hits[:, -1], alarms[:, -1]
        gained = np.diff(hits, axis=1)
        area = (np.diff(alarms, axis=1) * (hits[:, 1:] + hits[:, :-1])).sum(axis=1) / 2
        precision = _ratio(hits[:, 1:], hits[:, 1:] + alarms[:, 1:], otherwise=0.0)
        found = [_ratio(area, positives * negatives), _ratio((gained * precision).sum(axis=1), positives)]
        for specificity in SPECIFICITIES.values():
            allowed = alarms <= (1 - specificity) * negatives[:, None] + _ROUNDING
            last = np.take_along_axis(hits, allowed.sum(axis=1, keepdims=True) - 1, axis=1)[:, 0]
            found.append(np.where(negatives > 0, _ratio(last, positives), np.nan))
        return np.column_stack(found)

    return columns


def calls(cases: Cases, threshold: float) -> Statistics:
    """The columns CALLS, for cases called positive from the threshold on."""
    cells = cases.cells(threshold)

    def columns(weights: Floats) -> Floats:
        tn, fp, fn, tp = (weights @ cells).T
        sensitivity, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
        return np.column_stack(
            [
                _ratio(tp + tn, tn + fp + fn + tp),
                sensitivity,
                specificity,
                _ratio(tp, tp + fp),
                _ratio(2 * tp, 2 * tp + fp + fn),
                (sensitivity + specificity) / 2,
            ]
        )

    return columns


def probability(cases: Cases, bins: int) -> Statistics:
    """The columns PROBABILITY: Brier score, mean surprise in nats, the expected calibration error over bins of equal width, and how far
    the gaps of the bins together are from those of all cases."""
    place = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), cases.said, side="right") - 1, 0, bins - 1)
    gaps = np.eye(bins)[place] * (cases.truth - cases.said)[:, None]
    likely = np.where(cases.truth == 1, cases.said, 1 - cases.said).clip(LEAST)
    errors = np.column_stack([(cases.truth - cases.said) ** 2, -np.log(likely)])

    whole = gaps.sum(axis=0) / max(1, len(cases))

    def columns(weights: Floats) -> Floats:
        total = weights.sum(axis=1)[:, None]
        drawn = weights @ gaps / total
        return np.column_stack([weights @ errors / total, np.abs(drawn).sum(axis=1), np.abs(drawn - whole).sum(axis=1)])

    return columns


def net_benefit(cases: Cases, thresholds: Sequence[float]) -> Statistics:
    """A column a threshold probability p: TP / n − FP / n × p / (1 − p) (Vickers & Elkin, Med Decis Making 26, 2006)."""
    at = np.asarray(thresholds, dtype=np.float64)
    worth = np.where(cases.truth[:, None] == 1, 1.0, -at / (1 - at)) * (cases.said[:, None] >= at)

    def columns(weights: Floats) -> Floats:
        found: Floats = (weights @ worth) / weights.sum(axis=1)[:, None]
        return found

    return columns


def together(*parts: Statistics) -> Statistics:
    """The columns of all parts, in their order."""
    return lambda weights: np.concatenate([part(weights) for part in parts], axis=1)


def _from_nothing(sums: Floats) -> Floats:
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)


def _ratio(above: Floats, below: Floats, *, otherwise: float = np.nan) -> Floats:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)
