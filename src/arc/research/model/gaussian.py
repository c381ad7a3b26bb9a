"""A Gaussian process over feature rows, in NumPy.

Matérn 5/2 over overlap distances for choices and scaled differences for numbers, one lengthscale a parameter with the
dimension-scaled log-normal prior of Hvarfner et al. (2024), unit variance because outputs are standardised: the model and the
priors that BoTorch has by default, and a test holds the fit against BoTorch's own. Its gradient is written out because that takes
a tenth of the time at fifty trials and imports no torch (docs/decisions); trials newer than the fit are taken in by a few matrix
products, and a fitted process travels between processes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

_LEAST_NOISE = 1e-4  # of the standardised output's variance
_NOISE_PRIOR = (-4.0, 1.0)  # of its logarithm: mean and sd, BoTorch's default
_LEAST_MEAN = -0.5  # trials crowd where it is good: without it the rest of the space looks hopeless, and a search stays where it is
_SECOND_START = 300  # trials up to which a second start of the fit costs little


@dataclass(frozen=True)
class Kernel:
    """Settings of a process: a lengthscale for each feature column, noise variance, mean."""

    lengthscales: np.ndarray
    noise: float
    constant: float

    def __call__(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(n, m): covariance of feature rows (n, columns) and (m, columns)."""
        return _matern(math.sqrt(5) * cdist(left / self.lengthscales, right / self.lengthscales))


@dataclass(frozen=True)
class Process:
    """A Gaussian process given values (n,) at feature rows (n, columns); n may be 0."""

    kernel: Kernel
    rows: np.ndarray
    values: np.ndarray

    @cached_property
    def root(self) -> np.ndarray:
        """Lower Cholesky factor of the covariance of what was measured."""
        return np.linalg.cholesky(self.kernel(self.rows, self.rows) + self.kernel.noise * np.eye(len(self.rows)))

    @cached_property
    def weights(self) -> np.ndarray:
        """Covariance⁻¹ (values - mean)."""
        return np.asarray(cho_solve((self.root, True), self.values - self.kernel.constant))

    def at(self, rows: np.ndarray) -> "At":
        """What is believed of the noise-free values at feature rows."""
        cross = self.kernel(self.rows, rows)
        reduced = solve_triangular(self.root, cross, lower=True, check_finite=False) if len(self.rows) else cross
        variance = np.maximum(1.0 - np.einsum("ij,ij->j", reduced, reduced), 1e-9)
        return At(
            self,
            rows,
            reduced,
            self.kernel.constant + cross.T @ self.weights if len(self.rows) else np.full(len(rows), self.kernel.constant),
            variance,
        )

    def surprises(self) -> np.ndarray:
        """(n,): each value less its prediction from those before it, in sd of that prediction."""
        return np.asarray(solve_triangular(self.root, self.values - self.kernel.constant, lower=True))

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, variance) of each value as predicted from the others, noise included (Rasmussen and Williams 2006, eq. 5.12)."""
        inverse = cho_solve((self.root, True), np.eye(len(self.rows)))
        variance = 1 / np.diag(inverse)
        return self.values - self.weights * variance, variance


@dataclass(frozen=True)
class At:
    """Beliefs at some feature rows: mean (m,) and variance (m,) without noise; `reduced` (n, m) serves covariances."""

    process: Process
    rows: np.ndarray
    reduced: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def covariance(self, other: "At") -> np.ndarray:
        """(m, k): posterior covariance of these rows with the other's."""
        return np.asarray(self.process.kernel(self.rows, other.rows) - self.reduced.T @ other.reduced)


def prior_kernel(owners: np.ndarray) -> Kernel:
    """The settings before any value: the modes of the priors."""
    dimensions = int(owners.max()) + 1
    return Kernel(np.full(len(owners), _prior_mode(dimensions)), math.exp(_NOISE_PRIOR[0] - _NOISE_PRIOR[1] ** 2), 0.0)


