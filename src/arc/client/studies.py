"""The study verbs over HTTP: for a person, for an outside agent, and for the job that runs a study.

What is repeated without harm is sent again when the connection breaks: a step is known by its key, a proposal by its id.
"""

from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from arc.client.http import Http
from arc.client.views import noun, page_of
from arc.core.page import Page
from arc.core.proposal import Ballot, Constraint, Decision, Observation, Proposal, ProposalStatus
from arc.core.study import Record, Study, StudySpec

N = TypeVar("N", bound=BaseModel)
_OF_A_NEW_PROPOSAL = {
    "proposal_id", "hypothesis", "changes", "type", "novelty", "predicted", "expected_impact", "cost_s", "risk", "parent",
}  # fmt: skip
_OF_A_NEW_BALLOT = {"vote", "confidence", "reason", "round"}


class StudyCalls:
    """Ask for studies, run them, and read and write what they remember."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(self, spec: StudySpec) -> Study:
        """A new study that has not begun; InvalidSpec, NotFound or Conflict name the field that is wrong."""
        return noun(Study, self._http.send("POST", "/studies", body=spec.model_dump(mode="json")))

    def get(self, study_id: str) -> Study:
        """The study and what it has used up; NotFound."""
        return noun(Study, self._http.get(_path(study_id)))

    def page(self, *, recipe: str | None = None, limit: int = 50, cursor: str | None = None) -> Page[Study]:
        """A page of studies, newest first."""
        return page_of(Study, self._http.get("/studies", params={"recipe": recipe, "limit": limit, "cursor": cursor}))

    def start(self, study_id: str, *, by_hand: bool = False) -> Study:
        """Submit the job that runs the study, or with `by_hand` none: then your program decides. Conflict when it was paused or is over."""
        return noun(Study, self._http.send("POST", _path(study_id, "start"), params={"by_hand": by_hand}, harmless=True))

    def cycles(self, study_id: str, cycles: int = 1, *, decide_only: bool = False) -> Study:
        """Run some cycles of a study that does not run, or only decide the next; Conflict when it runs, is held or is over."""
        body = {"cycles": cycles, "decide_only": decide_only}
        return noun(Study, self._http.send("POST", _path(study_id, "cycles"), body=body))

    def pause(self, study_id: str) -> Study:
        """Submit nothing more and hold what has not begun; what runs goes on. Conflict when it has not begun or is over."""
        return self._change(study_id, "pause")

    def resume(self, study_id: str) -> Study:
        """Go on where it was paused or has failed; Conflict when it has not begun or is over."""
        return self._change(study_id, "resume")

    def stop(self, study_id: str) -> Study:
        """End it for good and cancel what it runs; Conflict when it has finished."""
        return self._change(study_id, "stop")

    def record(self, study_id: str, record: Record) -> bool:
        """Write all that one step decided; False when this very step was recorded before. Conflict when with other content."""
        body = record.model_dump(mode="json")
        return bool(self._http.send("POST", _path(study_id, "records"), body=body, harmless=True)["new"])

    def tell(self, study_id: str, summary: dict[str, Any]) -> Study:
        """Put a summary in the place of the one before, between two steps; Conflict when the study is over."""
        return noun(Study, self._http.send("POST", _path(study_id, "summary"), body={"summary": summary}, harmless=True))

    def records(self, study_id: str) -> list[Record]:
        """Every step, first to last; NotFound."""
        return self._all(Record, study_id, "records")

    def history(self, study_id: str) -> list[Observation]:
        """What its experiments gave, first to last; NotFound."""
        return self._all(Observation, study_id, "history")

    def proposals(self, study_id: str, *, status: ProposalStatus | None = None) -> list[Proposal]:
        """What was proposed, first to last; NotFound."""
        return self._all(Proposal, study_id, "proposals", status=status)

    def proposal(self, proposal_id: str) -> Proposal:
        """One proposal; NotFound."""
        return noun(Proposal, self._http.get(_proposal(proposal_id))["proposal"])

    def ballots(self, proposal_id: str) -> list[Ballot]:
        """The ballots on a proposal, by round, then by agent; NotFound."""
        return [noun(Ballot, one) for one in self._http.get(_proposal(proposal_id))["ballots"]]

    def decisions(self, study_id: str, *, cycle: int | None = None) -> list[Decision]:
        """The argument, or that of one cycle, first line to last; NotFound."""
        return self._all(Decision, study_id, "decisions", cycle=cycle)

    def constraints(self, study_id: str) -> list[Constraint]:
        """What was learned from failures; NotFound."""
        return self._all(Constraint, study_id, "constraints")

    def propose(self, study_id: str, proposal: Proposal) -> Proposal:
        """The proposal as it is kept, under the name of your token and for the next cycle; InvalidSpec names what is wrong with its changes."""
        body = proposal.model_dump(mode="json", include=_OF_A_NEW_PROPOSAL)
        return noun(Proposal, self._http.send("POST", _path(study_id, "proposals"), body=body, harmless=True))

    def vote(self, proposal_id: str, ballot: Ballot) -> Ballot:
        """The ballot as it is kept, under the name of your token; Conflict when the proposal is decided, or you have voted otherwise."""
        body = ballot.model_dump(mode="json", include=_OF_A_NEW_BALLOT)
        return noun(Ballot, self._http.send("POST", _proposal(proposal_id, "ballots"), body=body, harmless=True))

    def approve(self, proposal_id: str, *, why: str) -> Proposal:
        """Let a proposal of a supervised study become a job; Conflict when it is decided."""
        return noun(Proposal, self._http.send("POST", _proposal(proposal_id, "approve"), body={"why": why}))

    def reject(self, proposal_id: str, *, why: str) -> Proposal:
        """Turn a proposal of a supervised study down for good; Conflict when it is decided."""
        return noun(Proposal, self._http.send("POST", _proposal(proposal_id, "reject"), body={"why": why}))

    def _change(self, study_id: str, verb: str) -> Study:
        return noun(Study, self._http.send("POST", _path(study_id, verb), harmless=True))

    def _all(self, kind: type[N], study_id: str, part: str, **params: Any) -> list[N]:
        return [noun(kind, one) for one in self._http.get(_path(study_id, part), params=params)["items"]]


def _path(study_id: str, part: str | None = None) -> str:
    return f"/studies/{quote(study_id, safe='')}" + (f"/{part}" if part else "")


def _proposal(proposal_id: str, part: str | None = None) -> str:
    return f"/proposals/{quote(proposal_id, safe='')}" + (f"/{part}" if part else "")
