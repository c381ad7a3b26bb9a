"""Shortcuts: can the label be told from what is not in the eye?

If the healthy came from one camera and the ill from another, then the size of the picture, the bytes of its file, or its
colours at 16 x 16 pixels tell them apart, and a network will learn that instead. `auc_by` measures it: logistic
regression on such features alone, tested on patients it did not see. What AUC is too much is for the caller to say.

Near .5 shows nothing about other shortcuts; a high one on pixels may be the disease itself, where it shows that coarsely.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arc.core.errors import BadData
from arc.stats.bootstrap import bootstrap
from arc.stats.intervals import Interval
from arc.stats.roc import auc

Floats = NDArray[np.float64]

SIDE: Final = 16
_STRENGTH: Final = 0.1  # C of the L2 penalty: 768 features and a few hundred photographs need a strong one
_RESAMPLES: Final = 500


def tiny(image: NDArray[np.uint8]) -> Floats:
    """A photograph (H x W x 3, uint8) as SIDE x SIDE x 3 features, from 0 to 1."""
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).ravel() / 255


def auc_by(features: ArrayLike, labels: Sequence[int], groups: Sequence[str], *, folds: int = 5, seed: int) -> Interval:
    """How well features (n, d) tell the labels (0 or 1) of patients not trained on: the AUC, with patients drawn for its interval.

    Without a value, and with the reason as its note, where there is one class, or a class has fewer patients than two; where
    it has fewer than `folds`, as many folds are made. BadData when the columns do not fit each other.
    """
    x, y, who = np.asarray(features, np.float64), np.asarray(labels), np.asarray(groups)
    if x.ndim != 2 or y.shape != (len(x),) or who.shape != (len(x),):
        raise BadData(f"features {x.shape}, labels {y.shape} and groups {who.shape} are not about the same photographs", field="features")
    if not np.isin(y, (0, 1)).all() or not np.isfinite(x).all():
        raise BadData("a label is neither 0 nor 1, or a feature is not a finite number", field="features")
    patients = [len(set(who[y == label].tolist())) for label in (0, 1)]
    if min(patients) < 2:
        reason = "one class only" if min(patients) == 0 else "a class has one patient only"
        return Interval(None, None, None, len(x), note=f"{reason}: nothing can be told by cross-validation")
    scores = _scores(x, y, who, folds=min(folds, *patients), seed=seed)
    return bootstrap(auc, y, scores, groups=who, method="percentile", resamples=_RESAMPLES, seed=seed)


def _scores(x: Floats, y: NDArray[np.int_], who: NDArray[np.str_], *, folds: int, seed: int) -> Floats:
    """A score for each photograph from a model that saw none of its patient, as ranks within its fold.

    Models of different folds are not on one scale; their ranks are.
    """
    scores = np.full(len(x), 0.5)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(x, y, who):
        if len(set(y[train].tolist())) < 2:
            continue  # patients with both labels can leave one class; these photographs stay undecided
        # liblinear: the other solvers wait for each other's threads: 77 s instead of 5 for 769 photographs on a busy machine
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, solver="liblinear", random_state=seed))
        model.fit(x[train], y[train])
        scores[test] = _ranks(np.asarray(model.decision_function(x[test]), np.float64))
    return scores


def _ranks(values: Floats) -> Floats:
    """Ranks from 0 to 1, equal values sharing theirs; .5 for a single one."""
    less = (values[:, None] > values[None, :]).sum(axis=1) + ((values[:, None] == values[None, :]).sum(axis=1) - 1) / 2
    ranks: Floats = less / (len(values) - 1) if len(values) > 1 else np.full(1, 0.5)
    return ranks
