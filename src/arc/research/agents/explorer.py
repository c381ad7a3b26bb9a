"""Explorer: looks where nobody has looked: quasi-random points, bounds, a grid, and mutations of the augmentation policy.

For `exploit` it moves one or two parameters of the baseline a little; for `explore` it takes the next points of a Sobol sequence, or crosses
and mutates an augmentation policy; for `wildcat` it goes to the bounds. Not covered: learning from results, which is for the parameter scientist.
"""

import math
import random
from typing import Any

import numpy as np
from scipy.stats import qmc

from arc.core.proposal import Ballot, Novelty, Proposal
from arc.core.space import Choice, Integer, Parameter, Real, Value
from arc.research.agents import proposing
from arc.research.results import distance, standings
from arc.research.view import Directive, View

ROLE = "explorer"
_AUGMENT = "augment"
_STEP = 0.15  # of a range: the standard deviation of a small move


def propose(view: View, directive: Directive, count: int) -> list[Proposal]:
    """Up to `count` proposals, shared out like the slots of the directive."""
    dice = view.random(ROLE)
    wanted: list[Novelty] = [novelty for novelty, slots in directive.slots.items() for _ in range(slots)] or ["explore"]
    made = []
    for number in range(count):
        novelty = wanted[number % len(wanted)]
        changes, hypothesis = _changes(view, novelty, number, dice)
        if changes:
            made.append(proposing.write(view, ROLE, number, proposing.completed(view, changes), hypothesis, novelty=novelty))
    return made


def review(view: View, proposal: Proposal) -> Ballot:
    """Approve what lies away from all that is known; abstain on what is close to it."""
    config = view.config(proposal.changes)
    nearest = min((distance(view.space, config, one.config) for one in view.observations), default=1.0)
    if nearest > 0.05:
        return proposing.cast(
            view, proposal, ROLE, "approve", min(0.8, 0.4 + nearest), f"{nearest:.2f} away from everything that was tried"
        )
    return proposing.cast(view, proposal, ROLE, "abstain", 0.0, "close to what was tried: nothing to explore here")


def value_at(parameter: Parameter, place: float) -> Value:
    """The value at `place` (0 to 1) of a parameter's range, or the choice there."""
    if isinstance(parameter, Choice):
        return parameter.values[min(len(parameter.values) - 1, int(place * len(parameter.values)))]
    low, high = float(parameter.low), float(parameter.high)
    value = math.exp(math.log(low) + place * (math.log(high) - math.log(low))) if parameter.log else low + place * (high - low)
    if isinstance(parameter, Integer):
        return int(min(parameter.high, max(parameter.low, round(value))))
    return float(f"{min(high, max(low, value)):.6g}") if low <= float(f"{value:.6g}") <= high else value


def _changes(view: View, novelty: Novelty, number: int, dice: random.Random) -> tuple[dict[str, Value], str]:
    if novelty == "exploit":
        changes = _small_move(view, dice)
        return changes, f"A small move from the baseline ({proposing.described(changes)}) keeps what works and may gain a little."
    if novelty == "wildcat":
        changes = _to_the_bounds(view, dice)
        return changes, f"Nobody looked at the edge: {proposing.described(changes)} may be better than anything in the middle."
    policy = [name for name in view.space.parameters if name.startswith(_AUGMENT)]
    if policy and dice.random() < 0.4:
        changes = _policy(view, policy, dice)
        return changes, f"Another augmentation ({proposing.described(changes)}) may fit these photographs better."
    changes = _sobol(view, number)
    return changes, f"A region without a result: {proposing.described(changes)} says whether there is anything."


def _small_move(view: View, dice: random.Random) -> dict[str, Value]:
    names = [name for name in view.space.active(view.baseline) if name in view.baseline]
    moved = dice.sample(names, min(len(names), dice.choice((1, 2))))
    return {
        name: value for name in moved if (value := _near(view.space.parameters[name], view.baseline[name], dice)) != view.baseline[name]
    }


def _near(parameter: Parameter, value: Any, dice: random.Random) -> Value:
    if isinstance(parameter, Choice):
        return dice.choice(parameter.values)
    low, high = (math.log(parameter.low), math.log(parameter.high)) if parameter.log else (float(parameter.low), float(parameter.high))
    here = math.log(max(float(value), 1e-300)) if parameter.log else float(value)
    place = (here - low) / (high - low) + dice.gauss(0, _STEP)
    moved = value_at(parameter, min(1.0, max(0.0, place)))
    if isinstance(parameter, Integer) and moved == value:  # the next one, when rounding took the step away
        return value_at(parameter, min(1.0, max(0.0, (here - low) / (high - low) + math.copysign(1.0 / max(1.0, high - low), place))))
    return moved


def _to_the_bounds(view: View, dice: random.Random) -> dict[str, Value]:
    numbers = [name for name in view.space.active(view.baseline) if isinstance(view.space.parameters[name], Real | Integer)]
    chosen = dice.sample(numbers, min(len(numbers), 2)) if numbers else []
    changes = {name: value_at(view.space.parameters[name], float(dice.random() < 0.5)) for name in chosen}
    return changes or {name: dice.choice(one.values) for name, one in view.space.parameters.items() if isinstance(one, Choice)}


def _policy(view: View, names: list[str], dice: random.Random) -> dict[str, Value]:
    """The baseline's policy crossed with that of one of the better configurations, then mutated in one place."""
    sign = view.spec.objective.sign
    known = sorted(standings(view.observations, view.metric).values(), key=lambda one: -sign * (one.mean or 0.0))[:5]
    other = dice.choice(known).config if known else view.baseline
    mixed = {name: (view.baseline if dice.random() < 0.5 else other).get(name) for name in names}
    mutated = dice.choice(names)
    mixed[mutated] = value_at(view.space.parameters[mutated], dice.random())
    return {name: value for name, value in mixed.items() if value is not None and value != view.baseline.get(name)}


def _sobol(view: View, number: int) -> dict[str, Value]:
    """The next point of a sequence that goes on through the cycles; inactive parameters are left out."""
    names = list(view.space.parameters)
    taken = sum(one.proposer == ROLE for one in view.proposals) + number
    sequence = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(view.spec.seed))
    sequence.fast_forward(taken + 1)
    point = sequence.random(1)[0]
    config = {name: value_at(view.space.parameters[name], float(place)) for name, place in zip(names, point, strict=True)}
    return proposing.difference(view, {name: config[name] for name in view.space.active(config)})
