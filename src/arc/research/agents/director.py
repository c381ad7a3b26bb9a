"""Director: sets the mode of a cycle and how much novelty it wants, from measured results and never from hope.

Each rule has an id that stands in the decision log. "Beyond noise" is measured: a result counts as a step forward when its lower bound
passes the mean of the incumbent. With `plain_thresholds` set, differences are compared with those instead.
"""

import math
from statistics import NormalDist

from arc.core.proposal import Ballot, Novelty, Observation, Proposal
from arc.research.agents.proposing import cast
from arc.research.view import Directive, View

ROLE = "director"
_Z = NormalDist().inv_cdf(0.95)
FEW_CYCLES = 3
EXPLOIT: dict[Novelty, int] = {"exploit": 3, "explore": 0, "wildcat": 0}
EXPLORE: dict[Novelty, int] = {"exploit": 1, "explore": 2, "wildcat": 0}
WILD: dict[Novelty, int] = {"exploit": 0, "explore": 2, "wildcat": 1}


def direct(view: View) -> Directive:
    """The directive of this cycle."""
    if view.cycle <= FEW_CYCLES:
        return Directive("explore", EXPLORE, f"cycle {view.cycle}: fewer than {FEW_CYCLES} cycles are known", "D1")
    values = _comparable(view)
    window = view.spec.window
    last = values[-window:]
    if last and _regressed(view, values):
        return Directive("recover", EXPLOIT, f"the last {len(last)} results lie below those before them, beyond noise", "D2")
    if any(_passes(view, value) for value in last):
        return Directive("exploit", EXPLOIT, f"a result of the last {len(last)} is above the incumbent, beyond noise", "D3")
    if len(last) >= window:
        if view.directives and view.directives[-1].rule == "D4":
            return Directive(
                "recover", EXPLOIT, f"none of the last {window} results passed the incumbent, for the second time in a row", "D5"
            )
        return Directive("explore", WILD, f"none of the last {window} results passed the incumbent", "D4")
    return Directive("explore", EXPLORE, "neither a step forward nor a standstill", "D6")


def review(view: View, proposal: Proposal, directive: Directive) -> Ballot:
    """Approve what the cycle is for; send back what is of a kind for which it has no slot."""
    wanted = directive.slots[proposal.novelty]
    if wanted:
        return cast(view, proposal, ROLE, "approve", 0.7, f"{directive.mode} has {wanted} slots for {proposal.novelty}")
    if proposal.novelty == "exploit":
        return cast(view, proposal, ROLE, "approve", 0.4, f"{directive.mode} asks for no exploit, but a small change does no harm")
    return cast(view, proposal, ROLE, "revise", 0.5, f"{directive.mode} has no slot for {proposal.novelty}")


def _comparable(view: View) -> list[float]:
    """Values of full trainings of the search, in the order in which they came, turned so that more is better."""
    found = [_value(view, one) for one in view.observations if one.use == "search" and one.fidelity == 1.0]
    return [value for value in found if value is not None]


def _value(view: View, one: Observation) -> float | None:
    value = one.value(view.metric)
    return None if value is None else view.spec.objective.sign * value


def _passes(view: View, value: float) -> bool:
    """Whether a single result is a step forward: its lower bound is above the mean of the incumbent."""
    mean = view.incumbent.mean
    if mean is None:
        return False
    return value - _margin(view, 1, len(view.incumbent.values), plain=0) > view.spec.objective.sign * mean


def _regressed(view: View, values: list[float]) -> bool:
    """Whether the last window is below the one before, and its best below the incumbent, both beyond noise."""
    window = view.spec.window
    last, before = values[-window:], values[-2 * window : -window]
    if len(last) < window or len(before) < window or view.incumbent.mean is None:
        return False
    fell = sum(before) / window - sum(last) / window > _margin(view, window, window, plain=1)
    below = view.spec.objective.sign * view.incumbent.mean - max(last) > _margin(view, 1, len(view.incumbent.values), plain=1)
    return fell and below


def _margin(view: View, n: int, m: int, *, plain: int) -> float:
    """How far two means of n and m trainings may lie apart by noise alone, with one-sided 95 %."""
    if view.spec.plain_thresholds is not None:
        return view.spec.plain_thresholds[plain]
    return _Z * (view.noise_sd or 0.0) * math.sqrt(1 / n + 1 / max(m, 1))
