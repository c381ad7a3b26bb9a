"""Results: the observations of a study as its agents read them: by configuration, by cause of failure, in unit coordinates."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from arc.core.proposal import Observation
from arc.core.space import Choice, Space, digest
from arc.research.view import Standing, View


def standings(observations: Iterable[Observation], metric: str) -> dict[str, Standing]:
    """Each configuration that was trained in full at least once, by its digest; the newest value of a seed counts."""
    found: dict[str, Standing] = {}
    for one in observations:
        value = one.value(metric)
        if value is None or one.fidelity < 1.0:
            continue
        key = digest(one.config)
        known = found.get(key) or Standing(one.proposal_id, dict(one.config), {})
        known.values[one.seed] = value
        found[key] = known
    return found


def failed_for_itself(one: Observation) -> bool:
    """Whether an experiment failed for a reason that lies in its configuration."""
    return one.status == "failed" and one.blamed


def unit(space: Space, config: Mapping[str, Any]) -> dict[str, float]:
    """Each numeric parameter as 0 to 1 along its range, on a logarithmic scale where the space says so."""
    found = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Choice) or name not in config:
            continue
        low, high, value = float(parameter.low), float(parameter.high), float(config[name])
        if parameter.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        found[name] = (value - low) / (high - low)
    return found


def distance(space: Space, one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far two configurations lie apart, 0 to 1: a mean over parameters of 0 to 1 each; a choice that differs, or exists once, counts 1."""
    left, right = unit(space, one), unit(space, other)
    parts = []
    for name, parameter in space.parameters.items():
        if name not in one and name not in other:
            continue
        if isinstance(parameter, Choice) or (name in one) != (name in other):
            parts.append(float(one.get(name) != other.get(name)))
        else:
            parts.append(min(1.0, abs(left[name] - right[name])))
    return sum(parts) / len(parts) if parts else 0.0


def typical_cost(view: View) -> float | None:
    """Median seconds of the full trainings so far; None before the first."""
    found = sorted(one.duration_s for one in view.observations if one.status == "completed" and one.fidelity == 1.0 and one.duration_s > 0)
    return found[len(found) // 2] if found else None
