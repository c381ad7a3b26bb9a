"""Historian: the memory of a study, read: best values, trend, standstill, patterns, frontier, and what failed before.

Failed experiments are data. Best is said with its direction; a pattern is a lift with an interval, beside how often the value was tried,
because frequency alone only says what the proposers like.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arc.core.proposal import Ballot, Observation, Proposal
from arc.core.space import Choice, digest
from arc.research.agents.proposing import cast
from arc.research.results import failed_for_itself, unit
from arc.research.view import View
from arc.stats import wilson

ROLE = "historian"
RECENT = 10


def review(view: View, proposal: Proposal) -> Ballot:
    """Reject what failed before for a reason that lies in it; approve what is like what went well; else abstain."""
    config = view.config(proposal.changes)
    key = digest(config)
    for one in view.observations:
        if digest(one.config) == key and failed_for_itself(one):
            return cast(view, proposal, ROLE, "reject", 1.0, f"the same configuration failed in {one.experiment_id}: {one.failure_class}")
    shares = [_share_failed(view, name, value) for name, value in proposal.changes.items()]
    worst = max((share for share in shares if share is not None), default=None)
    if worst is None:
        return cast(view, proposal, ROLE, "abstain", 0.0, "nothing like it was tried")
    if worst > 0.5:
        return cast(view, proposal, ROLE, "reject", min(0.9, worst), f"{worst:.0%} of the experiments with such a value failed")
    return cast(view, proposal, ROLE, "approve", 0.5, "experiments with such values went through")


def best_metrics(observations: Sequence[Observation], directions: Mapping[str, str]) -> dict[str, float]:
    """The best measured value of each metric; `directions` says which are better low, the others count high."""
    best: dict[str, float] = {}
    for one in observations:
        for name in one.metrics:
            value = one.value(name)
            if value is None or name.endswith(("_low", "_high")):
                continue
            sign = -1.0 if directions.get(name) == "min" else 1.0
            if name not in best or sign * value > sign * best[name]:
                best[name] = value
    return best


def trend(observations: Sequence[Observation], metric: str, window: int) -> list[float]:
    """The last `window` measured values of a metric, oldest first."""
    found = [value for one in observations if (value := one.value(metric)) is not None]
    return found[-window:]


def stagnated(observations: Sequence[Observation], metric: str, *, threshold: float, window: int, sign: float = 1.0) -> bool:
    """Whether the best of the last `window` values is not at least `threshold` above the best before them; False while there is nothing before."""
    values = [sign * value for one in observations if (value := one.value(metric)) is not None]
    if len(values) <= window:
        return False
    return max(values[-window:]) - max(values[:-window]) < threshold


def patterns(view: View) -> list[dict[str, Any]]:
    """For each value of a choice and each third of a range: how often it was tried, how often it was among the better half, and the lift with an interval."""
    scored = [(one, value) for one in view.observations if (value := one.value(view.metric)) is not None]
    if len(scored) < 4:
        return []
    sign = view.spec.objective.sign
    middle = sorted(sign * value for _, value in scored)[len(scored) // 2]
    found = []
    for name in view.space.parameters:
        groups: dict[str, list[bool]] = {}
        for one, value in scored:
            if name in one.config:
                groups.setdefault(_bin(view, name, one.config), []).append(sign * value > middle)
        found += [_pattern(name, label, wins, scored=len(scored)) for label, wins in sorted(groups.items()) if len(groups) > 1]
    return sorted(found, key=lambda row: -float(row["lift_low"]))


def frontier(observations: Sequence[Observation], metrics: dict[str, float]) -> list[dict[str, Any]]:
    """The experiments that no other is at least as good as in every metric and better in one; `metrics` is name -> +1 for more, −1 for less."""
    rows = []
    for one in observations:
        values = {name: one.value(name) for name in metrics}
        if all(value is not None for value in values.values()):
            rows.append((one, [sign * float(values[name] or 0.0) for name, sign in metrics.items()]))
    kept = [(one, mine) for one, mine in rows if not any(_dominates(other, mine) for _, other in rows)]
    return [{"experiment_id": one.experiment_id, "metrics": {name: one.value(name) for name in metrics}} for one, _ in kept]


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    """The area that points (more is better in both) cover above a reference point."""
    area, top = 0.0, reference[1]
    for x, y in sorted({(x, y) for x, y in points if x > reference[0] and y > reference[1]}, reverse=True):
        if y > top:
            area += (x - reference[0]) * (y - top)
            top = y
    return area


def integrate(observations: Sequence[Observation], cycle: int, before: dict[str, float], directions: Mapping[str, str]) -> dict[str, Any]:
    """The summary of one cycle's results, with the keys that its readers know."""
    mine = [one for one in observations if one.cycle == cycle]
    best = best_metrics(observations, directions)
    return {
        "status": "integrated" if all(one.status in ("completed", "failed", "cancelled") for one in mine) else "partial",
        "cycle_id": cycle,
        "total_experiments": len(mine),
        "successful": sum(one.status == "completed" for one in mine),
        "failed": sum(one.status == "failed" for one in mine),
        "best_metrics": best,
        "best_metrics_updated": any(best.get(name) != before.get(name) for name in best),
        "training_history_updated": bool(mine),
    }


def _share_failed(view: View, name: str, value: Any) -> float | None:
    """Of at least three experiments with such a value, the share that failed for itself."""
    label = _bin(view, name, {name: value})
    alike = [one for one in view.observations if name in one.config and _bin(view, name, one.config) == label]
    over = [one for one in alike if one.status == "completed" or failed_for_itself(one)]
    return sum(failed_for_itself(one) for one in over) / len(over) if len(over) >= 3 else None


def _bin(view: View, name: str, config: dict[str, Any]) -> str:
    if isinstance(view.space.parameters.get(name), Choice):
        return str(config[name])
    place = unit(view.space, config).get(name, 0.0)
    return ("lower third", "middle third", "upper third")[min(2, max(0, int(place * 3)))]


def _pattern(name: str, label: str, wins: Sequence[bool], *, scored: int) -> dict[str, Any]:
    share = wilson(sum(wins), len(wins), 0.9)
    base = 0.5
    return {
        "parameter": name, "value": label, "tried": len(wins), "frequency": len(wins) / scored,
        "lift": (share.value or 0.0) / base, "lift_low": (share.low or 0.0) / base, "lift_high": (share.high or 1.0) / base,
    }  # fmt: skip


def _dominates(other: Sequence[float], mine: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(other, mine, strict=True)) and any(a > b for a, b in zip(other, mine, strict=True))
