"""Supervisor: hard rules, each with an id. It argues with nobody and learns nothing; that is what it is for.

CRITICAL vetoes, HIGH sends back, MEDIUM approves with a flag, LOW is the rest. The bounds on lr and batch_size give way where the
study's own space allows more: whoever asked for the study knew why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from arc.core.proposal import Ballot, Proposal, Vote
from arc.core.space import Choice
from arc.research.agents.proposing import cast
from arc.research.view import View

ROLE = "supervisor"
Level = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
_VOTE: dict[Level, Vote] = {"CRITICAL": "reject", "HIGH": "revise", "MEDIUM": "approve", "LOW": "approve"}
_ORDER: tuple[Level, ...] = ("CRITICAL", "HIGH", "MEDIUM")


@dataclass(frozen=True)
class Rule:
    """One rule: when it is broken, and what that means."""

    id: str
    level: Level
    says: str
    broken: Callable[[View, dict[str, Any]], bool]


@dataclass(frozen=True)
class Ruling:
    """What the rules say of a configuration."""

    level: Level
    rules: tuple[str, ...]  # ids of those that are broken, of every level
    why: str

    @property
    def vetoed(self) -> bool:
        """Whether nothing can make it a job."""
        return self.level == "CRITICAL"


def _over(name: str, most: float) -> Callable[[View, dict[str, Any]], bool]:
    return lambda view, config: name in config and config[name] > most


def _under(name: str, least: float) -> Callable[[View, dict[str, Any]], bool]:
    return lambda view, config: name in config and config[name] < least


def _over_unless_allowed(name: str, most: float) -> Callable[[View, dict[str, Any]], bool]:
    def broken(view: View, config: dict[str, Any]) -> bool:
        bounds = view.space.parameters.get(name)
        allowed = max(most, bounds.high) if bounds is not None and not isinstance(bounds, Choice) else most
        return name in config and config[name] > allowed

    return broken


def _unknown(name: str) -> Callable[[View, dict[str, Any]], bool]:
    def broken(view: View, config: dict[str, Any]) -> bool:
        choices = view.space.parameters.get(name)
        return name in config and isinstance(choices, Choice) and config[name] not in choices.values

    return broken


def _touches_sealed(view: View, config: dict[str, Any]) -> bool:
    return any("sealed" in str(part).casefold() for pair in config.items() for part in pair)


RULES: tuple[Rule, ...] = (
    Rule("S1", "CRITICAL", "lr above .01 and above what the study allows", _over_unless_allowed("lr", 0.01)),
    Rule("S2", "CRITICAL", "batch_size above 64 and above what the study allows", _over_unless_allowed("batch_size", 64)),
    Rule("S3", "CRITICAL", "more than 200 epochs", _over("epochs", 200)),
    Rule("S4", "CRITICAL", "an optimiser that is not known", _unknown("optimizer")),
    Rule("S5", "CRITICAL", "a loss that is not known", _unknown("loss")),
    Rule("S6", "CRITICAL", "inside a learned forbidden region", lambda view, config: any(one.forbids(config) for one in view.constraints)),
    Rule("S7", "CRITICAL", "touches the sealed set", _touches_sealed),
    Rule("S8", "CRITICAL", "over budget", lambda view, config: view.left.experiments < 1),
    Rule("S9", "CRITICAL", "outside the bounds of the study", lambda view, config: bool(view.space.violations(config))),
    Rule("S11", "HIGH", "lr below 1e-6", _under("lr", 1e-6)),
    Rule("S12", "HIGH", "batch_size below 2", _under("batch_size", 2)),
    Rule("S13", "HIGH", "dropout above .7", _over("dropout", 0.7)),
    Rule("S14", "HIGH", "fewer than 3 epochs", _under("epochs", 3)),
    Rule("S21", "MEDIUM", "lr outside 1e-5 to 1e-3", lambda view, config: "lr" in config and not 1e-5 <= config["lr"] <= 1e-3),
    Rule("S22", "MEDIUM", "input_size above 1024", _over("input_size", 1024)),
)


def judge(view: View, proposal: Proposal) -> Ruling:
    """What the rules say of what a proposal would run."""
    config = view.baseline | proposal.changes
    broken = [rule for rule in RULES if rule.broken(view, config)]
    level: Level = next((level for level in _ORDER if any(rule.level == level for rule in broken)), "LOW")
    why = "; ".join(f"{rule.id}: {rule.says}" for rule in broken) or "no rule is broken"
    return Ruling(level, tuple(rule.id for rule in broken), why)


def review(view: View, proposal: Proposal, ruling: Ruling) -> Ballot:
    """The supervisor's ballot."""
    sure = 1.0 if ruling.level in ("CRITICAL", "LOW") else 0.8
    return cast(view, proposal, ROLE, _VOTE[ruling.level], sure, ruling.why)
