"""Controls: what random search and TPE would have found with as many trainings, on the world model of the study.

Real trainings for controls would double or treble the price of every study, so they are rehearsed: the objective is what the world model, fitted on
all that the study measured, expects of a configuration, and its noise is the noise that was measured. That flatters nobody, because both controls
and the study's own curve are read from the same model; it is marked as a simulation wherever it is shown.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arc.core.space import Choice, Config, Integer, Space, digest
from arc.research.agents.explorer import value_at
from arc.research.learned import trials
from arc.research.model.world_model import WorldModel
from arc.research.view import View

ENOUGH = 8  # measured configurations below which the model is no stand-in for anything
REPEATS = 5  # runs of each control; the curve is their mean


def curves(view: View) -> dict[str, list[float]]:
    """Best so far by number of trainings, for `study`, `random` and `tpe`, all as the world model expects them; empty while too little is known."""
    known = trials(view)
    order = list({digest(one.config): one.config for one in known}.values())
    if sum(one.value is not None for one in known) < ENOUGH:
        return {}
    model = WorldModel.fit(view.space, known, seed=view.spec.seed)
    sign = view.spec.objective.sign

    def expected(configs: Sequence[Config]) -> list[float]:
        return [one.mean for one in model.predict(configs)]

    runs = {"study": [expected(order)]}
    runs["random"] = [expected(_random(view.space, len(order), seed)) for seed in range(REPEATS)]
    runs["tpe"] = [_tpe(view.space, len(order), seed, expected, view.noise_sd or 0.0) for seed in range(REPEATS)]
    return {name: (sign * np.maximum.accumulate(np.array(each), axis=1).mean(axis=0)).tolist() for name, each in runs.items()}


def _random(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    dice = np.random.default_rng([seed, 1])
    drawn = [{name: value_at(parameter, float(dice.random())) for name, parameter in space.parameters.items()} for _ in range(count)]
    return [{name: config[name] for name in space.active(config)} for config in drawn]


def _tpe(space: Space, count: int, seed: int, expected: Callable[[Sequence[Config]], list[float]], noise_sd: float) -> list[float]:
    """What Optuna's TPE asks for, one after the other; the model's expectation of each."""
    # Imported here: a second, and only a study that has ended draws the curve.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    dice = np.random.default_rng([seed, 2])
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    found = []
    for _ in range(count):
        trial = study.ask()
        config: dict[str, Any] = {}
        for name, parameter in space.parameters.items():
            if parameter.when is not None and config.get(parameter.when.name) not in parameter.when.values:
                continue
            if isinstance(parameter, Choice):
                config[name] = trial.suggest_categorical(name, list(parameter.values))
            elif isinstance(parameter, Integer):
                config[name] = trial.suggest_int(name, parameter.low, parameter.high, log=parameter.log)
            else:
                config[name] = trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
        value = expected([config])[0]
        found.append(value)
        study.tell(trial, value + noise_sd * float(dice.standard_normal()))
    return found
