"""What a study remembers, in the store: its records by key, its proposals with ballots, its decisions and its constraints.

Everything is written within the turn of its study (`arc.store.studies.in_turn`), so that numbers have no gap and the
status of a proposal is decided once. Ids of proposals are unique over all studies, because people name them alone.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import func, select

from arc.core.errors import Conflict, NotFound
from arc.core.proposal import Ballot, Constraint, Decision, Proposal, ProposalStatus
from arc.core.study import Record
from arc.store import study_tables as s
from arc.store.engine import Tx


def add_record(tx: Tx, study_id: str, record: Record, *, actor: str) -> bool:
    """Keep the record; False when its key is known with the same content, Conflict when with other content."""
    c = s.study_records.c
    body = record.model_dump(mode="json")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    known = tx.conn.execute(select(c.digest).where(c.study == study_id, c.key == record.key)).scalar_one_or_none()
    if known is not None and known != digest:
        raise Conflict(f"the step {record.key} of study {study_id} was recorded with other content", field="key", value=record.key)
    if known is not None:
        return False
    _append(tx, s.study_records, study_id, key=record.key, digest=digest, body=body, actor=actor, at=tx.clock.now())
    return True


def records(tx: Tx, study_id: str) -> list[Record]:
    """Every record, first to last."""
    return [Record(**body) for body in _bodies(tx, s.study_records, study_id)]


def put_proposal(tx: Tx, proposal: Proposal, *, actor: str) -> None:
    """Write a new proposal, or a known one as it is now; Conflict when the id is that of another study's."""
    c = s.proposals.c
    body, state = proposal.model_dump(mode="json"), {"status": proposal.status.value, "cycle": proposal.cycle}
    found = tx.conn.execute(select(c.study).where(c.id == proposal.proposal_id)).scalar_one_or_none()
    if found is None:
        _append(tx, s.proposals, proposal.study, id=proposal.proposal_id, body=body, actor=actor, at=tx.clock.now(), **state)
    elif found != proposal.study:
        raise Conflict(
            f"proposal {proposal.proposal_id} is one of study {found}: choose another id", field="proposal_id", value=proposal.proposal_id
        )
    else:
        tx.conn.execute(sa.update(s.proposals).where(c.id == proposal.proposal_id).values(body=body, **state))


def proposal(tx: Tx, proposal_id: str) -> Proposal:
    """The proposal; NotFound."""
    found = known(tx, proposal_id)
    if found is None:
        raise NotFound(f"there is no proposal {proposal_id[:128]!r}", field="proposal_id", value=proposal_id[:128])
    return found


def known(tx: Tx, proposal_id: str) -> Proposal | None:
    """The proposal; None when there is none of this id."""
    body = tx.conn.execute(select(s.proposals.c.body).where(s.proposals.c.id == proposal_id)).scalar_one_or_none()
    return None if body is None else Proposal(**body)


def proposals(tx: Tx, study_id: str, *, status: ProposalStatus | None = None) -> list[Proposal]:
    """The proposals of a study, first to last."""
    where = [] if status is None else [s.proposals.c.status == status.value]
    return [Proposal(**body) for body in _bodies(tx, s.proposals, study_id, *where)]


def add_ballot(tx: Tx, ballot: Ballot, *, actor: str) -> bool:
    """Keep a ballot; False when the agent has cast the same one in this round, Conflict when another one."""
    c = s.ballots.c
    mine = select(c.body).where(c.proposal_id == ballot.proposal_id, c.agent == ballot.agent, c.round == ballot.round)
    body = tx.conn.execute(mine).scalar_one_or_none()
    if body is not None and Ballot(**body) != ballot:
        raise Conflict(f"{ballot.agent} has voted on {ballot.proposal_id} in round {ballot.round}: a ballot is cast once", field="agent")
    if body is not None:
        return False
    row = {"proposal_id": ballot.proposal_id, "agent": ballot.agent, "round": ballot.round, "body": ballot.model_dump(mode="json")}
    tx.conn.execute(sa.insert(s.ballots), row | {"actor": actor, "at": tx.clock.now()})
    return True


def ballots(tx: Tx, proposal_ids: Iterable[str]) -> list[Ballot]:
    """The ballots on some proposals, by round, then by agent."""
    c = s.ballots.c
    query = select(c.body).where(c.proposal_id.in_(list(proposal_ids))).order_by(c.round, c.agent, c.proposal_id)
    return [Ballot(**body) for body in tx.conn.execute(query).scalars()]


def add_decision(tx: Tx, decision: Decision) -> None:
    """Keep one line of the argument."""
    _append(tx, s.decisions, decision.study, cycle=decision.cycle, body=decision.model_dump(mode="json"), at=tx.clock.now())


def decisions(tx: Tx, study_id: str, *, cycle: int | None = None) -> list[Decision]:
    """The argument of a study, or of one cycle, first line to last."""
    where = [] if cycle is None else [s.decisions.c.cycle == cycle]
    return [Decision(**body) for body in _bodies(tx, s.decisions, study_id, *where)]


def put_constraint(tx: Tx, study_id: str, constraint: Constraint) -> None:
    """Write a new constraint, or a known one as it is now."""
    c = s.constraints.c
    body = constraint.model_dump(mode="json")
    change = sa.update(s.constraints).where(c.study == study_id, c.id == constraint.id).values(body=body)
    if tx.conn.execute(change).rowcount == 0:
        _append(tx, s.constraints, study_id, id=constraint.id, body=body)


def constraints(tx: Tx, study_id: str) -> list[Constraint]:
    """What was learned, in the order in which it was."""
    return [Constraint(**body) for body in _bodies(tx, s.constraints, study_id)]


def _append(tx: Tx, table: sa.Table, study_id: str, **values: Any) -> None:
    newest = tx.conn.execute(select(func.max(table.c.number)).where(table.c.study == study_id)).scalar_one()
    tx.conn.execute(sa.insert(table), {"study": study_id, "number": (newest or 0) + 1, **values})


def _bodies(tx: Tx, table: sa.Table, study_id: str, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    query = select(table.c.body).where(table.c.study == study_id, *where).order_by(table.c.number)
    return list(tx.conn.execute(query).scalars())
