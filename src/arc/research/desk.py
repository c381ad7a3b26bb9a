"""Desk: the control plane as a study sees it: records it writes, trainings it asks for, results it reads.

There are two: `arc.research.http_desk` asks over HTTP with the capability of the study's attempt, and `arc.research.rehearsal` keeps everything in
memory and measures a simulated objective, for rehearsals of the loop itself. A training is asked for under a key, so that asking again after
a crash finds the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from arc.core.proposal import Ballot, Observation, Proposal, Use
from arc.core.study import Record, Study, StudyLink
from arc.research.view import Machine


@dataclass(frozen=True)
class Training:
    """One training that a study asks for, and the evaluation that follows it."""

    key: str  # names it within the study: c0003.search.PROPOSAL.2
    link: StudyLink
    params: dict[str, Any]  # of the recipe, nested
    seed: int

    @classmethod
    def of(
        cls, proposal: Proposal, params: dict[str, Any], seed: int, *, study: str, cycle: int | None = None, use: Use = "search"
    ) -> "Training":
        """The training of a proposal with a seed, in the cycle that proposed it unless another is given."""
        at = proposal.cycle if cycle is None else cycle
        link = StudyLink(study=study, cycle=at, proposal_id=proposal.proposal_id, use=use)
        return cls(f"c{at:04d}.{use}.{proposal.proposal_id}.{seed}", link, params, seed)


class Desk(Protocol):
    """What a campaign asks of the control plane."""

    def study(self) -> Study:
        """The study as it stands now."""
        ...

    def records(self) -> list[Record]:
        """Everything that was decided so far, oldest first."""
        ...

    def record(self, record: Record) -> None:
        """Make a step durable; Conflict when another step has its key."""
        ...

    def history(self) -> list[Observation]:
        """Every experiment of the study, oldest first."""
        ...

    def offered(self) -> list[Proposal]:
        """The proposals that outsiders posted and nobody decided on."""
        ...

    def ballots(self, proposal_id: str) -> list[Ballot]:
        """The ballots that outsiders cast on a proposal."""
        ...

    def approved(self, proposal_ids: Sequence[str]) -> dict[str, bool]:
        """What people decided on proposals, of those on which they did."""
        ...

    def submit(self, training: Training) -> str:
        """Ask for a training; the name by which `wait` knows it. Conflict when a budget is used up."""
        ...

    def wait(self, names: Sequence[str]) -> list[str]:
        """Those of the trainings that are over; returns when at least one is. Cancelled when the study was asked to stop."""
        ...

    def pause(self) -> None:
        """Let a moment pass while people decide; Cancelled when the study was asked to stop."""
        ...

    def machine(self) -> Machine:
        """What a training may have."""
        ...

    def tell(self, summary: dict[str, Any]) -> None:
        """Say how far the study is, for people who watch."""
        ...
