"""Calibrated: what is chosen on validation once a classifier is trained: its temperature, and the thresholds on what it then says.

One way for a single classifier (`arc.fundus.classify`) and for several as one (`arc.fundus.ensemble`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from arc.fundus.predict import POINTS, of_logits
from arc.kit.operating_points import OperatingPoint, choose_threshold, threshold_at
from arc.kit.temperature import Temperature, fit_temperature


@dataclass(frozen=True)
class Calibrated:
    """What was chosen, and how it was on the photographs it was chosen on."""

    temperature: Temperature
    point: OperatingPoint
    points: Mapping[str, OperatingPoint]  # by the names of POINTS

    def on_card(self) -> dict[str, Any]:
        """The fields of a model card that tell it."""
        return {
            "threshold": self.point.threshold,
            "temperature": self.temperature.value,
            "points": {name: one.threshold for name, one in self.points.items()},
        }

    def as_dict(self) -> dict[str, Any]:
        """What history.json says of it."""
        return {
            "operating_point": self.point.as_dict(),
            "points": {name: one.as_dict() for name, one in self.points.items()},
            "temperature": self.temperature.as_dict(),
        }


def calibrate(labels_N: torch.Tensor, logits_NK: torch.Tensor) -> Calibrated:
    """The choice for classes N (the last one is the illness) and the logits of as many photographs of validation."""
    labels = labels_N.tolist()
    temperature = fit_temperature(labels, (logits_NK[:, -1] - logits_NK[:, 0]).double().numpy())
    scores = of_logits(logits_NK, temperature.value).tolist()
    points = {name: threshold_at(labels, scores, specificity=share) for name, share in POINTS.items()}
    return Calibrated(temperature, choose_threshold(labels, scores), points)
