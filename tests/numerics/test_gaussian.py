"""The fit of the world model's process against BoTorch's: the same model, priors and data."""

import math

import numpy as np
import pytest
import torch

from arc.research.model.gaussian import Process, _Objective, fitted_kernel


@pytest.mark.filterwarnings("ignore")  # what BoTorch and GPyTorch say among themselves
def test_settings_and_predictions_are_those_of_botorch():
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import MaternKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior

    random = np.random.default_rng(0)
    rows = random.random((40, 5))
    values = np.sin(4 * rows[:, 0]) + rows[:, 1] ** 2 + 0.1 * random.standard_normal(40)
    values = (values - values.mean()) / values.std()
    ours = fitted_kernel(rows, values, np.arange(5))

    location = math.sqrt(2) + math.log(5) / 2
    covariance = MaternKernel(
        nu=2.5, ard_num_dims=5, lengthscale_prior=LogNormalPrior(location, math.sqrt(3)),
        lengthscale_constraint=GreaterThan(0.025, transform=None, initial_value=math.exp(location - 3)),
    )  # fmt: skip
    likelihood = GaussianLikelihood(
        noise_prior=LogNormalPrior(-4.0, 1.0), noise_constraint=GreaterThan(1e-4, transform=None, initial_value=math.exp(-5))
    )
    model = SingleTaskGP(
        torch.as_tensor(rows), torch.as_tensor(values)[:, None], likelihood=likelihood, covar_module=covariance, outcome_transform=None
    )
    fit_gpytorch_mll(ExactMarginalLogLikelihood(likelihood, model))

    objective = _Objective(rows, values, np.arange(5), (-4.0, 1.0))
    theirs = np.append(covariance.lengthscale.detach().numpy().ravel(), likelihood.noise.item())
    assert objective(np.log(np.append(ours.lengthscales, ours.noise)))[0] <= objective(np.log(theirs))[0] + 0.01
    at = Process(ours, rows, values).at(rows[:10] + 0.05)
    posterior = model.posterior(torch.as_tensor(rows[:10] + 0.05))
    assert np.allclose(at.mean, posterior.mean.detach().numpy().ravel(), atol=0.02)
    assert np.allclose(at.variance, posterior.variance.detach().numpy().ravel(), atol=0.01)
