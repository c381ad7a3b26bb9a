"""Problems for optimisers of studies: tables of real trainings and functions with noise and hidden regions that crash.

A problem has a space, a true value for each configuration (more is better; None where it crashes), noise, and the best true value
there is. Regret is normalised: 0 is the best, 1 the median of random configurations that do not crash. A table is looked up by the
nearest of its configurations that has the same choices. The tables are `hpo/mnist_pytorch_mf.csv` in the folder that
ARC_SAMPLE_DATA names, else beside the repository.
"""

import csv
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from arc.core.space import Choice, Config, Integer, Real, Space, When
from arc.research.model.encode import Encoder

Value = float | None


@dataclass(frozen=True)
class Problem:
    """One objective; `true` is noise-free, None is a crash."""

    name: str
    space: Space
    true: Callable[[Config], Value]
    noise: float
    best: float

    @cached_property
    def typical(self) -> float:
        """The median true value of random configurations that do not crash."""
        encoder = Encoder(self.space)
        units = encoder.spread(np.random.default_rng(0).random((2000, len(encoder.names))))
        return float(np.median([value for config in encoder.configs(units) if (value := self.true(config)) is not None]))

    def measured(self, config: Config, *, seed: int, number: int) -> Value:
        """What a training would report: the same for the same seed and number."""
        value = self.true(config)
        return None if value is None else value + self.noise * float(np.random.default_rng([seed, number]).standard_normal())

    def regret(self, value: float) -> float:
        """Of a true value."""
        return (self.best - value) / (self.best - self.typical)


def problems() -> list[Problem]:
    """All of them; without the tables when those are not there."""
    return [*tables(), branin(), hartmann6(), hartmann3(), ackley5(), rosenbrock4(), levy5(), network(), grid()]


def tables() -> list[Problem]:
    """Trainings of small networks on MNIST: 3,000 configurations at each of three budgets, crashes included."""
    return [
        _table("mnist 8 epochs", 8.0, None),
        _table("mnist 2.7 epochs", 2.6667, None),
        _table("mnist 8 epochs, mlp", 8.0, "mlp"),
        _table("mnist 5.3 epochs, cnn", 5.3333, "cnn"),
        _table("mnist 5.3 epochs, -log loss", 5.3333, None, lambda row: -math.log(float(row["loss"]))),
    ] if _file().exists() else []  # fmt: skip


def _file() -> Path:
    return Path(os.environ.get("ARC_SAMPLE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "hpo" / "mnist_pytorch_mf.csv"


@cache
def _records() -> list[dict[str, str]]:
    with _file().open(newline="") as file:
        return list(csv.DictReader(file))


def _table(
    name: str, budget: float, model: str | None, value: Callable[[dict[str, str]], float] = lambda row: float(row["accuracy"])
) -> Problem:
    mlp = None if model == "mlp" else When(name="model", values=("mlp",))
    searched: dict[str, Any] = {
        "model": Choice(values=("mlp", "cnn")), "activation": Choice(values=("sigmoid", "tanh", "relu")),
        "lr": Real(low=1e-4, high=0.1, log=True), "dropout_rate": Real(low=0.1, high=0.9), "batch_size": Integer(low=16, high=256),
        "num_neurons_layer1": Integer(low=5, high=100, when=mlp), "num_neurons_layer2": Integer(low=5, high=100, when=mlp),
    }  # fmt: skip
    if model is not None:
        searched = {key: each for key, each in searched.items() if key != "model" and (model == "mlp" or "neurons" not in key)}
    space = Space(parameters=searched)
    encoder = Encoder(space)
    rows = [row for row in _records() if float(row["budget_epochs"]) == budget and (model is None or row["model"] == model)]
    units = encoder.units([_config(space, row) for row in rows])
    values = [value(row) if row["status"] == "success" else None for row in rows]
    apart = np.where(encoder.choices > 0, 1e3, 1.0)

    def true(config: Config) -> Value:
        return values[int(np.argmin((((units - encoder.units([config])) * apart) ** 2).sum(axis=1)))]

    return Problem(name, space, true, 0.0, max(each for each in values if each is not None))


def _config(space: Space, row: dict[str, str]) -> dict[str, Any]:
    read: dict[str, Any] = {"lr": float(row["learning_rate"])}
    for name, parameter in space.parameters.items():
        if name != "lr" and row[name]:
            read[name] = row[name] if isinstance(parameter, Choice) else float(row[name])
    return read


def _numbers(low: float, high: float, count: int) -> Space:
    return Space(parameters={f"x{number}": Real(low=low, high=high) for number in range(count)})


def _point(config: Config) -> np.ndarray:
    return np.array([float(config[f"x{number}"]) for number in range(len(config))])


def branin() -> Problem:
    """Branin; outside a disc it crashes (Gardner et al. 2014), which leaves one of its three optima."""
    space = Space(parameters={"x0": Real(low=-5, high=10), "x1": Real(low=0, high=15)})

    def true(config: Config) -> Value:
        x, y = _point(config)
        if (x - 2.5) ** 2 + (y - 7.5) ** 2 > 50:
            return None
        return -float((y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)

    return Problem("branin in a disc, noisy", space, true, 0.5, -0.397887)


_H6 = (
    np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]),
    np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650],
              [4047, 8828, 8732, 5743, 1091, 381]]) / 1e4,
)  # fmt: skip
_H3 = (
    np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) / 1e4,
)
_WEIGHTS = np.array([1, 1.2, 3, 3.2])


