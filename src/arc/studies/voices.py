"""Voices: what people and outside agents do with the proposals of a study, under their own name.

They read, propose, vote, and in supervised mode approve or reject; the log says who it was. A vote from outside weighs what the
study's weights say for that name, and 1 when they say nothing. What came in waits: the study's job reads it at the next barrier.
"""

from dataclasses import dataclass

from arc.core.errors import Conflict, InvalidSpec
from arc.core.proposal import Ballot, Decision, Proposal, ProposalStatus
from arc.core.space import normalised
from arc.core.study import Study
from arc.jobs.hub import Hub
from arc.store import events, studies, study_log
from arc.store.engine import Store, Tx
from arc.studies.asked import flat, space_of


@dataclass(frozen=True)
class Voices:
    """The verbs, over one store."""

    store: Store
    hub: Hub

    def propose(self, study_id: str, proposal: Proposal, *, actor: str) -> Proposal:
        """The proposal as it is kept: proposed by `actor`, for the cycle after the newest. Repeated, it is the first one.

        InvalidSpec names what is not searched or out of bounds; Conflict when the study is over or the id is taken.
        """
        with self.store.write() as tx:
            study = studies.in_turn(tx, study_id)
            _check_open(study)
            kept = proposal.model_copy(
                update={
                    "study": study_id,
                    "cycle": study.cycle + 1,
                    "proposer": actor,
                    "changes": _checked(study, proposal),
                    "status": ProposalStatus.PROPOSED,
                    "simulated": study.spec.simulated,
                }
            )
            known = study_log.known(tx, proposal.proposal_id)
            if known is not None:
                return _same(known, kept)
            study_log.put_proposal(tx, kept, actor=actor)
            self._tell(tx, kept, "study.proposed", actor)
        return kept

    def vote(self, proposal_id: str, ballot: Ballot, *, actor: str) -> Ballot:
        """The ballot as it is kept, cast by `actor`; Conflict when the proposal is decided or `actor` has voted otherwise."""
        with self.store.write() as tx:
            proposal, study = self._open(tx, proposal_id)
            weight = study.spec.weights.get(actor, 1.0)
            kept = ballot.model_copy(update={"proposal_id": proposal_id, "agent": actor, "weight": weight})
            if study_log.add_ballot(tx, kept, actor=actor):
                self._tell(tx, proposal, "study.voted", actor, vote=kept.vote)
        return kept

    def approve(self, proposal_id: str, *, actor: str, why: str) -> Proposal:
        """Let the proposal become a job; Conflict when the study is not supervised or the proposal is decided."""
        return self._decide(proposal_id, ProposalStatus.APPROVED, "study.approved", actor, why)

    def reject(self, proposal_id: str, *, actor: str, why: str) -> Proposal:
        """Turn the proposal down for good; Conflict when the study is not supervised or the proposal is decided."""
        return self._decide(proposal_id, ProposalStatus.REJECTED, "study.rejected", actor, why)

    def _decide(self, proposal_id: str, status: ProposalStatus, kind: str, actor: str, why: str) -> Proposal:
        with self.store.write() as tx:
            proposal, study = self._open(tx, proposal_id)
            if study.spec.mode != "supervised":
                raise Conflict(f"study {study.id} is {study.spec.mode}: its council decides", field="mode", value=study.spec.mode)
            decided = proposal.model_copy(update={"status": status})
            study_log.put_proposal(tx, decided, actor=actor)
            detail = {"status": status.value}
            said = {"cycle": proposal.cycle, "proposal_id": proposal_id, "actor": actor, "detail": detail}
            study_log.add_decision(tx, Decision(study=study.id, kind="approval", why=why, **said))
            self._tell(tx, decided, kind, actor, why=why)
        return decided

    def _open(self, tx: Tx, proposal_id: str) -> tuple[Proposal, Study]:
        study = studies.in_turn(tx, study_log.proposal(tx, proposal_id).study)
        proposal = study_log.proposal(tx, proposal_id)  # as it is in the turn
        _check_open(study)
        if proposal.status is not ProposalStatus.PROPOSED:
            raise Conflict(f"proposal {proposal_id} is {proposal.status.value} already", field="proposal_id", value=proposal_id)
        return proposal, study

    def _tell(self, tx: Tx, proposal: Proposal, kind: str, actor: str, **detail: object) -> None:
        events.append(tx, subject=proposal.study, kind=kind, actor=actor, detail={"proposal": proposal.proposal_id, **detail})
        tx.after_commit(lambda: self.hub.poke(proposal.study))


def _check_open(study: Study) -> None:
    if study.over:
        raise Conflict(f"study {study.id} is {study.state.value}: nothing can be said to it any more", field="study_id", value=study.id)


def _checked(study: Study, proposal: Proposal) -> dict[str, bool | int | float | str]:
    changes, space = normalised(proposal.changes), space_of(study.spec)
    unknown = [f"{name[:80]} is not searched" for name in changes if name not in space.parameters]
    wrong = unknown + space.violations({**_beginning(study), **changes})
    if wrong or not changes:
        raise InvalidSpec(f"changes: {'; '.join(wrong) or 'there are none'}", field="changes", value=str(changes)[:80])
    return changes


def _beginning(study: Study) -> dict[str, object]:
    """The values of the baseline on which the others of a space hang."""
    space = space_of(study.spec)
    parents = {one.when.name for one in space.parameters.values() if one.when is not None}
    return {name: value for name, value in flat(study.spec.baseline).items() if name in parents}


def _same(known: Proposal, kept: Proposal) -> Proposal:
    given = {"study", "proposer", "type", "hypothesis", "changes", "novelty", "predicted", "parent"}
    if known.model_dump(include=given) != kept.model_dump(include=given):
        raise Conflict(f"the id {known.proposal_id} is taken by another proposal", field="proposal_id", value=known.proposal_id)
    return known
