"""Temperature: one number that makes a classifier as sure as it is right.

Networks trained on few cases are too sure of themselves. Dividing the logits by one temperature, fitted on validation by
maximum likelihood, mends most of it and changes no ranking: the AUC stays as it is (Guo et al., ICML 2017). Fitted after
training, stored with the model, and used wherever probabilities are made; thresholds are chosen on what it gives.

Where it cannot be fitted (one class only, or every case on its right side, which would ask for endless certainty) it is 1.
Not covered: calibration that differs between sites or groups; one number cannot mend that.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from arc.core.errors import BadData

BOUNDS: Final = (0.1, 10.0)


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by, and the mean surprise (nats a case) before and after on the cases it was fitted on."""

    value: float
    before: float | None
    after: float | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, fit for JSON."""
        return vars(self).copy()


def fit_temperature(labels: npt.ArrayLike, log_odds: npt.ArrayLike) -> Temperature:
    """The temperature within BOUNDS under which labels 0 or 1 are likeliest, from log-odds of the positive class; both of shape (n,).

    1 with a note where there is none. BadData for shapes that differ, other labels and odds that are not finite.
    """
    truth, odds = np.asarray(labels), np.asarray(log_odds, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != odds.shape or not np.isin(truth, (0, 1)).all() or not np.isfinite(odds).all():
        raise BadData("a temperature is fitted to labels 0 or 1 and as many finite log-odds", field="log_odds")
    towards = np.where(truth == 1, odds, -odds)  # log-odds of the true class

    def surprise(logarithm: float) -> float:
        return float(np.logaddexp(0.0, -towards / math.exp(logarithm)).mean())

    if len(np.unique(truth)) < 2:
        return Temperature(1.0, None, None, "only one class: no temperature was fitted")
    before = surprise(0.0)
    if (towards > 0).all():
        return Temperature(1.0, before, before, "every case is on its right side: no temperature was fitted")
    low, high = (math.log(bound) for bound in BOUNDS)
    best = float(minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).x)
    note = "at the end of what is allowed" if min(best - low, high - best) < 1e-6 else ""
    return Temperature(math.exp(best), before, surprise(best), note)
