"""Duplicates: what is not worth a vote: a configuration that was run, runs, or is proposed twice, and one that may not be run."""

from collections.abc import Sequence
from dataclasses import dataclass

from arc.core.errors import InvalidSpec
from arc.core.proposal import Proposal
from arc.core.space import digest
from arc.research import generator
from arc.research.view import View


@dataclass(frozen=True)
class Sieved:
    """What is left of a cycle's proposals, and why the others went: (proposal, rule, reason)."""

    kept: list[Proposal]
    refused: list[tuple[Proposal, str, str]]


def sieve(view: View, proposals: Sequence[Proposal]) -> Sieved:
    """The proposals whose configurations are new, allowed and differ from one another; the first of equals stays."""
    seen, kept, refused = view.known(), [], []
    for proposal in proposals:
        try:
            config = generator.generate(view.space, view.baseline, dict(proposal.changes), constraints=view.constraints)
        except InvalidSpec as error:
            refused.append((proposal, "P2", str(error)))
            continue
        key = digest(view.config(proposal.changes) or config)
        if key in seen:
            refused.append((proposal, "P1", "the same configuration was run, runs, or was proposed before in this cycle"))
            continue
        seen.add(key)
        kept.append(proposal)
    return Sieved(kept, refused)
