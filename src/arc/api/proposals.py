"""Routes by which people and outside agents take part in a study: propose, vote, approve and reject, under their own name."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from arc.api.routing import ArcRoute, Asker, House, ProposalId, StudyId, researcher, viewer
from arc.api.studies import Cycle
from arc.core.proposal import Ballot, Decision, Novelty, Predicted, Proposal, ProposalType, Risk, Vote
from arc.core.space import Value

router = APIRouter(route_class=ArcRoute, tags=["studies"])
_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NewProposal(BaseModel):
    """What is proposed; who proposes it is known from the token."""

    model_config = _CONFIG

    proposal_id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="Your id for it; a repeated request is the same one."
    )
    hypothesis: str = Field(min_length=10, max_length=500, description="What you expect, so that a result can contradict it.")
    changes: dict[str, Value] = Field(min_length=1, max_length=100, description="Parameter to value, by dotted names of the space.")
    type: ProposalType = "hyperparameter_tuning"
    novelty: Novelty = "explore"
    predicted: dict[str, Predicted] = Field(default_factory=dict, max_length=20, description="Metric to what you expect of it.")
    expected_impact: float = Field(0.0, description="Gain in the objective, towards better.")
    cost_s: float | None = Field(None, ge=0, description="Seconds of one training, as you estimate them.")
    risk: Risk = "low"
    parent: str | None = Field(None, min_length=1, max_length=128, description="The proposal that this one revises.")


class NewBallot(BaseModel):
    """A vote; whose it is, is known from the token."""

    model_config = _CONFIG

    vote: Vote
    confidence: float = Field(ge=0, le=1, description="How sure you are, 0 to 1.")
    reason: str = Field(min_length=1, max_length=1000, description="Why.")
    round: int = Field(1, ge=1, le=2, description="2 for a vote on a revision.")


class Verdict(BaseModel):
    """Why a person approves or rejects."""

    model_config = _CONFIG

    why: str = Field(min_length=1, max_length=1000, description="Stands in the argument of the study.")


class ProposalView(BaseModel):
    """A proposal, with the ballots on it."""

    proposal: Proposal
    ballots: list[Ballot]


class Cognition(BaseModel):
    """How one cycle was argued."""

    study_id: str
    cycle: int
    directive: Decision | None = Field(description="What the director wanted of the cycle.")
    proposals: list[ProposalView]
    decisions: list[Decision]


@router.post("/studies/{study_id}/proposals", **researcher, status_code=201)
def propose(study_id: StudyId, wanted: NewProposal, house: House, asker: Asker) -> Proposal:
    """Propose changes to a study, for its next cycle. 422 names what is not searched or out of bounds."""
    proposal = Proposal(study=study_id, cycle=0, proposer=asker.name, **dict(wanted))
    return house.studies.voices.propose(study_id, proposal, actor=asker.name)


@router.get("/proposals/{proposal_id}", **viewer)
def show_proposal(proposal_id: ProposalId, house: House) -> ProposalView:
    """One proposal, with the ballots on it."""
    return ProposalView(proposal=house.studies.proposal(proposal_id), ballots=house.studies.ballots([proposal_id]))


@router.post("/proposals/{proposal_id}/ballots", **researcher, status_code=201)
def vote(proposal_id: ProposalId, wanted: NewBallot, house: House, asker: Asker) -> Ballot:
    """Vote on a proposal that is not decided; a ballot is cast once."""
    ballot = Ballot(proposal_id=proposal_id, agent=asker.name, **dict(wanted))
    return house.studies.voices.vote(proposal_id, ballot, actor=asker.name)


@router.post("/proposals/{proposal_id}/approve", **researcher)
def approve(proposal_id: ProposalId, wanted: Verdict, house: House, asker: Asker) -> Proposal:
    """Let a proposal of a supervised study become a job; 409 when it is decided, or the study is not supervised."""
    return house.studies.voices.approve(proposal_id, actor=asker.name, why=wanted.why)


@router.post("/proposals/{proposal_id}/reject", **researcher)
def reject(proposal_id: ProposalId, wanted: Verdict, house: House, asker: Asker) -> Proposal:
    """Turn a proposal of a supervised study down for good; 409 when it is decided, or the study is not supervised."""
    return house.studies.voices.reject(proposal_id, actor=asker.name, why=wanted.why)


@router.get("/ui/studies/{study_id}/cognition", **viewer)
def cognition(study_id: StudyId, house: House, cycle: Cycle = None) -> Cognition:
    """The directive, the proposals with their ballots, and the decisions of a cycle, the newest when not given."""
    wanted = house.studies.get(study_id).cycle if cycle is None else cycle
    proposals = [one for one in house.studies.proposals(study_id) if one.cycle == wanted]
    cast = house.studies.ballots([one.proposal_id for one in proposals])
    decisions = house.studies.decisions(study_id, cycle=wanted)
    return Cognition(
        study_id=study_id,
        cycle=wanted,
        directive=next((one for one in decisions if one.kind == "directive"), None),
        proposals=[
            ProposalView(proposal=one, ballots=[ballot for ballot in cast if ballot.proposal_id == one.proposal_id]) for one in proposals
        ],
        decisions=decisions,
    )