def _hartmann(point: np.ndarray, steep: np.ndarray, centres: np.ndarray) -> float:
    return float(_WEIGHTS @ np.exp(-(steep * (point - centres) ** 2).sum(axis=1)))


def hartmann6() -> Problem:
    """Hartmann in six dimensions, noise of sd .05."""
    return Problem("hartmann6, noisy", _numbers(0, 1, 6), lambda config: _hartmann(_point(config), *_H6), 0.05, 3.32237)


def hartmann3() -> Problem:
    """Hartmann in three dimensions; crashes where the coordinates sum to more than 1.7."""
    return Problem(
        "hartmann3, crashes, noisy", _numbers(0, 1, 3),
        lambda config: None if sum(config.values()) > 1.7 else _hartmann(_point(config), *_H3), 0.05, 3.86278,
    )  # fmt: skip


def ackley5() -> Problem:
    """Ackley in five dimensions, its optimum off the centre, noise of sd .2."""

    def true(config: Config) -> Value:
        x = _point(config)
        return float(20 * math.exp(-0.2 * math.sqrt((x**2).mean())) + math.exp(np.cos(2 * math.pi * x).mean()) - 20 - math.e)

    return Problem("ackley5, noisy", _numbers(-10, 20, 5), true, 0.2, 0.0)


def rosenbrock4() -> Problem:
    """Minus log(1 + Rosenbrock) in four dimensions; crashes outside a ball that holds the optimum; noise of sd .1."""

    def true(config: Config) -> Value:
        x = _point(config)
        if (x**2).sum() > 6:
            return None
        return -math.log1p(float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()))

    return Problem("rosenbrock4 in a ball, noisy", _numbers(-2, 2, 4), true, 0.1, 0.0)


def levy5() -> Problem:
    """Levy in five dimensions."""

    def true(config: Config) -> Value:
        w = 1 + (_point(config) - 1) / 4
        inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
        return -float(math.sin(math.pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2))

    return Problem("levy5", _numbers(-8, 12, 5), true, 0.0, 0.0)


def network() -> Problem:
    """A made-up training in eight mixed dimensions: out of memory when wide, deep and in large batches; noise of sd .005."""
    space = Space(parameters={
        "optimizer": Choice(values=("sgd", "adam", "adamw")), "loss": Choice(values=("focal", "cross_entropy", "dice")),
        "lr": Real(low=1e-5, high=1.0, log=True), "momentum": Real(low=0.0, high=0.99, when=When(name="optimizer", values=("sgd",))),
        "dropout": Real(low=0.0, high=0.9), "depth": Integer(low=1, high=12), "width": Integer(low=8, high=512, log=True),
        "batch_size": Integer(low=4, high=128, log=True),
    })  # fmt: skip

    def true(config: Config) -> Value:
        if config["width"] * config["depth"] * config["batch_size"] > 60_000 or (config["lr"] > 0.3 and config["optimizer"] != "sgd"):
            return None
        right = {"sgd": -1.5 - 1.5 * config.get("momentum", 0.0) ** 2, "adam": -3.0, "adamw": -2.7}[config["optimizer"]]
        off = (math.log10(config["lr"]) - right - 0.3 * math.log10(config["batch_size"] / 32)) ** 2
        size = math.log(config["width"] * math.sqrt(config["depth"]))
        extra = {"sgd": 0.0, "adam": 0.005, "adamw": 0.015}[config["optimizer"]] + {"focal": 0.01, "cross_entropy": 0.005, "dice": -0.02}[
            config["loss"]
        ]
        return 0.94 - 0.06 * min(off, 4) - 0.02 * (size - 5.2) ** 2 - 0.08 * (config["dropout"] - 0.05 * size) ** 2 + extra

    return Problem("network in 8 mixed dimensions, crashes, noisy", space, true, 0.005, 0.965)


def grid() -> Problem:
    """360 configurations, none of them near another by more than its parameters say; some crash."""
    space = Space(parameters={
        "a": Choice(values=("one", "two", "three", "four")), "b": Integer(low=0, high=5), "c": Integer(low=0, high=4), "d": Choice(values=(1, 2, 4)),
    })  # fmt: skip
    random = np.random.default_rng(5)
    main = [random.normal(size=size) for size in (4, 6, 5, 3)]
    both = random.normal(size=(4, 6)) * 0.7

    def true(config: Config) -> Value:
        a, b, c, d = ("one", "two", "three", "four").index(config["a"]), int(config["b"]), int(config["c"]), (1, 2, 4).index(config["d"])
        return None if b + c * d > 9 else float(main[0][a] + main[1][b] + main[2][c] + main[3][d] + both[a, b])

    encoder = Encoder(space)
    listed = encoder.listed()
    assert listed is not None
    return Problem("grid of 360", space, true, 0.0, max(value for config in encoder.configs(listed) if (value := true(config)) is not None))
