"""A peer's optimiser by lines: reads a space, prints a configuration, reads what it gave, and so on.

`optimiser_rig.py NAME SEED BUDGET`, NAME one of random, tpe, gp (Optuna), ax, smac. The first line read is the space as JSON
({"parameters": {name: {kind, low, high, log | values, when}}}); each later one the measured value, or null for a crash. None of
these learns from crashes by itself: all are told the worst value seen so far for one, and `tpe-fail` is told of a failure.
Conditions are told to TPE and SMAC; the Gaussian processes of Optuna and Ax search all parameters always, their default.
"""

import json
import logging
import random
import sys
import tempfile
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


class Optuna:
    def __init__(self, space: dict[str, Any], kind: str, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers = {
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }
        self.study = optuna.create_study(direction="maximize", sampler=samplers[kind]())
        self.failed = optuna.trial.TrialState.FAIL
        self.space, self.flat = space, kind == "gp"

    def ask(self) -> tuple[Any, dict[str, Any]]:
        trial = self.study.ask()
        said: dict[str, Any] = {}
        for name, one in sorted(self.space.items(), key=lambda item: item[1]["when"] is not None):
            if self.flat or one["when"] is None or said[one["when"]["name"]] in one["when"]["values"]:
                if one["kind"] == "choice":
                    said[name] = trial.suggest_categorical(name, one["values"])
                else:
                    suggest = trial.suggest_int if one["kind"] == "integer" else trial.suggest_float
                    said[name] = suggest(name, one["low"], one["high"], log=one["log"])
        return trial, said

    def tell(self, trial: Any, value: float | None) -> None:
        if value is None:
            self.study.tell(trial, state=self.failed)
        else:
            self.study.tell(trial, value)


class Ax:
    def __init__(self, space: dict[str, Any], seed: int) -> None:
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        self.client = Client(random_seed=seed)
        made: list[Any] = []
        for name, one in space.items():
            if one["kind"] == "choice":
                kind = "str" if isinstance(one["values"][0], str) else "int"
                made.append(ChoiceParameterConfig(name=name, values=one["values"], parameter_type=kind, is_ordered=False))
            else:
                scaling = "log" if one["log"] else "linear"
                kind = "int" if one["kind"] == "integer" else "float"
                made.append(RangeParameterConfig(name=name, bounds=(one["low"], one["high"]), parameter_type=kind, scaling=scaling))
        self.client.configure_experiment(parameters=made)
        self.client.configure_optimization(objective="value")
        self.client.configure_generation_strategy(initialization_random_seed=seed)

    def ask(self) -> tuple[Any, dict[str, Any]]:
        return next(iter(self.client.get_next_trials(max_trials=1).items()))

    def tell(self, trial: Any, value: float | None) -> None:
        if value is None:
            self.client.mark_trial_failed(trial)
        else:
            self.client.complete_trial(trial, raw_data={"value": value})


class Smac:
    def __init__(self, space: dict[str, Any], seed: int, budget: int) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, InCondition
        from ConfigSpace import Integer as Whole
        from smac import HyperparameterOptimizationFacade, Scenario

        searched = ConfigurationSpace(seed=seed)
        made = {}
        for name, one in space.items():
            if one["kind"] == "choice":
                made[name] = Categorical(name, one["values"])
            else:
                kind = Whole if one["kind"] == "integer" else Float
                made[name] = kind(name, (one["low"], one["high"]), log=one["log"])
        searched.add(*made.values())
        conditions = [
            InCondition(made[name], made[one["when"]["name"]], one["when"]["values"]) for name, one in space.items() if one["when"]
        ]
        if conditions:
            searched.add(*conditions)
        scenario = Scenario(searched, deterministic=True, n_trials=budget, seed=seed, output_directory=tempfile.mkdtemp())
        intensifier = HyperparameterOptimizationFacade.get_intensifier(scenario, max_config_calls=1)
        self.smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0, intensifier=intensifier, overwrite=True, logging_level=False
        )

    def ask(self) -> tuple[Any, dict[str, Any]]:
        info = self.smac.ask()
        return info, {name: value.item() if hasattr(value, "item") else value for name, value in dict(info.config).items()}

    def tell(self, info: Any, value: float | None) -> None:
        from smac.runhistory import StatusType, TrialValue

        said = TrialValue(cost=1e6, status=StatusType.CRASHED) if value is None else TrialValue(cost=-value)
        self.smac.tell(info, said)


def main(name: str, seed: int, budget: int) -> None:
    """Ask and tell until the budget is spent; crashes before the first value wait for one."""
    random.seed(seed)
    if name in ("gp", "ax"):
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
    space = json.loads(sys.stdin.readline())["parameters"]
    peer: Any = (
        Ax(space, seed)
        if name == "ax"
        else Smac(space, seed, budget)
        if name == "smac"
        else Optuna(space, name.removesuffix("-fail"), seed)
    )
    worst, owed = None, []
    for _ in range(budget):
        trial, config = peer.ask()
        print("@" + json.dumps(config), flush=True)
        value = json.loads(sys.stdin.readline())
        if value is None and name != "tpe-fail":
            owed.append(trial)
        else:
            peer.tell(trial, value)
            worst = value if worst is None or (value is not None and value < worst) else worst
        if worst is not None:
            for each in owed:
                peer.tell(each, worst)
            owed = []


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
