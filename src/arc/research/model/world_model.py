"""World model: what a full training of a configuration would give, how sure that is, whether it would fail and what it would cost.

A Gaussian process and a random forest in one mixture, weighted by how well each predicts a trial it was not fitted on (stacking); a
feasibility model and a forest of costs beside them. A model is a value: it is fitted in seconds, in the background if need be
(`Background`), and takes trials newer than itself in within milliseconds (`updated`), its settings kept.

Not covered: several objectives, and settings that change over a study (the newest fit forgets the one before).
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from arc.core.space import Config, Space
from arc.research.model.encode import Encoder, keys
from arc.research.model.feasibility import Feasibility, learn
from arc.research.model.forest import Forest, grow
from arc.research.model.gaussian import Process, fitted_kernel, prior_kernel
from arc.research.model.scale import Scale, scale_of
from arc.research.model.trial import Prediction, Trial

_ENOUGH = 5  # measured trials below which settings stay at their priors and no forest is grown


@dataclass(frozen=True)
class WorldModel:
    """What is believed of one space after some trials."""

    encoder: Encoder
    scale: Scale
    process: Process
    forest: Forest | None
    weight: float  # of the process in the mixture; the rest is the forest's
    stretch: float  # of the sd of predictions, from later trials that earlier settings were wrong about
    feasibility: Feasibility
    costs: Forest | None  # of log seconds
    graded: bool  # fidelities differed: they are a column of their own
    seen: frozenset[tuple[bytes, float, float | None]]

    @classmethod
    def fit(cls, space: Space, trials: Sequence[Trial], *, seed: int) -> "WorldModel":
        """The model of all finished trials; works from none on, and says little then."""
        encoder = Encoder(space)
        measured, done = _measured(trials), _done(trials)
        graded = len({trial.fidelity for trial in done}) > 1
        scale = scale_of(np.array([trial.value for trial in measured], dtype=float))
        owners = np.append(encoder.owners, len(encoder.names)) if graded else encoder.owners
        rows, values = _rows(encoder, measured, graded=graded), scale.forward(np.array([trial.value for trial in measured], dtype=float))
        forest, weight, stretch, kernel = None, 1.0, 1.0, prior_kernel(owners)
        if len(measured) >= _ENOUGH and values.std() > 0:
            with threadpool_limits(1, user_api="blas"):  # matrices this small take a hundred times longer in threads on a busy machine
                kernel = fitted_kernel(rows, values, owners, repeats=_repeats(rows, values))
                stretch = _stretch(rows, values, owners)
            forest = grow(rows, values, seed=seed, leaf=2)
            weight = _stacked(values, Process(kernel, rows, values), forest)
        return cls(
            encoder, scale, Process(kernel, rows, values), forest, weight, stretch,
            learn(encoder.features(encoder.units([trial.config for trial in done])), _failed(done), seed=seed),
            _costs(encoder, done, graded=graded, seed=seed), graded, _seen(encoder, done),
        )  # fmt: skip

    def stale(self, trials: Sequence[Trial]) -> bool:
        """Whether something finished that this model has not seen."""
        return not _seen(self.encoder, _done(trials)) <= self.seen

    def updated(self, trials: Sequence[Trial]) -> "WorldModel":
        """The same settings given all of `trials`; the forests stay as they are. The model itself when there is nothing new."""
        if not self.stale(trials):
            return self
        measured, done = _measured(trials), _done(trials)
        values = self.scale.forward(np.array([trial.value for trial in measured], dtype=float))
        process = Process(self.process.kernel, _rows(self.encoder, measured, graded=self.graded), values)
        feasibility = self.feasibility.updated(self.encoder.features(self.encoder.units([trial.config for trial in done])), _failed(done))
        return replace(self, process=process, feasibility=feasibility, seen=_seen(self.encoder, done))

    def rows(self, units: np.ndarray) -> np.ndarray:
        """Feature rows of full trainings of unit rows."""
        features = self.encoder.features(units)
        return np.column_stack([features, np.ones(len(features))]) if self.graded else features

    def belief(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the mixture at feature rows, noise-free, in the surrogates' unit."""
        at = self.process.at(rows)
        if self.forest is None:
            return at.mean, at.variance
        mean, variance = self.forest.at(rows)
        mixed = self.weight * at.mean + (1 - self.weight) * mean
        spread = self.weight * (at.variance + (at.mean - mixed) ** 2) + (1 - self.weight) * (variance + (mean - mixed) ** 2)
        return mixed, spread

    @cached_property
    def noise(self) -> float:
        """Variance of one measurement, in the surrogates' unit."""
        return self.process.kernel.noise

    def predict(self, configs: Sequence[Config]) -> list[Prediction]:
        """One prediction for each configuration, of a full training, in the unit of the trials' values."""
        if not configs:
            return []
        units = self.encoder.snapped(self.encoder.units(configs))
        rows = self.rows(units)
        mean, variance = self.belief(rows)
        means, sds = self.scale.moments(mean, self.stretch * np.sqrt(variance + self.noise))
        failure = self.feasibility.failure(self.encoder.features(units))
        costs = [None] * len(configs) if self.costs is None else np.exp(self.costs.at(rows)[0]).tolist()
        return [Prediction(*each) for each in zip(means.tolist(), sds.tolist(), failure.tolist(), costs, strict=True)]