def fitted_kernel(rows: np.ndarray, values: np.ndarray, owners: np.ndarray, *, repeats: Sequence[np.ndarray] = ()) -> Kernel:
    """The settings most probable given standardised values; the columns of one parameter share a lengthscale (`owners`).

    `repeats` are groups of values of one configuration: their spread moves the prior of the noise by as much as it is sure of itself.
    """
    dimensions = int(owners.max()) + 1
    noise_prior = _noise_prior(repeats)
    objective = _Objective(rows, values, owners, noise_prior)
    bounds = [(math.log(0.025), math.log(1e3))] * dimensions + [(math.log(_LEAST_NOISE), 0.0)]
    start = np.append(np.full(dimensions, math.log(_prior_mode(dimensions))), max(noise_prior[0], math.log(2 * _LEAST_NOISE)))
    starts = [start, np.append(np.zeros(dimensions), -2.0)] if len(rows) <= _SECOND_START else [start]
    found = min(
        (minimize(objective, one, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100}) for one in starts),
        key=lambda each: each.fun,
    )
    settings = np.exp(found.x)
    return Kernel(settings[:-1][owners], float(settings[-1]), objective.constant(found.x))


@dataclass(frozen=True)
class _Objective:
    """Minus the log posterior of the settings (log lengthscales, log noise) by value and gradient, the mean profiled out."""

    rows: np.ndarray
    values: np.ndarray
    owners: np.ndarray
    noise_prior: tuple[float, float]

    def constant(self, settings: np.ndarray) -> float:
        """The most probable mean under these settings."""
        return self._solved(settings)[0]

    def __call__(self, settings: np.ndarray) -> tuple[float, np.ndarray]:
        constant, root, distance = self._solved(settings)
        lengthscales, noise, count = np.exp(settings[:-1]), math.exp(settings[-1]), len(self.rows)
        inverse = cho_solve((root, True), np.eye(count), check_finite=False)
        centred = self.values - constant
        weights = inverse @ centred
        value = centred @ weights / 2 + np.log(np.diag(root)).sum() + count * math.log(2 * math.pi) / 2
        outer = inverse - np.outer(weights, weights)  # the gradient is half the trace of this with each derivative of the covariance
        steep = outer * (5 / 3) * (1 + distance) * np.exp(-distance)
        moment = self.rows**2
        apart = 2 * (
            steep.sum(axis=1) @ moment - np.einsum("ij,ij->j", self.rows, steep @ self.rows)
        )  # sums of steep × squared differences
        gradient = np.append(np.bincount(self.owners, apart) / lengthscales**2, np.trace(outer) * noise) / 2
        location = _prior_location(len(lengthscales))
        for at, (middle, spread) in ((settings[:-1], (location, math.sqrt(3))), (settings[-1:], self.noise_prior)):
            value += float((((at - middle) / spread) ** 2 / 2 + at).sum())
        gradient += np.append((settings[:-1] - location) / 3, (settings[-1] - self.noise_prior[0]) / self.noise_prior[1] ** 2) + 1
        return float(value), gradient

    def _solved(self, settings: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The mean, the Cholesky factor and √5 times the scaled distances."""
        scaled = self.rows / np.exp(settings[:-1])[self.owners]
        distance = math.sqrt(5) * cdist(scaled, scaled)
        root = np.linalg.cholesky(_matern(distance) + math.exp(settings[-1]) * np.eye(len(scaled)))
        ones = cho_solve((root, True), np.ones(len(scaled)), check_finite=False)
        return max(float(ones @ self.values / ones.sum()), _LEAST_MEAN), root, distance


def _matern(distance: np.ndarray) -> np.ndarray:
    """Matérn 5/2 of √5 times distances."""
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))


def _prior_location(dimensions: int) -> float:
    return math.sqrt(2) + math.log(dimensions) / 2


def _prior_mode(dimensions: int) -> float:
    return math.exp(_prior_location(dimensions) - 3)


def _noise_prior(repeats: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean and sd of log noise: the default's, joined with what repeats say (log s² has a variance near 2 / degrees of freedom)."""
    location, spread = _NOISE_PRIOR
    freedom = sum(len(group) - 1 for group in repeats)
    if not freedom:
        return location, spread
    measured = math.log(max(sum(float(((group - group.mean()) ** 2).sum()) for group in repeats) / freedom, _LEAST_NOISE))
    trust = (freedom / 2) / (freedom / 2 + 1 / spread**2)
    return location + trust * (measured - location), math.sqrt(1 / (freedom / 2 + 1 / spread**2))
