"""Attempts in the store. What an attempt writes is accepted while its outcome is `running`, never after."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, select, update

from arc.core.attempt import Attempt, AttemptOutcome, Failure, ProcessIdentity
from arc.core.errors import LeaseLost, NotFound
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.nouns import clean


def _attempt(row: Row[Any]) -> Attempt:
    values = dict(row._mapping)
    del values["secret_hash"]
    return Attempt(**values)


def insert(tx: Tx, attempt: Attempt, *, secret_hash: str | None = None) -> None:
    """Write a new attempt, with the hash of the secret that lets it speak for itself; Conflict when its number is taken."""
    tx.conn.execute(sa.insert(t.attempts), clean(dict(attempt)) | {"secret_hash": secret_hash})


def get(tx: Tx, job_id: str, number: int) -> Attempt:
    """One attempt; NotFound."""
    row = tx.conn.execute(select(t.attempts).where(t.attempts.c.job_id == job_id, t.attempts.c.number == number)).one_or_none()
    if row is None:
        raise NotFound(f"job {job_id[:128]} has no attempt {number}", field="attempt", value=number)
    return _attempt(row)


def of_job(tx: Tx, job_id: str) -> list[Attempt]:
    """Every attempt of a job, first to last."""
    return [_attempt(row) for row in tx.conn.execute(select(t.attempts).where(t.attempts.c.job_id == job_id).order_by(t.attempts.c.number))]


def open(tx: Tx) -> list[Attempt]:
    """Every attempt that has not ended, as far as is recorded."""
    return [_attempt(row) for row in tx.conn.execute(select(t.attempts).where(t.attempts.c.outcome == "running"))]


def _change(tx: Tx, job_id: str, number: int, *extra: Any, **values: Any) -> bool:
    where = [t.attempts.c.job_id == job_id, t.attempts.c.number == number, t.attempts.c.outcome == "running", *extra]
    return tx.conn.execute(update(t.attempts).where(*where).values(**clean(values))).rowcount == 1


def set_identity(tx: Tx, job_id: str, number: int, identity: ProcessIdentity) -> None:
    """Record which process the attempt is."""
    if not _change(tx, job_id, number, identity=identity):
        raise LeaseLost(f"attempt {number} of job {job_id} has ended")


def renew(tx: Tx, job_id: str, number: int, *, until: datetime) -> bool:
    """Prolong the lease of a running attempt; False when it has ended."""
    return _change(tx, job_id, number, lease_expires_at=until)


def advance(tx: Tx, job_id: str, number: int, *, from_offset: int, to_offset: int, resumed_step: int | None = None) -> None:
    """Record up to where the journal was read, and the step it resumed from; LeaseLost when somebody else read on or it has ended."""
    said = {} if resumed_step is None else {"resumed_step": resumed_step}
    if not _change(tx, job_id, number, t.attempts.c.journal_offset == from_offset, journal_offset=to_offset, **said):
        raise LeaseLost(f"the journal of attempt {number} of job {job_id} is not at {from_offset}, or it has ended")


def finish(
    tx: Tx,
    job_id: str,
    number: int,
    *,
    outcome: AttemptOutcome,
    ended_at: datetime,
    exit_code: int | None = None,
    signal: int | None = None,
    failure: Failure | None = None,
) -> None:
    """End the attempt, once; its capability is dead with it."""
    done = _change(
        tx, job_id, number, outcome=outcome, ended_at=ended_at, exit_code=exit_code, signal=signal, failure=failure, secret_hash=None
    )
    if not done:
        raise LeaseLost(f"attempt {number} of job {job_id} has ended already")


def set_capability(tx: Tx, job_id: str, number: int, *, secret_hash: str) -> None:
    """Record the hash of the secret that lets the attempt speak for itself."""
    _change(tx, job_id, number, secret_hash=secret_hash)


def by_capability(tx: Tx, secret_hash: str) -> Attempt | None:
    """The running attempt with this secret."""
    row = tx.conn.execute(
        select(t.attempts).where(t.attempts.c.secret_hash == secret_hash, t.attempts.c.outcome == "running")
    ).one_or_none()
    return None if row is None else _attempt(row)
