"""Stop rules of a study, each with an id: budget, target, convergence, nothing left to try. A person stops a study by other means."""

import math
from statistics import NormalDist

from arc.core.proposal import ProposalStatus
from arc.research.memory import Memory
from arc.research.view import View

_Z = NormalDist().inv_cdf(0.95)
STANDSTILLS = 8  # cycles in a row without a step forward, four turns of explore and recover
EMPTY = 2  # cycles in a row in which nothing new could be proposed
REFUSED = 5  # cycles in a row in which nothing was approved


def rule(view: View, memory: Memory) -> tuple[str, str] | None:
    """The id of the first stop rule that holds and why; None to go on."""
    if view.left.experiments < 1:
        return "T1", "the experiments of the search are used up"
    if view.left.compute_s is not None and view.left.compute_s <= 0:
        return "T1", "the budget of compute is used up"
    target, low = view.spec.objective.target, _bound(view)
    if target is not None and low is not None and low >= view.spec.objective.sign * target:
        return "T2", f"the target of {target:g} is reached with the bound of the incumbent"
    last = [one.rule for one in memory.directives[-STANDSTILLS:]]
    if len(last) == STANDSTILLS and all(one in ("D4", "D5") for one in last):
        return "T3", f"no step forward in {STANDSTILLS} cycles, in which it looked far and near"
    done = sorted({record.cycle for key, record in memory.records.items() if key.endswith(".vote")})[-EMPTY:]
    if len(done) == EMPTY and not any(one.cycle in done and one.status is not ProposalStatus.INVALID for one in memory.proposals.values()):
        return "T4", "nothing new is left to try in this space"
    refused = sorted({record.cycle for key, record in memory.records.items() if key.endswith(".learn")})[-REFUSED:]
    if len(refused) == REFUSED and not any(memory.approved(cycle) for cycle in refused):
        return "T6", f"nothing was approved in {REFUSED} cycles"
    if view.spec.mode == "offline" and len(done) >= 1:
        return "T5", "offline: one cycle was decided, and nothing is carried out"
    return None


def _bound(view: View) -> float | None:
    """The lower bound of the incumbent's mean, turned so that more is better."""
    values = [view.spec.objective.sign * value for value in view.incumbent.values.values()]
    if len(values) < 2 or view.noise_sd is None:
        return None
    return sum(values) / len(values) - _Z * view.noise_sd / math.sqrt(len(values))
