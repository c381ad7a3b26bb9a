"""Metric points in the store: packed in chunks, so that a curve of a million points reads back in bounded time.

A series is (job, metric); each attempt has its own chunks of at most 1,024 points (step, value, time as
64-bit floats; a value that was no number is NaN). The last chunk grows in place. A later attempt supersedes
the earlier ones from its own first step on, because it resumed from a checkpoint before their end: so the
curve of a job that was killed is the curve of one that was not. Reading downsamples by LTTB.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy import bindparam, func, select

from arc.core.errors import InvalidSpec
from arc.stats.lttb import lttb
from arc.store import tables as t
from arc.store.engine import Tx

CHUNK_POINTS = 1024
MAX_POINTS = 100_000
_WIDTH = 3  # step, value, time
Point = tuple[float, float | None, float]

_TAIL = (
    select(t.metric_chunks)
    .where(
        t.metric_chunks.c.job_id == bindparam("job"),
        t.metric_chunks.c.name == bindparam("metric"),
        t.metric_chunks.c.attempt == bindparam("number"),
    )
    .order_by(t.metric_chunks.c.chunk.desc())
    .limit(1)
)


class Curve(BaseModel):
    """A series, perhaps downsampled."""

    model_config = ConfigDict(frozen=True)

    name: str
    steps: list[float]
    values: list[float | None]
    n_total: int  # points before downsampling
    downsampled: bool


def append(tx: Tx, *, job_id: str, attempt: int, points: Mapping[str, Sequence[Point]]) -> None:
    """Add points to the series of an attempt, in the order in which they were reported."""
    for name, series in points.items():
        rows = np.array([(step, np.nan if value is None else value, at) for step, value, at in series], dtype=np.float64).reshape(
            -1, _WIDTH
        )
        if len(rows):
            _append(tx, job_id, attempt, name, rows)


def _append(tx: Tx, job_id: str, attempt: int, name: str, rows: np.ndarray) -> None:
    tail = tx.conn.execute(_TAIL, {"job": job_id, "metric": name, "number": attempt}).one_or_none()
    chunk = 0 if tail is None else tail.chunk + 1
    if tail is not None and tail.points < CHUNK_POINTS:
        chunk = tail.chunk
        rows = np.concatenate([np.frombuffer(tail.data, dtype="<f8").reshape(-1, _WIDTH), rows])
        tx.conn.execute(sa.update(t.metric_chunks).where(*_key(job_id, name, attempt, chunk)).values(**_columns(rows[:CHUNK_POINTS])))
        rows, chunk = rows[CHUNK_POINTS:], chunk + 1
    if len(rows):
        key = {"job_id": job_id, "name": name, "attempt": attempt}
        pieces = [rows[start : start + CHUNK_POINTS] for start in range(0, len(rows), CHUNK_POINTS)]
        tx.conn.execute(sa.insert(t.metric_chunks), [key | {"chunk": chunk + i} | _columns(piece) for i, piece in enumerate(pieces)])


def _key(job_id: str, name: str, attempt: int, chunk: int) -> list[sa.ColumnElement[bool]]:
    c = t.metric_chunks.c
    return [c.job_id == job_id, c.name == name, c.attempt == attempt, c.chunk == chunk]


def _columns(rows: np.ndarray) -> dict[str, object]:
    last = float(rows[-1, 1])
    return {
        "points": len(rows),
        "first_step": float(rows[0, 0]),
        "last_value": last if math.isfinite(last) else None,
        "data": rows.astype("<f8").tobytes(),
    }


def names(tx: Tx, job_id: str) -> list[str]:
    """The metrics of a job, sorted."""
    query = select(t.metric_chunks.c.name).where(t.metric_chunks.c.job_id == job_id).distinct()
    return sorted(tx.conn.execute(query).scalars())  # here, because databases differ in what comes first


def curve(tx: Tx, job_id: str, name: str, *, max_points: int = 1000) -> Curve:
    """The series over all attempts, at most `max_points` of its points; empty when there is none."""
    if not 3 <= max_points <= MAX_POINTS:
        raise InvalidSpec(f"max_points {max_points} is not between 3 and {MAX_POINTS}", field="max_points", value=max_points)
    rows = _whole(tx, job_id, name)
    total = len(rows)
    if total > max_points:
        there = np.isfinite(rows[:, 1])
        rows = rows if there.all() else rows[there]
        rows = rows[lttb(rows[:, 0], rows[:, 1], max_points)]
    values = [value if math.isfinite(value) else None for value in rows[:, 1].tolist()]
    return Curve(name=name, steps=rows[:, 0].tolist(), values=values, n_total=total, downsampled=total > max_points)


def _whole(tx: Tx, job_id: str, name: str) -> np.ndarray:
    c = t.metric_chunks.c
    query = select(c.attempt, c.data).where(c.job_id == job_id, c.name == name).order_by(c.attempt, c.chunk)
    parts: dict[int, list[np.ndarray]] = {}
    for attempt, data in tx.conn.execute(query):
        parts.setdefault(attempt, []).append(np.frombuffer(data, dtype="<f8").reshape(-1, _WIDTH))
    kept: list[np.ndarray] = []
    for attempt in sorted(parts):
        mine = np.concatenate(parts[attempt])
        kept = [earlier[earlier[:, 0] < mine[0, 0]] for earlier in kept]
        kept.append(mine)
    return kept[0] if len(kept) == 1 else np.concatenate([np.empty((0, _WIDTH)), *kept])


def last(tx: Tx, job_id: str) -> dict[str, float]:
    """The newest value of each metric; metrics whose newest value was no number are left out."""
    c = t.metric_chunks.c
    place = sa.cast(c.attempt, sa.BigInteger) * 2**31 + c.chunk
    newest = select(c.name, func.max(place).label("place")).where(c.job_id == job_id).group_by(c.name).subquery()
    query = select(c.name, c.last_value).join(newest, (newest.c.name == c.name) & (newest.c.place == place))
    return {name: value for name, value in tx.conn.execute(query.where(c.job_id == job_id)) if value is not None}
