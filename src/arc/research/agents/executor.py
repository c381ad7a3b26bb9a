"""Executor: whether a proposal can be carried out at all: memory and budget. It has no opinion on whether it is a good idea."""

from arc.core.attempt import FailureClass
from arc.core.proposal import Ballot, Proposal
from arc.research.agents import proposing
from arc.research.results import typical_cost
from arc.research.view import View

ROLE = "executor"
_GROWS = ("batch_size", "input_size", "width", "model")  # what memory grows with


def review(view: View, proposal: Proposal) -> Ballot:
    """Reject what cannot be finished with what is left, or is larger than what ran out of memory already."""
    if view.left.experiments < 1:
        return proposing.cast(view, proposal, ROLE, "reject", 1.0, "no experiment is left for the search")
    config = view.config(proposal.changes)
    for one in view.observations:
        if one.failure_class is FailureClass.OOM and _at_least_as_large(config, one.config):
            return proposing.cast(view, proposal, ROLE, "reject", 1.0, f"{one.experiment_id} ran out of memory and was no larger")
    cost = proposal.cost_s or typical_cost(view)
    left = view.left.compute_s
    if cost is not None and left is not None and cost > left:
        return proposing.cast(view, proposal, ROLE, "reject", 0.9, f"it takes about {cost:.0f} s and {left:.0f} s of compute are left")
    return proposing.cast(view, proposal, ROLE, "approve", 0.6, "it fits the machine and the budget")


def _at_least_as_large(config: dict[str, object], failed: dict[str, object]) -> bool:
    """Whether everything that memory grows with is at least what it was in a run that did not fit, and the rest of it the same kind."""
    for name in _GROWS:
        if name in failed:
            mine, theirs = config.get(name), failed[name]
            if isinstance(mine, int | float) and isinstance(theirs, int | float):
                if mine < theirs:
                    return False
            elif mine != theirs:
                return False
    return any(name in failed for name in _GROWS)
