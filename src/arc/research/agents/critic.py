"""Critics: two independent reviews of a proposal: one by schema, cost, closeness and what the world model expects, one by its nearest neighbours.

They share no evidence on purpose: when both say no for different reasons, it is worth listening.
"""

from arc.core.errors import InvalidSpec
from arc.core.proposal import Ballot, Predicted, Proposal
from arc.research import generator
from arc.research.agents import proposing
from arc.research.results import distance, failed_for_itself, typical_cost
from arc.research.view import View

ROLE, SECOND = "critic", "second_critic"
NEAR = 0.01  # of the space: closer than this, an experiment teaches nothing new
HOPELESS_SDS = 2.0
_NEIGHBOURS = 3
_REACH = 0.15


def review(view: View, proposal: Proposal, expected: Predicted | None = None) -> Ballot:
    """By the book: bounds and constraints, near-duplicates, cost, and what the world model expects, when it says anything."""
    try:
        generator.generate(view.space, view.baseline, dict(proposal.changes), constraints=view.constraints)
    except InvalidSpec as refused:
        return proposing.cast(view, proposal, ROLE, "reject", 1.0, str(refused))
    config = view.config(proposal.changes)
    nearest = min((distance(view.space, config, one.config) for one in view.observations), default=1.0)
    if nearest < NEAR:
        return proposing.cast(view, proposal, ROLE, "revise", 0.8, f"nearly the same was tried ({nearest:.3f} of the space away)")
    usual = typical_cost(view)
    if proposal.cost_s is not None and usual is not None and proposal.cost_s > 5 * usual:
        return proposing.cast(view, proposal, ROLE, "revise", 0.6, f"it would take {proposal.cost_s:.0f} s, five times as long as usual")
    mean = view.incumbent.mean
    if expected is not None and mean is not None:
        sign = view.spec.objective.sign
        best_case = sign * expected.mean + HOPELESS_SDS * expected.sd
        if best_case < sign * mean:
            return proposing.cast(
                view, proposal, ROLE, "reject", 0.6, f"expected {expected.mean:.4g} ± {expected.sd:.2g}, the incumbent has {mean:.4g}"
            )
    return proposing.cast(view, proposal, ROLE, "approve", 0.7, "within bounds, new, and nothing speaks against it")


def second_review(view: View, proposal: Proposal) -> Ballot:
    """By experience alone: how the nearest configurations did."""
    config = view.config(proposal.changes)
    near = sorted(
        (gap, number)
        for number, one in enumerate(view.observations)
        if (one.status == "completed" or failed_for_itself(one)) and (gap := distance(view.space, config, one.config)) <= _REACH
    )[:_NEIGHBOURS]
    if not near:
        return proposing.cast(view, proposal, SECOND, "approve", 0.4, "no experiment lies near it")
    neighbours = [view.observations[number] for _, number in near]
    failed = sum(failed_for_itself(one) for one in neighbours)
    if failed == len(neighbours) and failed > 1:
        return proposing.cast(view, proposal, SECOND, "reject", 0.8, f"all {failed} experiments near it failed")
    sign, mean = view.spec.objective.sign, view.incumbent.mean
    values = [sign * value for one in neighbours if (value := one.value(view.metric)) is not None]
    if values and mean is not None and max(values) < sign * mean - 3 * (view.noise_sd or 0.0):
        return proposing.cast(
            view, proposal, SECOND, "reject", 0.5, f"the best of its neighbours, {max(values):.4g}, is far below the incumbent"
        )
    return proposing.cast(view, proposal, SECOND, "approve", 0.6, f"{len(neighbours)} experiments near it went well enough")
