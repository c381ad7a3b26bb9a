"""Jobs in the store: insert, page, claim, move.

A claim and every move are one conditional UPDATE: the database decides between two who want the same, and
the fencing token (the attempt's number) refuses what an older attempt has to say. A move writes the event
of `arc.core.states` in the same transaction.
"""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Row, bindparam, delete, func, select

from arc.core.errors import Conflict, LeaseLost, NotFound
from arc.core.inputs import parse_input
from arc.core.job import Job, Priority
from arc.core.page import Page
from arc.core.states import JobStatus, event_of
from arc.store import events
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.moment import Moment
from arc.store.nouns import check_limit, clean, decode_cursor, encode_cursor, plain
from arc.store.prepared import Insert

_RANKS = list(Priority)
_INSERT = Insert(t.jobs)
_INSERT_NEED = sa.insert(t.job_needs)
_INSERT_REFERENCE = sa.insert(t.job_references)
_BY_ID = select(t.jobs).where(t.jobs.c.id == bindparam("wanted"))
_NEEDS = select(t.job_needs.c.job_id, t.job_needs.c.needs_id).where(t.job_needs.c.job_id.in_(bindparam("wanted", expanding=True)))
_MODELS = ("requires", "retry", "limits", "failure", "progress")  # fields that are models themselves
_HIDDEN = ("rank", "idempotency_key", "request_digest")


def _job(row: Row[Any], needs: Sequence[str]) -> Job:
    values = dict(row._mapping)
    values["priority"] = _RANKS[values["rank"]]
    for name in _HIDDEN:
        del values[name]
    return Job(needs=tuple(needs), **values)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    values = clean(fields)
    if "priority" in values:
        values["rank"] = Priority(values.pop("priority")).rank
    return values


def _jobs(tx: Tx, found: Sequence[Row[Any]]) -> list[Job]:
    needs: dict[str, list[str]] = {}
    if found:
        for job_id, need in tx.conn.execute(_NEEDS, {"wanted": [row.id for row in found]}):
            needs.setdefault(job_id, []).append(need)
    return [_job(row, sorted(needs.get(row.id, []))) for row in found]


def insert(tx: Tx, job: Job, *, key: str | None = None, request_digest: str | None = None) -> None:
    """Write a new job; Conflict when its id or its idempotency key is there already."""
    values = vars(job) | {
        "rank": _RANKS.index(job.priority),
        "status": job.status.value,
        "idempotency_key": key,
        "request_digest": request_digest,
    }
    for name in _MODELS:
        values[name] = plain(values[name])
    _INSERT.run(tx, values)
    if job.needs:
        tx.conn.execute(_INSERT_NEED, [{"job_id": job.id, "needs_id": need} for need in job.needs])
    refs = [parse_input(text, field="inputs") for text in job.inputs.values()]
    targets = {ref.target for ref in refs if ref.scheme != "dataset"}
    if job.resumed_from:
        targets.add(job.resumed_from)
    if targets:
        tx.conn.execute(_INSERT_REFERENCE, [{"job_id": job.id, "target": target} for target in sorted(targets)])


