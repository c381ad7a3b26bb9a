"""Parameter scientist: proposes what the optimiser suggests, and votes by the chance that a proposal beats the incumbent.

What it knows it knows from `Learned`: the world model fitted on the experiments so far, as the agents may ask it. While there are too
few experiments, the optimiser's suggestions are quasi-random and the model says nothing.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Protocol

from arc.core.proposal import Ballot, Predicted, Proposal
from arc.core.space import Config, Value
from arc.research.agents import proposing
from arc.research.view import Directive, View

ROLE = "parameter_scientist"
_HOPELESS = 0.02  # chance of beating the incumbent below which an experiment is not worth its cost


class Learned(Protocol):
    """What agents may ask of the world model."""

    def predict(self, configs: Sequence[Config]) -> list[Predicted | None]:
        """The objective of each configuration, as it is measured; None where the model has nothing to say yet."""
        ...

    def suggest(self, count: int) -> list[tuple[dict[str, Value], Predicted | None]]:
        """Up to `count` configurations worth trying, none of them known, running or forbidden."""
        ...


def propose(view: View, directive: Directive, count: int, model: Learned | None) -> list[Proposal]:
    """Up to `count` proposals; when the director wants exploitation, those nearest to the baseline first."""
    if model is None:
        return []
    found = [(proposing.difference(view, dict(config)), said) for config, said in model.suggest(count)]
    found = [(changes, said) for changes, said in found if changes]
    if directive.mode == "exploit":
        found.sort(key=lambda pair: len(pair[0]))
    return [
        proposing.write(view, ROLE, number, changes, _hypothesis(view, changes, said), predicted=said)
        for number, (changes, said) in enumerate(found)
    ]


def review(view: View, proposal: Proposal, expected: Predicted | None) -> Ballot:
    """Approve while there is a chance worth the cost; abstain while the model knows nothing."""
    mean = view.incumbent.mean
    if expected is None or mean is None:
        return proposing.cast(view, proposal, ROLE, "abstain", 0.0, "there are too few experiments to expect anything")
    gap = view.spec.objective.sign * (expected.mean - mean)
    chance = NormalDist().cdf(gap / max(expected.sd, 1e-9))
    if chance < _HOPELESS:
        return proposing.cast(view, proposal, ROLE, "reject", 0.7, f"a chance of {chance:.1%} to beat the incumbent")
    return proposing.cast(view, proposal, ROLE, "approve", min(0.9, 0.4 + chance), f"a chance of {chance:.0%} to beat the incumbent")


def _hypothesis(view: View, changes: Mapping[str, Value], said: Predicted | None) -> str:
    words = proposing.described(changes)
    if said is None:
        return f"Too little is known for a guess: {words} fills a gap."
    return f"With {words} the model expects {view.metric} {said.mean:.4g} ± {said.sd:.2g}."
