"""Small statistics that both columns need; plain Python and numpy, no torch and no scipy."""

from arc.stats.bootstrap import bootstrap
from arc.stats.calibration import CalibrationBin, brier, calibration_bins, calibration_error
from arc.stats.intervals import Interval, wilson
from arc.stats.resampled import Resampled, resample
from arc.stats.roc import RocPoints, auc, delong, roc_points

__all__ = [
    "CalibrationBin",
    "Interval",
    "Resampled",
    "RocPoints",
    "auc",
    "bootstrap",
    "brier",
    "calibration_bins",
    "calibration_error",
    "delong",
    "resample",
    "roc_points",
    "wilson",
]
