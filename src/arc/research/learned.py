"""Learned: the world model of a study, fitted on the experiments that a view holds, as its agents ask it.

Fitted anew for every view, so that a cycle which is decided again is decided with the same model. Values are turned back into the
unit and direction of the metric. Failures that lie in the configuration teach where not to go; lost machines teach nothing.
"""

from collections.abc import Sequence

from arc.core.proposal import Observation, Predicted
from arc.core.space import Config, Value
from arc.research.model.optimiser import anything, suggest
from arc.research.model.trial import Trial
from arc.research.model.world_model import WorldModel
from arc.research.results import failed_for_itself
from arc.research.view import View

ENOUGH = 4  # measured configurations below which the model keeps to itself


class Model:
    """What agents may ask of the world model of one view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._trials = trials(view)
        self._known = len({repr(sorted(one.config.items())) for one in self._trials if one.value is not None})
        self._model = WorldModel.fit(view.space, self._trials, seed=view.spec.seed)

    def predict(self, configs: Sequence[Config]) -> list[Predicted | None]:
        """The objective of each configuration as it is measured; None while too little is known."""
        if self._known < ENOUGH:
            return [None for _ in configs]
        sign = self._view.spec.objective.sign
        return [Predicted(mean=sign * one.mean, sd=one.sd) for one in self._model.predict(configs)]

    def suggest(self, count: int) -> list[tuple[dict[str, Value], Predicted | None]]:
        """Up to `count` configurations worth trying, none of them known or forbidden."""
        regions = [one for one in self._view.constraints if one.state in ("active", "confirmed")]
        found = suggest(
            self._view.space,
            self._trials,
            count=count,
            seed=self._view.spec.seed + self._view.cycle,
            allowed=(lambda config: not any(one.forbids(dict(config)) for one in regions)) if regions else anything,
            model=self._model,
        )
        sign = self._view.spec.objective.sign
        sure = self._known >= ENOUGH
        return [
            (one.config, Predicted(mean=sign * one.mean, sd=one.sd) if sure and one.mean is not None and one.sd is not None else None)
            for one in found
        ]


def trials(view: View) -> list[Trial]:
    """The experiments that say something about their configuration, as the optimiser reads them."""
    return [_trial(one, view) for one in view.observations if one.value(view.metric) is not None or failed_for_itself(one)]


def _trial(one: Observation, view: View) -> Trial:
    value = one.value(view.metric)
    turned = None if value is None else view.spec.objective.sign * value
    return Trial(dict(one.config), turned, failed=value is None, cost_s=one.duration_s or None, fidelity=one.fidelity)
