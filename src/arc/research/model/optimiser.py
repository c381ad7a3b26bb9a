"""Optimiser: which configurations to try next.

Quasi-random points first; from 2d + 2 trials on the world model's acquisition is maximised over random points, neighbours of the best, and
ever closer neighbours of what scored best. A small finite space is scored whole. Several suggestions are chosen one after the other, each
treating those before as in flight. Nothing that was tried, waits, or was just chosen is suggested again.

Not covered: several objectives.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import qmc
from threadpoolctl import threadpool_limits

from arc.core.space import Config, Space
from arc.research.model.acquisition import Acquisition, Score, score
from arc.research.model.encode import Encoder, keys, unique
from arc.research.model.trial import Suggestion, Trial
from arc.research.model.world_model import WorldModel

_SCATTERED = 512  # random points scored for a suggestion
_LISTED = 2_000  # most points of a finite space scored for one
_ROUNDS = (0.1, 0.03, 0.01, 0.003)  # how far neighbours lie, as a share of a range, round by round
_CENTRES, _NEIGHBOURS = 5, 40
_PATIENCE = 4_096  # random points looked at before a space counts as exhausted


def anything(_: Config) -> bool:
    """Allows every configuration."""
    return True


def suggest(
    space: Space,
    trials: Sequence[Trial],
    *,
    count: int,
    seed: int,
    pending: Sequence[Config] = (),
    allowed: Callable[[Config], bool] = anything,
    acquisition: Acquisition = "log_nei",
    model: WorldModel | None = None,
) -> list[Suggestion]:
    """Up to `count` configurations within `space`, none tried, pending or forbidden; fewer when there are no more of them.

    Equal arguments give equal answers. `model` may be older than the trials: it takes the newer ones in. Without it one is fitted, in seconds.
    """
    with threadpool_limits(1, user_api="blas"):
        model = (model or WorldModel.fit(space, trials, seed=seed)).updated(trials)
        encoder = model.encoder
        chosen = _chosen(model, trials, count, seed, encoder.snapped(encoder.units(pending)), allowed, acquisition)
        return _told(encoder.configs(chosen), model)


def _chosen(
    model: WorldModel,
    trials: Sequence[Trial],
    count: int,
    seed: int,
    pending: np.ndarray,
    allowed: Callable[[Config], bool],
    kind: Acquisition,
) -> np.ndarray:
    """(up to count, parameters): the unit rows to try, one after the other."""
    encoder = model.encoder
    tried = encoder.snapped(encoder.units([trial.config for trial in trials]))
    measured = np.array([trial.value is not None and not trial.failed for trial in trials], dtype=bool)
    flying = np.array([trial.value is None and not trial.failed for trial in trials], dtype=bool)
    known, waiting = tried[measured], np.concatenate([pending, tried[flying]])
    field = _Field(encoder, allowed, {*keys(tried), *keys(pending)}, seed)
    asked = len(tried) + len(pending)
    chosen = np.empty((0, len(encoder.names)))
    for number in range(count):
        if asked + number < 2 * len(encoder.names) + 2 or len(known) < 2:
            picked = _scattered(field, model, skip=asked + number)
        else:
            rng = np.random.default_rng([seed, asked, number])
            picked = _searched(field, score(model, known, np.concatenate([waiting, chosen]), kind=kind, rng=rng), _best(model, known), rng)
        if picked is None:
            break
        chosen = np.concatenate([chosen, picked[None]])
        field.taken.update(keys(chosen[-1:]))
    return chosen


class _Field:
    """Where a suggestion may lie: the space without what is taken or forbidden."""

    def __init__(self, encoder: Encoder, allowed: Callable[[Config], bool], taken: set[bytes], seed: int) -> None:
        self.encoder, self.allowed, self.taken, self.seed = encoder, allowed, taken, seed
        listed = encoder.listed()
        self.listed = None if listed is None else self.free(listed)

    def free(self, units: np.ndarray) -> np.ndarray:
        """The rows that may be suggested, each once."""
        rows = unique(units)
        rows = rows[[key not in self.taken for key in keys(rows)]]
        return rows if self.allowed is anything or not len(rows) else rows[[self.allowed(config) for config in self.encoder.configs(rows)]]

    def scatter(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Random free rows: `count` are drawn, or all of a small finite space taken."""
        if self.listed is not None:
            left = self.free(self.listed)
            return left if len(left) <= _LISTED else left[rng.choice(len(left), _LISTED, replace=False)]
        rows = self.free(self.encoder.spread(rng.random((count, len(self.encoder.names)))))
        return rows if len(rows) or count >= _PATIENCE else self.scatter(_PATIENCE, rng)


def _scattered(field: _Field, model: WorldModel, *, skip: int) -> np.ndarray | None:
    """The next free point of a scrambled Sobol sequence; once something failed, the safest of the next sixteen."""
    sequence = qmc.Sobol(len(field.encoder.names), seed=field.seed)
    if skip:
        sequence.fast_forward(skip)
    rows = field.free(field.encoder.spread(sequence.random(64)))[:16]
    if not len(rows):
        rows = field.scatter(_SCATTERED, np.random.default_rng([field.seed, skip]))[:8]
    if not len(rows):
        return None
    return np.asarray(rows[int(np.argmin(model.feasibility.failure(field.encoder.features(rows))))])


def _searched(field: _Field, score: Score, best: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The free row with the highest score that the search meets."""
    rows = field.scatter(_SCATTERED, rng)
    if not len(rows):
        return None
    scores = score(rows)
    if field.listed is not None and len(field.listed) <= _LISTED:
        return np.asarray(rows[int(np.argmax(scores))])
    centres = np.concatenate([rows[np.argsort(-scores, kind="stable")[:_CENTRES]], best])
    for far in _ROUNDS:
        near = field.free(_neighbours(field.encoder, centres, far, rng))
        if len(near):
            rows, scores = np.concatenate([rows, near]), np.concatenate([scores, score(near)])
        centres = rows[np.argsort(-scores, kind="stable")[:_CENTRES]]
    return np.asarray(centres[0])


def _neighbours(encoder: Encoder, centres: np.ndarray, far: float, rng: np.random.Generator) -> np.ndarray:
    """Rows near each centre: some parameters moved, numbers by about `far`, choices to any other."""
    rows = np.repeat(centres, _NEIGHBOURS, axis=0)
    moved = rng.random(rows.shape) < max(0.3, 1 / rows.shape[1])
    other = np.where(encoder.choices > 0, rng.random(rows.shape) * encoder.choices, rows + far * rng.standard_normal(rows.shape))
    return encoder.snapped(np.where(moved, other, rows))


def _best(model: WorldModel, known: np.ndarray) -> np.ndarray:
    return known[np.argsort(-model.process.at(model.rows(known)).mean, kind="stable")[:_CENTRES]]


def _told(configs: Sequence[Config], model: WorldModel) -> list[Suggestion]:
    """Configurations with what the model expects of them."""
    informed = len(model.process.values) > 1
    return [
        Suggestion(dict(config), said.mean if informed else None, said.sd if informed else None, said.p_failure, said.cost_s)
        for config, said in zip(configs, model.predict(configs), strict=True)
    ]
