"""A Gaussian process over feature rows: its settings are fitted by BoTorch, what it says is computed by NumPy.

Matérn 5/2 over overlap distances for choices and scaled differences for numbers, one lengthscale a parameter with the
dimension-scaled log-normal prior that BoTorch has by default (Hvarfner et al. 2024), unit variance because outputs are
standardised. Once settings are known a posterior is a few matrix products: no torch, so that a suggestion takes
milliseconds, trials newer than the fit are taken in at once, and a fitted process travels between processes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.spatial.distance import cdist

_LEAST_NOISE = 1e-4  # of the standardised output's variance
_NOISE_PRIOR = (-4.0, 1.0)  # of its logarithm: mean and sd, BoTorch's default


@dataclass(frozen=True)
class Kernel:
    """Settings of a process: a lengthscale for each feature column, noise variance, mean."""

    lengthscales: np.ndarray
    noise: float
    constant: float

    def __call__(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """(n, m): covariance of feature rows (n, columns) and (m, columns)."""
        distance = math.sqrt(5) * cdist(left / self.lengthscales, right / self.lengthscales)
        return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))


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
    mode = math.exp(math.sqrt(2) + math.log(dimensions) / 2 - 3)
    return Kernel(np.full(len(owners), mode), math.exp(_NOISE_PRIOR[0] - _NOISE_PRIOR[1] ** 2), 0.0)


def fitted_kernel(
    rows: np.ndarray, values: np.ndarray, owners: np.ndarray, *, repeats: Sequence[np.ndarray] = (), start: Kernel | None = None
) -> Kernel:
    """The settings most probable given standardised values; the columns of one parameter share a lengthscale (`owners`).

    `repeats` are groups of values of one configuration: their spread moves the prior of the noise by as much as it is sure of itself.
    """
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.mlls import ExactMarginalLogLikelihood

    location, spread = _noise_prior(repeats)
    likelihood = GaussianLikelihood(
        noise_prior=_log_normal(location, spread),
        noise_constraint=_above(_LEAST_NOISE, max(math.exp(location - spread**2), 2 * _LEAST_NOISE)),
    )
    model = SingleTaskGP(
        torch.as_tensor(rows),
        torch.as_tensor(values)[:, None],
        likelihood=likelihood,
        covar_module=_kernel_module(owners),
        outcome_transform=None,
    )
    if start is not None:
        model.covar_module.lengthscale = torch.as_tensor([start.lengthscales[owners == owner][0] for owner in range(int(owners.max()) + 1)])
    fit_gpytorch_mll(ExactMarginalLogLikelihood(likelihood, model), optimizer_kwargs={"options": {"maxiter": 100}})
    lengthscales = model.covar_module.lengthscale.detach().numpy().ravel()
    return Kernel(lengthscales[owners], float(likelihood.noise.detach()), float(model.mean_module.constant.detach()))


def _noise_prior(repeats: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean and sd of log noise: the default's, joined with what repeats say (log s² has a variance near 2 / degrees of freedom)."""
    location, spread = _NOISE_PRIOR
    freedom = sum(len(group) - 1 for group in repeats)
    if not freedom:
        return location, spread
    measured = math.log(max(sum(float(((group - group.mean()) ** 2).sum()) for group in repeats) / freedom, _LEAST_NOISE))
    trust = (freedom / 2) / (freedom / 2 + 1 / spread**2)
    return location + trust * (measured - location), math.sqrt(1 / (freedom / 2 + 1 / spread**2))


def _log_normal(location: float, spread: float) -> Any:
    from gpytorch.priors import LogNormalPrior

    return LogNormalPrior(location, spread)


def _above(low: float, initial: float) -> Any:
    from gpytorch.constraints import GreaterThan

    return GreaterThan(low, transform=None, initial_value=initial)


def _kernel_module(owners: np.ndarray) -> Any:
    """The kernel above as BoTorch fits it."""
    import gpytorch
    import torch

    class Overlap(gpytorch.kernels.Kernel):  # type: ignore[misc]
        has_lengthscale = True

        def forward(self, x1: Any, x2: Any, diag: bool = False, **_: Any) -> Any:
            scale = self.lengthscale[..., torch.as_tensor(owners)]
            distance = math.sqrt(5) * self.covar_dist(x1 / scale, x2 / scale, diag=diag)
            return (1 + distance + distance**2 / 3) * torch.exp(-distance)

    dimensions = int(owners.max()) + 1
    location = math.sqrt(2) + math.log(dimensions) / 2
    module = Overlap(
        ard_num_dims=dimensions,
        lengthscale_prior=_log_normal(location, math.sqrt(3)),
        lengthscale_constraint=_above(2.5e-2, math.exp(location - 3)),
    )
    module.ard_num_dims = None  # it would be held against the number of columns, which is larger where choices are
    return module
