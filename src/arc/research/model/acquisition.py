"""Acquisition: how much is hoped for from measuring a configuration next.

Noisy expected improvement (Letham et al. 2019): the best value so far is itself uncertain, so values at the best configurations known, and
at those in flight, are drawn jointly from the process, and the expected improvement over each draw's best is averaged; given a draw it is
closed-form, on the logarithm so that it keeps an order where it is tiny (Ament et al. 2023). What is in flight is thereby fantasised. The
forest adds its own expected improvement by its weight, and all is times the probability of success.

Upper confidence bound and Thompson draws are offered beside it. Not covered: improvement per cost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp, ndtri
from scipy.stats import qmc

from arc.research.model.gaussian import At
from arc.research.model.world_model import WorldModel

Acquisition = Literal["log_nei", "ucb", "thompson"]
Score = Callable[[np.ndarray], np.ndarray]  # unit rows (m, parameters) -> (m,), more is better
_DRAWS = 32
_RIVALS = 20  # configurations that may be the best so far
_BEARABLE = 0.25  # probability of failure
_DREAD = 40.0  # log units for each unit of probability beyond it
_BETA = 2.0  # of the upper confidence bound, in sd


@dataclass(frozen=True)
class _Rivals:
    """What a candidate has to beat: joint draws at the best rows known and in flight."""

    at: At
    root: np.ndarray  # Cholesky factor of their joint covariance
    normals: np.ndarray  # (draws, rows)
    best: np.ndarray  # (draws,)


def score(model: WorldModel, known: np.ndarray, waiting: np.ndarray, *, kind: Acquisition, rng: np.random.Generator) -> Score:
    """The acquisition as a function of unit rows; `known` are those measured, `waiting` those in flight (either may have no row)."""
    if kind == "log_nei":
        improvement = _noisy_improvement(model, known, waiting, rng)
        return lambda units: improvement(model.rows(units)) + _log_success(model, units)
    floor = float(model.process.values.min()) if len(model.process.values) else 0.0
    if kind == "ucb":
        return lambda units: np.log(np.maximum(_bound(model, model.rows(units)) - floor, 1e-9)) + _log_success(model, units)
    draw = _thompson(model, rng)
    return lambda units: np.log(np.maximum(draw(model.rows(units)) - floor, 1e-9)) + _log_success(model, units)


def _log_success(model: WorldModel, units: np.ndarray) -> np.ndarray:
    """Log probability of success; beyond `_BEARABLE` so much less that such a configuration is for when nothing else is left.

    Without that, hope that is left only where trainings crash outweighs any probability once the rest is known.
    """
    failure = model.feasibility.failure(model.encoder.features(units))
    return np.asarray(np.log1p(-failure) - _DREAD * np.maximum(failure - _BEARABLE, 0))


def _bound(model: WorldModel, rows: np.ndarray) -> np.ndarray:
    mean, variance = model.belief(rows)
    return np.asarray(mean + _BETA * np.sqrt(variance))


def _noisy_improvement(model: WorldModel, known: np.ndarray, waiting: np.ndarray, rng: np.random.Generator) -> Score:
    rivals = _rivals(model, known, waiting, rng)
    weight, forest = model.weight, model.forest
    forest_best = float(forest.at(rivals.at.rows)[0].max()) if forest is not None and len(rivals.at.rows) else 0.0

    def improvement(rows: np.ndarray) -> np.ndarray:
        at = model.process.at(rows)
        reduced = np.linalg.solve(rivals.root, at.covariance(rivals.at).T)
        sd = np.sqrt(np.maximum(at.variance - np.einsum("ij,ij->j", reduced, reduced), 1e-12))
        gap = at.mean + rivals.normals @ reduced - rivals.best[:, None]
        of_process = logsumexp(log_improvement(gap / sd), axis=0) - np.log(_DRAWS) + np.log(sd)
        if forest is None or weight == 1:
            return np.asarray(of_process)
        mean, variance = forest.at(rows)
        wide = np.sqrt(variance + 1e-6)
        of_forest = log_improvement((mean - forest_best) / wide) + np.log(wide)
        return np.asarray(of_forest if weight == 0 else np.logaddexp(np.log(weight) + of_process, np.log(1 - weight) + of_forest))

    return improvement


def _rivals(model: WorldModel, known: np.ndarray, waiting: np.ndarray, rng: np.random.Generator) -> _Rivals:
    rows = model.rows(known)
    best = np.argsort(-model.process.at(rows).mean, kind="stable")[:_RIVALS] if len(rows) else np.arange(0)
    at = model.process.at(np.concatenate([rows[best], model.rows(waiting)]))
    root = np.linalg.cholesky(at.covariance(at) + 1e-6 * np.eye(len(at.rows)))
    count = len(at.rows)
    cube = qmc.Sobol(max(count, 1), seed=rng).random(_DRAWS)[:, :count]
    normals = ndtri(np.clip(cube, 1e-6, 1 - 1e-6))
    drawn = at.mean + normals @ root.T
    return _Rivals(at, root, normals, drawn.max(axis=1) if count else np.zeros(_DRAWS))


def log_improvement(gap: np.ndarray) -> np.ndarray:
    """log E[max(z + gap, 0)] of a standard normal z, without underflow (Ament et al. 2023, eq. 9)."""
    inner = np.maximum(gap, -1.0)
    near = np.log(np.exp(-(inner**2) / 2) / np.sqrt(2 * np.pi) + inner * np.exp(log_ndtr(inner)))
    far = np.minimum(gap, -1.0)
    share = np.maximum(1 + far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2)), 0.0)
    tail = np.where(far > -1e3, np.log(share + 1e-300), -2 * np.log(-far))
    return np.asarray(np.where(gap > -1, near, -(far**2) / 2 - np.log(2 * np.pi) / 2 + tail))


def _thompson(model: WorldModel, rng: np.random.Generator) -> Score:
    """A draw from the mixture: one tree of the forest, or values of the process drawn jointly for each call's rows."""
    if model.forest is not None and rng.random() > model.weight:
        tree = model.forest.trees[int(rng.integers(len(model.forest.trees)))]
        return lambda rows: np.asarray(tree.tree_.predict(np.ascontiguousarray(rows, dtype=np.float32)).ravel())

    def drawn(rows: np.ndarray) -> np.ndarray:
        at = model.process.at(rows)
        root = np.linalg.cholesky(at.covariance(at) + 1e-6 * np.eye(len(rows)))
        return np.asarray(at.mean + root @ rng.standard_normal(len(rows)))

    return drawn
