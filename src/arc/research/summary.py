"""Summary: what a study shows of itself after every step: to those who watch, to routes that read it, and to the page at the end."""

import math
from statistics import NormalDist
from typing import Any

from arc.research import evidence
from arc.research.agents import historian
from arc.research.memory import Memory
from arc.research.results import standings
from arc.research.view import Standing, View

_Z = NormalDist().inv_cdf(0.975)


def of(view: View, memory: Memory) -> dict[str, Any]:
    """The state of a study as JSON values; intervals are 95 %, from the noise that was measured."""
    objective = view.spec.objective
    directions = {view.metric: objective.direction}
    baseline = memory.proposals.get(f"{view.study}-baseline")
    tried = len(standings(view.observations, view.metric))
    return {
        "cycle": view.cycle,
        "mode": memory.directives[-1].mode if memory.directives else None,
        "reason": memory.directives[-1].reason if memory.directives else None,
        "experiments": len(view.observations),
        "left": view.left.experiments,
        "incumbent": standing(view, memory.incumbent),
        "is_baseline": memory.incumbent is None or baseline is None or memory.incumbent.proposal_id == baseline.proposal_id,
        "noise": None if memory.noise is None else vars(memory.noise) | {"sd_high": memory.noise.sd_high},
        "inflation": evidence.inflation(memory.noise.sd, tried) if memory.noise else None,
        "best_metrics": historian.best_metrics(view.observations, directions),
        "trend": historian.trend(view.observations, view.metric, 100),
        "patterns": historian.patterns(view)[:20],
        "frontier": historian.frontier(view.observations, {view.metric: objective.sign}),
        "constraints": [one.model_dump(mode="json") for one in memory.constraints.values()],
        "tests": memory.tests,
        "wealth": memory.wealth.left,
        "verdict": verdict(memory),
        "recent": [_line(view, number) for number in range(max(0, len(view.observations) - historian.RECENT), len(view.observations))],
    }


def verdict(memory: Memory) -> str:
    """What may be said at the end: better, not better, not known yet."""
    found = [test["verdict"] for test in memory.tests]
    if "better" in found:
        return "better"
    return "not better" if found and all(one == "not better" for one in found) else "not known yet"


def standing(view: View, one: Standing | None) -> dict[str, Any] | None:
    """A configuration with its mean and interval; None when there is none."""
    if one is None or one.mean is None:
        return None
    n, sd = len(one.values), view.noise_sd
    half = None if sd is None else _Z * sd / math.sqrt(n)
    bounds = {"low": None, "high": None} if half is None else {"low": one.mean - half, "high": one.mean + half}
    return {"proposal_id": one.proposal_id, "config": one.config, "mean": one.mean, "n": n} | bounds


def _line(view: View, number: int) -> dict[str, Any]:
    one = view.observations[number]
    return {
        "experiment_id": one.experiment_id, "proposal_id": one.proposal_id, "status": one.status, "use": one.use,
        "value": one.value(view.metric), "failure_class": one.failure_class.value if one.failure_class else None,
    }  # fmt: skip