def get(tx: Tx, job_id: str) -> Job:
    """The job; NotFound."""
    row = tx.conn.execute(_BY_ID, {"wanted": job_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no job {job_id[:128]!r}", field="job_id", value=job_id[:128])
    return _jobs(tx, [row])[0]


def by_key(tx: Tx, key: str) -> tuple[Job, str] | None:
    """The job that was submitted with this idempotency key, and the digest of its request."""
    row = tx.conn.execute(select(t.jobs).where(t.jobs.c.idempotency_key == key)).one_or_none()
    return None if row is None else (_jobs(tx, [row])[0], row.request_digest or "")


def page(
    tx: Tx,
    *,
    statuses: Iterable[JobStatus | str] = (),
    recipe: str | None = None,
    experiment: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
    newest_first: bool = True,
) -> Page[Job]:
    """A page of jobs by age; the cost does not depend on how far down the page is."""
    where: list[ColumnElement[bool]] = []
    if names := [JobStatus(status).value for status in statuses]:
        where.append(t.jobs.c.status == names[0] if len(names) == 1 else t.jobs.c.status.in_(names))
    if recipe is not None:
        where.append(t.jobs.c.recipe == recipe)
    if experiment is not None:
        where.append(t.jobs.c.experiment_id == experiment)
    if cursor is not None:
        (last,) = decode_cursor(cursor, parts=1)
        where.append(t.jobs.c.id < last if newest_first else t.jobs.c.id > last)
    order = t.jobs.c.id.desc() if newest_first else t.jobs.c.id
    found = tx.conn.execute(select(t.jobs).where(*where).order_by(order).limit(check_limit(limit) + 1)).all()
    items = _jobs(tx, found[:limit])
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if len(found) > limit else None)


def counts(tx: Tx) -> dict[str, int]:
    """How many jobs there are in each status, absent ones as 0."""
    found = {row[0]: row[1] for row in tx.conn.execute(select(t.jobs.c.status, func.count()).group_by(t.jobs.c.status))}
    return {status.value: found.get(status.value, 0) for status in JobStatus}


def queue(tx: Tx) -> dict[tuple[str, str], int]:
    """How many jobs that are not over there are by (status, priority)."""
    open_ = ("pending", "queued", "running")
    query = select(t.jobs.c.status, t.jobs.c.rank, func.count()).where(t.jobs.c.status.in_(open_)).group_by(t.jobs.c.status, t.jobs.c.rank)
    return {(status, _RANKS[rank].value): count for status, rank, count in tx.conn.execute(query)}


def waiting(tx: Tx, *, now: datetime) -> dict[str, int]:
    """How many jobs wait for other jobs (`jobs`), for a person (`hold`), for their retry (`backoff`), and for room (`ready`)."""
    reason = sa.case(
        (t.jobs.c.status == "pending", "jobs"),
        (t.jobs.c.hold.is_(True), "hold"),
        (t.jobs.c.not_before > bindparam("now", now, type_=Moment()), "backoff"),
        else_="ready",
    ).label("waits_for")
    query = select(reason, func.count()).where(t.jobs.c.status.in_(("pending", "queued"))).group_by("waits_for")
    return {row[0]: row[1] for row in tx.conn.execute(query)}


_FIRST_QUEUED = (
    select(t.jobs)
    .where(
        t.jobs.c.status == "queued",
        t.jobs.c.hold.is_(False),
        t.jobs.c.not_before.is_(None) | (t.jobs.c.not_before <= bindparam("now", type_=Moment())),
    )
    .order_by(t.jobs.c.rank, t.jobs.c.id)
)
_CLAIMABLE = _FIRST_QUEUED.limit(bindparam("most", type_=sa.Integer()))
_first = _FIRST_QUEUED.limit(bindparam("among", type_=sa.Integer())).subquery()
_OF_OTHER_ROLES = (
    select(_first)
    .where(_first.c.requires["role"].as_string().not_in(bindparam("without", expanding=True)))
    .order_by(_first.c.rank, _first.c.id)
    .limit(bindparam("most", type_=sa.Integer()))
)
_AMONG = 500


def claimable(tx: Tx, *, now: datetime, limit: int = 200, without: Set[str] = frozenset()) -> list[Job]:
    """Queued jobs that may start now, in the order in which they should.

    Those whose role is in `without` are passed over unread, and then only the first 500 of all are looked at.
    """
    if not without:
        return _jobs(tx, tx.conn.execute(_CLAIMABLE, {"now": now, "most": limit}).all())
    values = {"now": now, "most": limit, "without": sorted(without), "among": _AMONG}
    return _jobs(tx, tx.conn.execute(_OF_OTHER_ROLES, values).all())


def next_due(tx: Tx, *, now: datetime) -> datetime | None:
    """When the next waiting retry may start; None when none waits."""
    waiting = (t.jobs.c.status == "queued") & t.jobs.c.hold.is_(False) & (t.jobs.c.not_before > now)
    due: datetime | None = tx.conn.execute(select(t.jobs.c.not_before).where(waiting).order_by(t.jobs.c.not_before).limit(1)).scalar()
    return due


def claim(tx: Tx, job_id: str, *, now: datetime) -> Job | None:
    """Move a queued job to running with its next attempt; None when somebody else was first."""
    done = tx.conn.execute(
        sa.update(t.jobs)
        .where(t.jobs.c.id == job_id, t.jobs.c.status == "queued", t.jobs.c.hold.is_(False))
        .values(
            status="running",
            attempt=t.jobs.c.attempt + 1,
            started_at=func.coalesce(t.jobs.c.started_at, bindparam("now", now, type_=Moment())),
            not_before=None,
            progress=None,
        )
    )
    return get(tx, job_id) if done.rowcount == 1 else None


def move(
    tx: Tx,
    job_id: str,
    *,
    to: JobStatus,
    expect: JobStatus,
    token: int | None = None,
    actor: str = "engine",
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> Job:
    """Move the job and write the event of the move.

    Conflict when there is no such move or the job is not in `expect`; LeaseLost when the token is stale.
    """
    kind = event_of(expect, to)
    where = [t.jobs.c.id == job_id, t.jobs.c.status == expect.value]
    if token is not None:
        where.append(t.jobs.c.attempt == token)
    if tx.conn.execute(sa.update(t.jobs).where(*where).values(status=to.value, **_columns(columns))).rowcount != 1:
        _refuse(get(tx, job_id), expect, token)
    events.append(tx, subject=job_id, kind=kind, actor=actor, detail=detail)
    tx.moved.append(job_id)
    return get(tx, job_id)


def _refuse(job: Job, expect: JobStatus, token: int | None) -> None:
    if token is not None and job.attempt != token:
        raise LeaseLost(f"attempt {token} of job {job.id} is no longer the current one, {job.attempt} is")
    raise Conflict(f"job {job.id} is {job.status.value}, not {expect.value}", field="status", value=job.status.value)


def update(tx: Tx, job_id: str, *, token: int | None = None, **columns: Any) -> Job:
    """Change columns without a move; LeaseLost when the token is stale, NotFound."""
    where = [t.jobs.c.id == job_id]
    if token is not None:
        where += [t.jobs.c.attempt == token, t.jobs.c.status == "running"]
    if tx.conn.execute(sa.update(t.jobs).where(*where).values(**_columns(columns))).rowcount != 1:
        _refuse(get(tx, job_id), JobStatus.RUNNING, token)
    return get(tx, job_id)


def running(tx: Tx) -> list[Job]:
    """Every running job, oldest first."""
    return _jobs(tx, tx.conn.execute(select(t.jobs).where(t.jobs.c.status == "running").order_by(t.jobs.c.id)).all())


def dependents(tx: Tx, job_id: str) -> list[Job]:
    """The pending jobs that need this one."""
    query = (
        select(t.jobs)
        .join(t.job_needs, t.job_needs.c.job_id == t.jobs.c.id)
        .where(t.job_needs.c.needs_id == job_id, t.jobs.c.status == "pending")
        .order_by(t.jobs.c.id)
    )
    return _jobs(tx, tx.conn.execute(query).all())


def active_in_experiment(tx: Tx, experiment_id: str) -> list[Job]:
    """The jobs of an experiment that are not over."""
    open_ = ("pending", "queued", "running")
    query = select(t.jobs).where(t.jobs.c.experiment_id == experiment_id, t.jobs.c.status.in_(open_)).order_by(t.jobs.c.id)
    return _jobs(tx, tx.conn.execute(query).all())


def of_study(tx: Tx, study_id: str, *, open_only: bool = False) -> list[Job]:
    """The jobs of the experiments of a study, oldest first; with `open_only` those that are not over."""
    mine = select(t.experiments.c.id).where(t.experiments.c.study == study_id)
    query = select(t.jobs).where(t.jobs.c.experiment_id.in_(mine)).order_by(t.jobs.c.id)
    if open_only:
        query = query.where(t.jobs.c.status.in_(("pending", "queued", "running")))
    return _jobs(tx, tx.conn.execute(query).all())


def referring(tx: Tx, targets: Sequence[str]) -> list[Job]:
    """The jobs that read, or resume, one of the targets (digests and job ids)."""
    ids = select(t.job_references.c.job_id).where(t.job_references.c.target.in_(targets))
    return _jobs(tx, tx.conn.execute(select(t.jobs).where(t.jobs.c.id.in_(ids)).order_by(t.jobs.c.id)).all()) if targets else []


def delete_of_experiment(tx: Tx, experiment_id: str) -> None:
    """Delete the jobs of an experiment with all that hangs on them."""
    tx.conn.execute(delete(t.jobs).where(t.jobs.c.experiment_id == experiment_id))
