"""Constraints: regions that failed again and again for a reason that lies in the configuration, learned, let go of and tried again.

A region is a half-open interval of one parameter, or a set of values of a choice. It takes three failures of one class inside, most of what
was tried there, and an interval of the difference to the outside that is above nothing (Newcombe, Statist. Med. 17, 1998, method 10).
The bound lies on the side of the failures: from the smallest value that failed on, never up to it. After some
experiments a constraint runs out and one probe is proposed inside: it fails alike and the region stays, or it does not and the region goes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from arc.core.attempt import FailureClass
from arc.core.proposal import Constraint, Observation
from arc.core.space import Choice, Integer, Parameter, Space, digest
from arc.research.results import failed_for_itself
from arc.research.view import View
from arc.stats import wilson

SUPPORT = 3
MOSTLY = 0.75  # of what was tried inside must have failed so
LIFE = 10  # experiments until a constraint is probed; twice that after each time it is confirmed
_STEPS = 6  # places inside a region that a probe may take
_CONFIDENCE = 0.8  # two-sided: what is lost by a false region is won back by its probe


def learn(view: View) -> list[Constraint]:
    """New constraints from the experiments so far; none for a parameter and class that has one already, whatever its state but dropped."""
    over = [one for one in view.observations if one.status == "completed" or failed_for_itself(one)]
    classes = Counter(one.failure_class for one in over if failed_for_itself(one) and one.failure_class is not None)
    have = {(known.param, known.failure_class) for known in view.constraints if known.state != "dropped"}
    found = []
    for failure_class in sorted(cls for cls, times in classes.items() if times >= SUPPORT):
        regions = [
            region
            for name in view.space.parameters
            if (name, failure_class) not in have and (region := _region(view.space, name, failure_class, over))
        ]
        if regions:  # one a class: the parameter that tells best; the others follow it
            best = max(regions, key=lambda region: (region.effect[0], region.support))
            found.append(best.model_copy(update={"learned_at": len(over), "expires_at": len(over) + LIFE}))
    return found


def expire(constraints: Iterable[Constraint], known: int) -> list[Constraint]:
    """Those whose time is up after `known` experiments, as expired."""
    return [
        one.model_copy(update={"state": "expired"})
        for one in constraints
        if one.state in ("active", "confirmed") and known >= one.expires_at
    ]


def settle(constraint: Constraint, probe: Observation, known: int) -> Constraint | None:
    """What its probe makes of an expired constraint: confirmed for twice as long, or dropped; None when the probe says nothing (the machine failed)."""
    if probe.status == "completed":
        return constraint.model_copy(update={"state": "dropped"})
    if not failed_for_itself(probe):
        return None
    if probe.failure_class is not constraint.failure_class:
        return constraint.model_copy(update={"state": "dropped"})
    life = 2 * max(1, constraint.expires_at - constraint.learned_at)
    grown = {"state": "confirmed", "support": constraint.support + 1, "trials": constraint.trials + 1}
    return constraint.model_copy(update=grown | {"learned_at": known, "expires_at": known + life})


def probe_of(view: View, constraint: Constraint) -> dict[str, Any] | None:
    """Changes that put the baseline just inside the region, where it is most likely to be wrong, at a place that was not tried; None when there is none."""
    parameter = view.space.parameters.get(constraint.param)
    if parameter is None:
        return None
    known = view.known()
    for value in _inside(parameter, constraint):
        changes = {constraint.param: value}
        if digest(view.config(changes)) not in known:
            return changes
    return None


def _inside(parameter: Parameter, constraint: Constraint) -> list[Any]:
    """Values of the region from its edge inwards, as far as the space goes."""
    if isinstance(parameter, Choice):
        return list(constraint.values)
    upwards = constraint.low is not None
    edge = constraint.low if upwards else constraint.high
    if edge is None:
        return []
    if isinstance(parameter, Integer):
        first = math.ceil(edge) if upwards else math.ceil(edge) - 1
        found: list[float] = [first + step if upwards else first - step for step in range(_STEPS)]
    else:
        first_place = edge if upwards else math.nextafter(edge, -math.inf)
        width = (parameter.high - parameter.low) / 50
        factor = (parameter.high / parameter.low) ** 0.02 if parameter.log else 1.0
        sign = 1 if upwards else -1
        found = [first_place * factor ** (sign * step) if parameter.log else first_place + sign * step * width for step in range(_STEPS)]
    return [value for value in found if parameter.low <= value <= parameter.high]


def _region(space: Space, name: str, failure_class: FailureClass, over: Sequence[Observation]) -> Constraint | None:
    having = [one for one in over if name in one.config]
    failing = [one for one in having if failed_for_itself(one) and one.failure_class is failure_class]
    if len(failing) < SUPPORT:
        return None
    if isinstance(space.parameters[name], Choice):
        return _set(name, failure_class, having, failing)
    values = sorted({float(one.config[name]) for one in failing})
    from_here = [_judged(name, failure_class, having, failing, low=value) for value in values]
    below = [_judged(name, failure_class, having, failing, high=math.nextafter(value, math.inf)) for value in values]
    regions = [region for region in (*from_here, *below) if region]
    return max(regions, key=lambda region: (region.effect[0], region.support), default=None)


def _set(name: str, failure_class: FailureClass, having: Sequence[Observation], failing: Sequence[Observation]) -> Constraint | None:
    often = Counter(one.config[name] for one in failing)
    tried = Counter(one.config[name] for one in having)
    values = tuple(sorted((value for value in often if often[value] >= MOSTLY * tried[value]), key=str))
    return _judged(name, failure_class, having, failing, values=values) if values else None


def _judged(
    name: str, failure_class: FailureClass, having: Sequence[Observation], failing: Sequence[Observation], **bounds: Any
) -> Constraint | None:
    """The region with its evidence, when that is enough."""
    region = Constraint(
        id=f"{name}.{failure_class.value}", param=name, failure_class=failure_class, support=1, trials=1, learned_at=0, expires_at=0, **bounds
    )  # fmt: skip
    inside = [one for one in having if region.forbids(one.config)]
    hits = sum(region.forbids(one.config) for one in failing)
    if hits < SUPPORT or hits < MOSTLY * len(inside) or len(inside) == len(having):
        return None  # a region that holds everything says nothing of the parameter
    outside, other = len(having) - len(inside), len(failing) - hits
    low, high = _difference(hits, len(inside), other, outside)
    if low <= 0:
        return None
    return region.model_copy(update={"support": hits, "trials": len(inside), "effect": (low, high)})


def _difference(k: int, n: int, other: int, of: int) -> tuple[float, float]:
    """Interval of k/n − other/of from the Wilson intervals of both."""
    inside, outside = wilson(k, n, _CONFIDENCE), wilson(other, of, _CONFIDENCE)
    p, q = k / n, other / of
    a, b = (inside.low or 0.0), (inside.high or 1.0)
    c, d = (outside.low or 0.0), (outside.high or 1.0)
    return p - q - math.hypot(p - a, d - q), p - q + math.hypot(b - p, q - c)
