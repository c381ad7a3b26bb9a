"""Writer: proposals and reviews of a language model, as far as the study allows them.

A model gets at most the share of the slots that the study grants, is asked no more when tokens or calls are used up, and what it says is checked
like anyone's words: shape, space, constraints. What it is shown of the study is data between marks that it is told not to obey; failure
messages are cut and quoted. When it says nothing usable the algorithm's agents fill its place, which they do anyway.
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from arc.core.proposal import Ballot, Proposal, Vote
from arc.core.space import Value, normalised
from arc.research import generator
from arc.research.agents import proposing
from arc.research.agents.historian import RECENT
from arc.research.language.endpoint import Endpoint
from arc.research.view import Directive, View

PROPOSING, REVIEWING = ("architect", "explorer", "parameter_scientist"), ("critic", "second_critic")
_CUT = 300  # characters of a failure message that are shown


class Idea(BaseModel):
    """One proposal as a model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    changes: dict[str, Value] = Field(min_length=1, max_length=20)
    hypothesis: str = Field(min_length=10, max_length=500)


class Ideas(BaseModel):
    """Several proposals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proposals: tuple[Idea, ...] = Field(max_length=8)


class Opinion(BaseModel):
    """One review as a model writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    vote: Vote
    confidence: float = Field(ge=0, le=1)
    reason: str = Field(min_length=1, max_length=1000)


@dataclass
class Spending:
    """What the calls since the last record took, and what went wrong."""

    tokens: int = 0
    calls: int = 0
    silent: list[str] = field(default_factory=list)


@dataclass
class Writer:
    """The language model of one study."""

    endpoint: Endpoint
    spending: Spending = field(default_factory=Spending)

    def propose(self, view: View, directive: Directive) -> list[Proposal]:
        """Proposals in the name of the roles that the model backs; none when nothing usable came, or nothing is left to spend."""
        roles = [role for role in self.endpoint.asked.roles if role in PROPOSING]
        slots = int(self.endpoint.asked.share * max(1, view.spec.per_cycle) + 1e-9) or (
            1 if view.spec.per_cycle * self.endpoint.asked.share >= 0.5 else 0
        )
        if not roles or not slots or not self._may_ask(view):
            return []
        found = self.endpoint.ask(_prompt("propose.txt"), _shown(view, directive, {"wanted": slots, "role": roles[0]}), Ideas)
        self._spend(found.tokens, found.calls, found.why)
        made = []
        for number, idea in enumerate((found.value.proposals if found.value else ())[:slots]):
            changes = {name: value for name, value in normalised(idea.changes).items() if name in view.space.parameters}
            if changes:
                made.append(proposing.write(view, f"{roles[number % len(roles)]}.language", number, changes, idea.hypothesis))
        return made

    def review(self, view: View, directive: Directive, proposal: Proposal, role: str) -> Ballot | None:
        """The model's ballot in the name of a reviewing role that it backs; None to leave it to the algorithm."""
        if role not in REVIEWING or role not in self.endpoint.asked.roles or not self._may_ask(view):
            return None
        about = {"proposal": {"changes": dict(proposal.changes), "hypothesis": proposal.hypothesis, "proposer": proposal.proposer}}
        found = self.endpoint.ask(_prompt("review.txt"), _shown(view, directive, about), Opinion)
        self._spend(found.tokens, found.calls, found.why)
        if found.value is None:
            return None
        return proposing.cast(view, proposal, role, found.value.vote, found.value.confidence, f"language model: {found.value.reason}")

    def take(self) -> Spending:
        """What was spent since the last time, for the record that it belongs to."""
        spent, self.spending = self.spending, Spending()
        return spent

    def _may_ask(self, view: View) -> bool:
        tokens, calls = view.left.tokens, view.left.calls
        return (tokens is None or tokens > self.spending.tokens) and (calls is None or calls > self.spending.calls)

    def _spend(self, tokens: int, calls: int, why: str) -> None:
        self.spending.tokens += tokens
        self.spending.calls += calls
        if why:
            self.spending.silent.append(why)


def _prompt(name: str) -> str:
    return (files("arc.research.language") / "prompts" / name).read_text(encoding="utf-8")


def _shown(view: View, directive: Directive, asked: dict[str, Any]) -> str:
    """The study as the model sees it: one JSON document, so that no text in it can end the quotation."""
    shown = {
        "objective": {"metric": view.metric, "direction": view.spec.objective.direction},
        "space": {name: parameter.model_dump(exclude_none=True) for name, parameter in view.space.parameters.items()},
        "baseline": view.baseline,
        "mode": directive.mode,
        "forbidden": [generator.forbids(one) for one in view.constraints if one.state in ("active", "confirmed")],
        "recent_results": [
            {"config": one.config, "value": one.value(view.metric), "failure": (one.failure or "")[:_CUT] or None}
            for one in view.observations[-RECENT:]
        ],
    }
    return "DATA\n" + json.dumps(shown | asked, allow_nan=False) + "\nEND OF DATA"
