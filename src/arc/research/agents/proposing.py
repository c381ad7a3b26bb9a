"""Proposing: how an agent writes a proposal and casts a ballot, the same way for all of them."""

from collections.abc import Mapping

from arc.core.proposal import Ballot, Novelty, Predicted, Proposal, ProposalType, Risk, Vote
from arc.core.space import Choice, Integer, Parameter, Value
from arc.research.view import View

_KINDS: tuple[tuple[str, ProposalType], ...] = (
    ("model", "architecture"), ("width", "architecture"), ("loss", "loss"), ("focal", "loss"), ("augment", "augmentation"),
    ("input_size", "data"), ("weighted_sampling", "data"), ("balanced_sites", "data"),
)  # fmt: skip


def write(
    view: View,
    proposer: str,
    number: int,
    changes: dict[str, Value],
    hypothesis: str,
    *,
    novelty: Novelty | None = None,
    predicted: Predicted | None = None,
    parent: str | None = None,
) -> Proposal:
    """A proposal of this cycle; `number` counts those of one proposer. Up to two changes exploit what is known, more explore, unless `novelty` says otherwise."""
    sign, mean = view.spec.objective.sign, view.incumbent.mean
    gain = sign * (predicted.mean - mean) if predicted is not None and mean is not None else 0.0
    return Proposal(
        proposal_id=f"{view.study}-c{view.cycle:03d}-{proposer}-{number}",
        study=view.study,
        cycle=view.cycle,
        proposer=proposer,
        type=kind_of(changes),
        hypothesis=hypothesis[:500],
        changes=changes,
        novelty=novelty or ("exploit" if len(changes) <= 2 else "explore"),
        predicted={view.metric: predicted} if predicted else {},
        expected_impact=gain,
        risk=risk_of(view, changes),
        parent=parent,
        simulated=view.spec.simulated,
    )


def kind_of(changes: dict[str, Value]) -> ProposalType:
    """What a set of changes is mainly about."""
    for prefix, kind in _KINDS:
        if any(name.startswith(prefix) for name in changes):
            return kind
    return "hyperparameter_tuning"


def risk_of(view: View, changes: dict[str, Value]) -> Risk:
    """low for one or two numbers moved, medium for a choice or several numbers, high for more than half of the space."""
    if len(changes) > max(2, len(view.space.parameters) / 2):
        return "high"
    choices = any(isinstance(view.space.parameters.get(name), Choice) for name in changes)
    return "medium" if choices or len(changes) > 2 else "low"


def completed(view: View, changes: Mapping[str, Value]) -> dict[str, Value]:
    """The changes without what does not exist under them, and with a middle value for each parameter that exists only then."""
    made = {}
    for name in view.space.active(view.baseline | dict(changes)):
        if name in changes:
            made[name] = changes[name]
        elif name not in view.baseline:
            made[name] = _middle(view.space.parameters[name])
    return made


def difference(view: View, config: Mapping[str, Value]) -> dict[str, Value]:
    """The changes that turn the baseline into `config`."""
    return {name: value for name, value in config.items() if view.baseline.get(name) != value or name not in view.baseline}


def described(changes: Mapping[str, Value], most: int = 6) -> str:
    """Changes as a few words."""
    words = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in changes.items()]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def cast(view: View, proposal: Proposal, agent: str, vote: Vote, confidence: float, reason: str) -> Ballot:
    """A ballot with the agent's weight in this study."""
    weight = view.spec.weights.get(agent, 1.0)
    return Ballot(proposal_id=proposal.proposal_id, agent=agent, vote=vote, confidence=confidence, reason=reason[:1000], weight=weight)


def _middle(parameter: Parameter) -> Value:
    if isinstance(parameter, Choice):
        return parameter.values[0]
    middle = (parameter.low * parameter.high) ** 0.5 if parameter.log else (parameter.low + parameter.high) / 2
    return round(middle) if isinstance(parameter, Integer) else middle
