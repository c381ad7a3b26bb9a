"""Calibration: is the world model to be believed? Its intervals held against later trials, its error against that of a constant.

One step ahead: each trial is predicted from those before it. Settings are fitted anew a few times along the way and kept between, so
that a report costs some fits and not one for each trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arc.core.space import Space
from arc.research.model.trial import Trial
from arc.research.model.world_model import WorldModel

_FITS = 6
_Z50, _Z90 = 0.67449, 1.64485  # of the standard normal


@dataclass(frozen=True)
class Point:
    """One later trial: what was expected of it, and what it gave; what a calibration plot draws."""

    mean: float
    sd: float
    value: float


@dataclass(frozen=True)
class Calibration:
    """What came of it; coverage is None without a later trial, errors are None below two measured ones."""

    n: int  # later trials predicted
    coverage_50: float | None
    coverage_90: float | None
    rmse: float | None  # leave-one-out, in the surrogates' unit
    rmse_constant: float | None  # the same of the mean of the others
    points: tuple[Point, ...]


def calibration(space: Space, trials: Sequence[Trial], *, seed: int) -> Calibration:
    """Of the finished trials in their order, from the 2d + 2nd on."""
    done = [trial for trial in trials if trial.failed or trial.value is not None]
    start = 2 * len(space.parameters) + 2
    every = max(1, -(-(len(done) - start) // _FITS))
    points: list[Point] = []
    model: WorldModel | None = None
    for number in range(start, len(done)):
        if model is None or (number - start) % every == 0:
            model = WorldModel.fit(space, done[:number], seed=seed)
        value = done[number].value
        if value is None or done[number].failed or done[number].fidelity != 1:
            continue
        [said] = model.updated(done[:number]).predict([done[number].config])
        points.append(Point(said.mean, said.sd, value))
    error, constant = left_out(WorldModel.fit(space, done, seed=seed))
    return Calibration(len(points), _covered(points, _Z50), _covered(points, _Z90), error, constant, tuple(points))


def left_out(model: WorldModel) -> tuple[float | None, float | None]:
    """Root mean square error of each value as predicted from the others: the mixture's, and that of the others' mean."""
    values = model.process.values
    if len(values) < 2:
        return None, None
    mean = model.process.left_out()[0]
    if model.forest is not None:
        mean = model.weight * mean + (1 - model.weight) * model.forest.left_out_mean
    others = (values.sum() - values) / (len(values) - 1)
    return float(np.sqrt(((values - mean) ** 2).mean())), float(np.sqrt(((values - others) ** 2).mean()))


def _covered(points: Sequence[Point], width: float) -> float | None:
    """Share within `width` sd; a value met exactly counts, whatever the sd."""
    return float(np.mean([abs(one.value - one.mean) <= width * one.sd + 1e-12 for one in points])) if points else None
