import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from arc.core.space import Choice, Integer, Real, Space, When, digest
from arc.research.model.calibration import calibration
from arc.research.model.optimiser import suggest
from arc.research.model.trial import Trial
from arc.research.model.world_model import Background, WorldModel

MIXED = Space(parameters={
    "optimizer": Choice(values=("sgd", "adam")), "lr": Real(low=1e-5, high=1.0, log=True),
    "momentum": Real(low=0, high=0.99, when=When(name="optimizer", values=("sgd",))), "depth": Integer(low=1, high=6),
})  # fmt: skip
SMALL = Space(parameters={"a": Choice(values=("x", "y", "z")), "b": Integer(low=1, high=4), "on": Choice(values=(True, False))})


def score(config):
    return 1 - 0.1 * (math.log10(config["lr"]) + 3) ** 2 + 0.1 * (config["optimizer"] == "adam") - 0.02 * abs(config["depth"] - 3)


def searched(space, objective, count, **given):
    trials = []
    for _ in range(count):
        found = suggest(space, trials, count=1, seed=3, **given)
        if not found:
            break
        value = objective(found[0].config)
        trials.append(Trial(found[0].config, value, failed=value is None, cost_s=10.0))
    return trials


def random_trials(count, objective=score, space=MIXED, seed=0):
    configs = [one.config for one in suggest(space, (), count=count, seed=seed)]
    values = [objective(config) for config in configs]
    return [
        Trial(config, value, failed=value is None, cost_s=10.0 * config["depth"]) for config, value in zip(configs, values, strict=True)
    ]


def test_it_comes_close_to_the_best_of_a_mixed_space():
    trials = searched(MIXED, score, 30)
    assert max(trial.value for trial in trials) > 1.09
    assert not any(MIXED.violations(trial.config) for trial in trials)
    assert all(("momentum" in trial.config) == (trial.config["optimizer"] == "sgd") for trial in trials)


def test_equal_arguments_give_equal_answers_and_another_seed_others():
    trials = random_trials(14)
    assert suggest(MIXED, trials, count=2, seed=1) == suggest(MIXED, trials, count=2, seed=1)
    assert suggest(MIXED, trials, count=2, seed=1) != suggest(MIXED, trials, count=2, seed=2)


def test_a_finite_space_ends_with_every_configuration_tried_once():
    trials = searched(SMALL, lambda config: config["b"] + (config["a"] == "y"), 100)
    assert len(trials) == 24
    assert len({digest(trial.config) for trial in trials}) == 24
    assert max(trial.value for trial in trials[:14]) == 5  # 8 of them before any model


def test_what_is_left_of_a_finite_space_is_all_that_is_suggested():
    trials = searched(SMALL, lambda config: config["b"], 20)
    assert len(suggest(SMALL, trials, count=10, seed=0)) == 4


@pytest.mark.parametrize("acquisition", ["log_nei", "ucb", "thompson"])
def test_nothing_that_waits_or_was_just_chosen_comes_again(acquisition):
    trials = [*searched(SMALL, lambda config: config["b"], 12), Trial({"a": "z", "b": 4, "on": False}, None)]
    pending = [{"a": "x", "b": 4, "on": True}]
    found = suggest(SMALL, trials, count=12, seed=0, pending=pending, acquisition=acquisition)
    names = [digest(one) for one in [*(trial.config for trial in trials), *pending, *(one.config for one in found)]]
    assert len(set(names)) == len(set(map(digest, [*(trial.config for trial in trials), *pending]))) + len(found)
    assert len(found) >= 10


def test_what_is_not_allowed_is_not_suggested():
    trials = random_trials(12)
    assert all(one.config["lr"] < 1e-3 for one in suggest(MIXED, trials, count=3, seed=0, allowed=lambda config: config["lr"] < 1e-3))
    assert suggest(SMALL, (), count=3, seed=0, allowed=lambda config: False) == []
    assert suggest(MIXED, trials, count=1, seed=0, allowed=lambda config: False) == []


