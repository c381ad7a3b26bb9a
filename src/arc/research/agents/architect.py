"""Architect: proposes structure: another model, loss, optimiser or augmentation, one choice at a time, with the numbers that go with it.

What is inside a learned region is left out, and of the rest the world model, where there is one, picks what it expects most of.
"""

from collections.abc import Callable, Sequence

from arc.core.proposal import Ballot, Predicted, Proposal
from arc.core.space import Choice, Config, Value, digest
from arc.research.agents import proposing
from arc.research.results import standings
from arc.research.view import View

ROLE = "architect"
STRUCTURE = ("model", "loss", "optimizer", "schedule", "heads", "augment")
Predict = Callable[[Sequence[Config]], Sequence[Predicted | None]]


def propose(view: View, count: int, predict: Predict | None = None) -> list[Proposal]:
    """Up to `count` proposals, each with one choice changed; those that were tried least come first, unless the model expects more of others."""
    dice = view.random(ROLE)
    known = view.known()
    options: list[tuple[dict[str, Value], str]] = []
    for name, parameter in view.space.parameters.items():
        if not isinstance(parameter, Choice) or name not in view.space.active(view.baseline):
            continue
        for value in parameter.values:
            changes = proposing.completed(view, {name: value})
            config = view.config(changes)
            if (
                value != view.baseline.get(name)
                and digest(config) not in known
                and not any(one.forbids(config) for one in view.constraints)
            ):
                options.append((changes, name))
    dice.shuffle(options)
    options.sort(key=lambda option: (not option[1].startswith(STRUCTURE), _tried(view, option[1], option[0][option[1]])))
    expected = list(predict([view.config(changes) for changes, _ in options])) if predict is not None and options else [None] * len(options)
    ranked = sorted(zip(options, expected, strict=True), key=lambda pair: -_worth(view, pair[1]))[:count]
    return [
        proposing.write(view, ROLE, number, changes, f"Another {name} ({changes[name]}) may suit this objective better than {view.baseline.get(name)}.", predicted=said)
        for number, ((changes, name), said) in enumerate(ranked)
    ]  # fmt: skip


def review(view: View, proposal: Proposal) -> Ballot:
    """Judge changes of structure by how the same choice did before; numbers are for others."""
    choices = [name for name in proposal.changes if isinstance(view.space.parameters.get(name), Choice)]
    if not choices:
        return proposing.cast(view, proposal, ROLE, "abstain", 0.0, "no change of structure")
    sign, mean = view.spec.objective.sign, view.incumbent.mean
    seen = [
        sign * (one.mean or 0.0)
        for one in standings(view.observations, view.metric).values()
        if all(one.config.get(name) == proposal.changes[name] for name in choices)
    ]
    if len(seen) < 3 or mean is None:
        return proposing.cast(view, proposal, ROLE, "approve", 0.5, "this structure was hardly tried")
    best = max(seen)
    if best < sign * mean - 3 * (view.noise_sd or 0.0):
        return proposing.cast(
            view, proposal, ROLE, "reject", 0.6, f"the best of {len(seen)} configurations with this structure is {best:.4g}, far below"
        )
    return proposing.cast(view, proposal, ROLE, "approve", 0.6, f"{len(seen)} configurations with this structure, the best at {best:.4g}")


def _tried(view: View, name: str, value: Value) -> int:
    return sum(one.config.get(name) == value for one in view.observations)


def _worth(view: View, said: Predicted | None) -> float:
    return view.spec.objective.sign * said.mean + said.sd if said is not None else 0.0