class Background:
    """Refits in an executor of the caller (a thread, or a process that forks nothing) and hands out the newest finished model.

    Which model is newest depends on the clock; a study whose decisions must repeat calls `wait` first.
    """

    def __init__(self, space: Space, executor: Executor, *, seed: int) -> None:
        self._space, self._executor, self._seed = space, executor, seed
        self._running: Future[WorldModel] | None = None
        self._model: WorldModel | None = None

    def offer(self, trials: Sequence[Trial]) -> bool:
        """Begin a fit of these trials unless one is under way or nothing is new; says whether it began."""
        model = self.model
        if self._running is not None or (model is not None and not model.stale(trials)):
            return False
        self._running = self._executor.submit(WorldModel.fit, self._space, tuple(trials), seed=self._seed)
        return True

    @property
    def model(self) -> WorldModel | None:
        """The newest model that is finished; None before the first. What a fit raised is raised here."""
        if self._running is not None and self._running.done():
            running, self._running = self._running, None
            self._model = running.result()
        return self._model

    def wait(self) -> WorldModel | None:
        """The model after the fit under way, if any, has ended."""
        if self._running is not None:
            self._running.result()
        return self.model


def _done(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.failed or trial.value is not None]


def _measured(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if not trial.failed and trial.value is not None]


def _failed(done: Sequence[Trial]) -> np.ndarray:
    return np.array([trial.failed for trial in done], dtype=bool)


def _seen(encoder: Encoder, done: Sequence[Trial]) -> frozenset[tuple[bytes, float, float | None]]:
    names = keys(encoder.units([trial.config for trial in done]))
    return frozenset((name, trial.fidelity, None if trial.failed else trial.value) for name, trial in zip(names, done, strict=True))


def _rows(encoder: Encoder, trials: Sequence[Trial], *, graded: bool) -> np.ndarray:
    features = encoder.features(encoder.units([trial.config for trial in trials]))
    return np.column_stack([features, [trial.fidelity for trial in trials]]) if graded else features


def _repeats(rows: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Groups of values that were measured at one row."""
    _, inverse, counts = np.unique(np.round(rows, 9), axis=0, return_inverse=True, return_counts=True)
    return [values[inverse == group] for group in np.flatnonzero(counts > 1)]


def _stretch(rows: np.ndarray, values: np.ndarray, owners: np.ndarray) -> float:
    """By how much intervals are too narrow, at least 1 and at most 2; three surprises of one sd are taken for granted.

    Settings fitted to the first two thirds of the trials predict the last third one after the other; the root mean square of the surprises, in
    sd, is what those settings lacked. Half of it on the logarithm is taken, because the settings in use know half as many trials more.
    """
    known = 2 * len(values) // 3
    if known < _ENOUGH or values[:known].std() == 0:
        return 1.0
    kernel = fitted_kernel(rows[:known], values[:known], owners)
    surprises = Process(kernel, rows, values).surprises()[known:]
    return float(np.clip(((surprises**2).sum() + 3) / (len(surprises) + 3), 1, 16) ** 0.25)


def _stacked(values: np.ndarray, process: Process, forest: Forest) -> float:
    """The weight of the process under which the mixture makes left-out values most probable (Yao et al. 2018), to a tenth."""
    by_process = _density(values, *process.left_out())
    by_forest = _density(values, forest.left_out_mean, forest.left_out_variance + process.kernel.noise)
    grid = np.linspace(0, 1, 11)
    scores = [float(np.log(weight * by_process + (1 - weight) * by_forest + 1e-300).sum()) for weight in grid]
    return float(grid[int(np.argmax(scores))])


def _density(values: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-((values - mean) ** 2) / variance / 2) / np.sqrt(2 * np.pi * variance))


def _costs(encoder: Encoder, done: Sequence[Trial], *, graded: bool, seed: int) -> Forest | None:
    timed = [trial for trial in done if trial.cost_s is not None and trial.cost_s > 0 and not trial.failed]
    if len(timed) < 3:
        return None
    return grow(_rows(encoder, timed, graded=graded), np.log(np.array([trial.cost_s for trial in timed], dtype=float)), seed=seed)