def test_failures_are_learned_and_avoided():
    trials = searched(MIXED, lambda config: None if config["lr"] > 0.01 else config["lr"], 36)
    later = trials[12:]
    assert sum(trial.failed for trial in later) <= len(later) / 3  # the best lies beside what fails, and two of five random points fail
    safe, unsafe = WorldModel.fit(MIXED, trials, seed=0).predict([{"optimizer": "adam", "lr": lr, "depth": 3} for lr in (1e-4, 0.5)])
    assert safe.p_failure < 0.2 < 0.6 < unsafe.p_failure


def test_only_failures_so_far_is_no_reason_to_stop():
    trials = searched(MIXED, lambda config: None, 14)
    [one] = suggest(MIXED, trials, count=1, seed=0)
    assert one.p_failure > 0.9
    assert one.mean is None


def test_a_model_says_mean_sd_failure_and_cost():
    trials = random_trials(40)
    [said] = WorldModel.fit(MIXED, trials, seed=0).predict([{"optimizer": "adam", "lr": 1e-3, "depth": 3}])
    assert said.mean == pytest.approx(1.1, abs=0.05)
    assert 0 < said.sd < 0.2
    assert said.p_failure < 0.05
    assert said.cost_s == pytest.approx(30, rel=0.3)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_model_of_next_to_nothing_says_so(count):
    [said] = WorldModel.fit(MIXED, random_trials(count), seed=0).predict([{"optimizer": "adam", "lr": 1e-3, "depth": 3}])
    assert math.isfinite(said.mean)
    assert said.sd > 0
    assert said.cost_s is None


def test_equal_values_are_no_accident():
    trials = random_trials(12, lambda config: 0.5)
    assert WorldModel.fit(MIXED, trials, seed=0).predict([trials[0].config])[0].mean == pytest.approx(0.5)
    assert len(suggest(MIXED, trials, count=1, seed=0)) == 1


def test_an_older_model_takes_newer_trials_in():
    trials = random_trials(30)
    model = WorldModel.fit(MIXED, trials[:20], seed=0)
    assert model.stale(trials)
    newer = model.updated(trials)
    assert not newer.stale(trials)
    assert newer.updated(trials) is newer
    late = trials[-1]
    assert abs(newer.predict([late.config])[0].mean - late.value) < 0.05
    assert suggest(MIXED, trials, count=1, seed=0, model=model) == suggest(MIXED, trials, count=1, seed=0, model=newer)


def test_repeats_tell_the_noise():
    dice = np.random.default_rng(0)
    trials = random_trials(12)
    noisy = [Trial(trial.config, trial.value + 0.3 * dice.standard_normal()) for trial in trials for _ in range(4)]
    quiet = [Trial(trial.config, trial.value) for trial in trials for _ in range(4)]
    where = [trials[0].config]
    assert WorldModel.fit(MIXED, noisy, seed=0).predict(where)[0].sd > 0.15
    assert WorldModel.fit(MIXED, quiet, seed=0).predict(where)[0].sd < 0.1


def test_short_trainings_teach_but_full_ones_are_predicted():
    trials = random_trials(20)
    short = [Trial(trial.config, trial.value - 0.5, fidelity=1 / 9) for trial in trials]
    [said] = WorldModel.fit(MIXED, [*short, *trials[:8]], seed=0).predict([trials[15].config])
    assert abs(said.mean - trials[15].value) < 0.25


def test_a_refit_in_the_background_is_handed_out_when_it_is_done():
    trials = random_trials(16)
    with ThreadPoolExecutor(1) as executor:
        background = Background(MIXED, executor, seed=0)
        assert background.model is None
        assert background.offer(trials[:12])
        model = background.wait()
        assert model is not None
        assert not background.offer(trials[:12])
        assert background.offer(trials)
        assert background.wait() is not model


def test_calibration_looks_at_later_trials_alone():
    found = calibration(MIXED, random_trials(40), seed=0)
    assert found.n == 40 - 10 == len(found.points)
    assert found.rmse < found.rmse_constant
    assert 0.6 <= found.coverage_90 <= 1
    none = calibration(MIXED, (), seed=0)
    assert (none.n, none.coverage_50, none.rmse) == (0, None, None)
