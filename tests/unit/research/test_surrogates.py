import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from arc.core.space import Choice, Integer, Real, Space, When
from arc.research.model.acquisition import log_improvement
from arc.research.model.encode import Encoder, keys
from arc.research.model.feasibility import learn
from arc.research.model.forest import grow
from arc.research.model.gaussian import Kernel, Process, _Objective, fitted_kernel
from arc.research.model.scale import scale_of

SPACE = Space(parameters={
    "model": Choice(values=("mlp", "cnn", 1, True)), "lr": Real(low=1e-4, high=0.1, log=True), "rate": Real(low=-1, high=3),
    "width": Integer(low=4, high=512, log=True), "layers": Integer(low=1, high=9, when=When(name="model", values=("mlp", True))),
    "act": Choice(values=("relu", "tanh"), when=When(name="model", values=("cnn",))),
})  # fmt: skip
ENCODER = Encoder(SPACE)
configs = st.integers(0, 2**32 - 1).map(lambda seed: ENCODER.configs(ENCODER.spread(np.random.default_rng(seed).random((1, 6))))[0])


@given(configs)
def test_a_configuration_survives_the_way_there_and_back(config):
    units = ENCODER.units([config])
    [back] = ENCODER.configs(units)
    assert back.keys() == config.keys() == set(SPACE.active(config))
    assert all(back[name] == pytest.approx(config[name]) and type(back[name]) is type(config[name]) for name in config)
    assert keys(ENCODER.snapped(units)) == keys(units)
    assert not SPACE.violations(config)


@given(configs, configs)
def test_two_choices_are_one_apart_and_absent_parameters_do_not_matter(one, other):
    first, second = ENCODER.features(ENCODER.units([one, other]))
    apart = np.bincount(ENCODER.owners, (first - second) ** 2)
    assert apart[0] == pytest.approx(float(one["model"] is not other["model"]))
    if "layers" not in one and "layers" not in other:
        assert apart[4] == 0


def test_a_finite_space_is_listed_once_each():
    space = Space(parameters={"a": Choice(values=("x", "y")), "n": Integer(low=1, high=3, when=When(name="a", values=("x",)))})
    listed = Encoder(space).configs(Encoder(space).listed())
    assert listed == [{"a": "x", "n": 1}, {"a": "x", "n": 2}, {"a": "x", "n": 3}, {"a": "y"}]
    assert ENCODER.listed() is None


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_a_scale_turns_back_what_it_turned(values):
    measured = np.array(values)
    scale = scale_of(measured)
    assert np.allclose(scale.backward(scale.forward(measured)), measured, atol=1e-6 * max(1.0, np.abs(measured).max(initial=0)))


def test_a_long_tail_becomes_short_and_moments_come_back():
    measured = 1 - np.random.default_rng(0).exponential(0.1, 400)
    scale = scale_of(measured)
    assert abs(((scale.forward(measured) - scale.forward(measured).mean()) ** 3).mean()) < 1
    mean, sd = scale.moments(np.array([0.0]), np.array([1.0]))
    assert mean[0] == pytest.approx(measured.mean(), abs=0.02)
    assert sd[0] == pytest.approx(measured.std(), abs=0.03)


def _measured(count=25, seed=0):
    random = np.random.default_rng(seed)
    rows = random.random((count, 4))
    values = np.sin(5 * rows[:, 0]) + rows[:, 1] + 0.1 * random.standard_normal(count)
    return rows, (values - values.mean()) / values.std(), np.array([0, 1, 2, 2])


def test_the_gradient_of_the_fit_is_that_of_its_value():
    objective = _Objective(*_measured(), (-4.0, 1.0))
    at = np.array([-0.3, 0.4, 1.0, -2.5])
    assert np.allclose(objective(at)[1], approx_fprime(at, lambda one: objective(one)[0], 1e-6), rtol=1e-3, atol=1e-3)


def test_left_out_is_what_the_others_predict():
    rows, values, owners = _measured(8)
    kernel = fitted_kernel(rows, values, owners)
    mean, variance = Process(kernel, rows, values).left_out()
    for number in range(len(rows)):
        rest = np.arange(len(rows)) != number
        at = Process(kernel, rows[rest], values[rest]).at(rows[[number]])
        assert mean[number] == pytest.approx(at.mean[0])
        assert variance[number] == pytest.approx(at.variance[0] + kernel.noise)


def test_a_process_without_values_is_its_prior():
    at = Process(Kernel(np.ones(2), 0.1, 0.3), np.empty((0, 2)), np.empty(0)).at(np.zeros((3, 2)))
    assert at.mean.tolist() == [0.3] * 3
    assert at.variance.tolist() == [1.0] * 3


def test_improvement_keeps_its_order_where_it_is_tiny():
    gaps = np.array([-1e6, -1e4, -40.0, -8.0, -1.0, 0.0, 3.0])
    found = log_improvement(gaps)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
    draws = np.random.default_rng(0).standard_normal(400_000)
    for gap, logarithm in zip(gaps[4:], found[4:], strict=True):
        assert np.exp(logarithm) == pytest.approx(np.maximum(draws + gap, 0).mean(), rel=0.02)


def test_a_forest_is_surer_where_it_has_seen_something():
    rows = np.linspace(0, 0.5, 40)[:, None]
    forest = grow(rows, np.sin(12 * rows[:, 0]), seed=0)
    assert np.abs(forest.at(rows)[0] - np.sin(12 * rows[:, 0])).max() < 0.2
    assert np.sqrt(((forest.left_out_mean - np.sin(12 * rows[:, 0])) ** 2).mean()) < 0.3


def test_feasibility_takes_a_new_failure_in_without_growing_trees():
    rows = np.random.default_rng(0).random((40, 2))
    failed = rows[:, 0] > 0.7
    belief = learn(rows, failed, seed=0)
    where = np.array([[0.2, 0.5]])
    before = belief.failure(where)[0]
    after = belief.updated(np.concatenate([rows, where, where]), np.append(failed, [True, True])).failure(where)[0]
    assert before < 0.15
    assert after > before + 0.02
    assert learn(rows, np.zeros(40, dtype=bool), seed=0).failure(where)[0] < 0.05


def test_a_surprise_is_what_those_before_did_not_foresee():
    rows, values, owners = _measured(9)
    kernel = fitted_kernel(rows, values, owners)
    found = Process(kernel, rows, values).surprises()
    at = Process(kernel, rows[:6], values[:6]).at(rows[[6]])
    assert found[6] == pytest.approx((values[6] - at.mean[0]) / np.sqrt(at.variance[0] + kernel.noise))
