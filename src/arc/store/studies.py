"""Studies in the store: what was asked for, where each is, and what it has used up.

What is used up is counted from the rows of its experiments each time it is asked for, so no counter can be wrong after a
crash, and nothing that an agent writes moves it. Tokens and calls of language models alone are counters: no row is made
for a call. The state is the one that was last set, unless the study is said to run and its job is over: it then waits to be resumed.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Row, func, select

from arc.core.errors import NotFound
from arc.core.page import Page
from arc.core.study import Spent, Study, StudyState
from arc.store import study_tables as s
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.moment import Moment
from arc.store.nouns import check_limit, clean, decode_cursor, encode_cursor

_JOB_OVER = {
    "failed": StudyState.FAILED,
    "cancelled": StudyState.PAUSED,
    "completed": StudyState.PAUSED,
}  # one that has finished says so in its last record
_WITH_JOB = select(s.studies, t.jobs.c.status.label("job_status")).outerjoin(t.jobs, t.jobs.c.id == s.studies.c.job_id)
_GB = 1e9


def insert(tx: Tx, study: Study) -> None:
    """Write a new study, which has used up nothing yet."""
    fields = {name: value for name, value in dict(study).items() if name != "spent"}
    tx.conn.execute(sa.insert(s.studies), clean(fields) | {"recipe": study.spec.recipe, "tokens": 0, "calls": 0})


def get(tx: Tx, study_id: str) -> Study:
    """The study with what it has used up; NotFound."""
    row = tx.conn.execute(_WITH_JOB.where(s.studies.c.id == study_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no study {study_id[:128]!r}", field="study_id", value=study_id[:128])
    return _study(tx, row)


def over(tx: Tx, study_id: str) -> bool:
    """Whether the study can never go on; one that is not there cannot."""
    try:
        return get(tx, study_id).over
    except NotFound:
        return True


def in_turn(tx: Tx, study_id: str) -> Study:
    """The study, and nobody else decides by it before the transaction ends; NotFound."""
    tx.in_turn(f"study {study_id}")
    return get(tx, study_id)


def page(tx: Tx, *, recipe: str | None = None, limit: int = 50, cursor: str | None = None) -> Page[Study]:
    """A page of studies, newest first."""
    where: list[ColumnElement[bool]] = []
    if recipe is not None:
        where.append(s.studies.c.recipe == recipe)
    if cursor is not None:
        (last,) = decode_cursor(cursor, parts=1)
        where.append(s.studies.c.id < last)
    found = tx.conn.execute(_WITH_JOB.where(*where).order_by(s.studies.c.id.desc()).limit(check_limit(limit) + 1)).all()
    items = [_study(tx, row) for row in found[:limit]]
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if len(found) > limit else None)


def update(tx: Tx, study_id: str, **columns: Any) -> None:
    """Change columns; NotFound."""
    if tx.conn.execute(sa.update(s.studies).where(s.studies.c.id == study_id).values(**clean(columns))).rowcount != 1:
        get(tx, study_id)


def use_up(tx: Tx, study_id: str, *, tokens: int, calls: int) -> None:
    """Count what language models took."""
    c = s.studies.c
    tx.conn.execute(sa.update(s.studies).where(c.id == study_id).values(tokens=c.tokens + tokens, calls=c.calls + calls))


def job_seconds(tx: Tx, study_id: str) -> dict[str, float]:
    """Seconds of all attempts of each job of its experiments; an attempt that runs counts up to now."""
    a = t.attempts.c
    query = select(a.job_id, func.sum(_lasted(tx))).select_from(_attempts_of(study_id)).group_by(a.job_id)
    return {job_id: float(micros) / 1e6 for job_id, micros in tx.conn.execute(query)}


def _study(tx: Tx, row: Row[Any]) -> Study:
    state = StudyState(row.state)
    if state is StudyState.RUNNING:
        state = _JOB_OVER.get(row.job_status, state)
    ended = row.ended_at
    plain = ("id", "spec", "job_id", "cycle", "summary", "created_by", "created_at")
    spent = _spent(tx, row, ended)
    return Study(**{name: row._mapping[name] for name in plain}, state=state, ended_at=ended, spent=spent)


def _spent(tx: Tx, row: Row[Any], ended: datetime | None) -> Spent:
    e, n = t.experiments.c, t.attempts.c
    confirmations = func.coalesce(func.sum(sa.case((e.use == "confirm", 1), else_=0)), 0)
    made, confirmed = tx.conn.execute(select(func.count(), confirmations).where(e.study == row.id)).one()
    gpus = func.json_array_length(n.gpu_ids)
    micros = func.coalesce(func.sum(_lasted(tx) * sa.case((gpus > 1, gpus), else_=1)), 0)
    compute = tx.conn.execute(select(micros).select_from(_attempts_of(row.id))).scalar_one()
    left = t.artifacts.join(t.jobs, t.jobs.c.id == t.artifacts.c.job_id).join(t.experiments, e.id == t.jobs.c.experiment_id)
    size = func.coalesce(func.sum(t.artifacts.c.size_bytes), 0)
    bytes_ = tx.conn.execute(select(size).select_from(left).where(e.study == row.id)).scalar_one()
    return Spent(
        experiments=made,
        confirmations=int(confirmed),
        compute_seconds=float(compute) / 1e6,
        wall_seconds=((ended or tx.clock.now()) - row.started_at).total_seconds() if row.started_at else 0.0,
        tokens=row.tokens,
        calls=row.calls,
        disk_gb=float(bytes_) / _GB,
    )


def _attempts_of(study_id: str) -> sa.FromClause:
    """The attempts of the jobs of the experiments of a study."""
    mine = select(t.jobs.c.id).join(t.experiments, t.experiments.c.id == t.jobs.c.experiment_id).where(t.experiments.c.study == study_id)
    wanted = mine.subquery("mine")
    return t.attempts.join(wanted, wanted.c.id == t.attempts.c.job_id)


def _lasted(tx: Tx) -> ColumnElement[int]:
    """Microseconds that an attempt has lasted."""
    now = sa.literal(Moment().process_bind_param(tx.clock.now(), tx.conn.dialect), sa.BigInteger)
    a = t.attempts.c
    return func.coalesce(sa.type_coerce(a.ended_at, sa.BigInteger), now) - sa.type_coerce(a.started_at, sa.BigInteger)
