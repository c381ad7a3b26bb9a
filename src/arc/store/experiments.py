"""Experiments in the store."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, select

from arc.core.errors import InvalidSpec, NotFound
from arc.core.experiment import Experiment
from arc.core.page import Page
from arc.store import jobs
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.nouns import check_limit, clean, decode_cursor, encode_cursor


def insert(tx: Tx, experiment: Experiment) -> None:
    """Write a new experiment; Conflict when its id is taken."""
    tx.conn.execute(sa.insert(t.experiments), clean(dict(experiment)))


def get(tx: Tx, experiment_id: str) -> Experiment:
    """The experiment; NotFound."""
    row = tx.conn.execute(select(t.experiments).where(t.experiments.c.id == experiment_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no experiment {experiment_id[:128]!r}", field="experiment_id", value=experiment_id[:128])
    return Experiment(**row._mapping)


def page(
    tx: Tx,
    *,
    recipe: str | None = None,
    study: str | None = None,
    status: str | None = None,
    archived: bool = False,
    search: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Experiment]:
    """A page of experiments, newest first; `search` finds a part of the id or of the dataset, literally but for the case."""
    c = t.experiments.c
    where: list[ColumnElement[bool]] = [c.archived.is_(archived)]
    if recipe is not None:
        where.append(c.recipe == recipe)
    if study is not None:
        where.append(c.study == study)
    if status is not None:
        where.append(c.status == status)
    if search:
        where.append(c.id.icontains(search, autoescape=True) | c.dataset.icontains(search, autoescape=True))
    if cursor is not None:
        micros, last = decode_cursor(cursor, parts=2)
        moment = sa.literal(_micros(micros), sa.BigInteger)
        at = sa.type_coerce(c.created_at, sa.BigInteger)
        where.append((at < moment) | ((at == moment) & (c.id < last)))
    query = select(t.experiments, sa.type_coerce(c.created_at, sa.BigInteger).label("micros")).where(*where)
    found = tx.conn.execute(query.order_by(c.created_at.desc(), c.id.desc()).limit(check_limit(limit) + 1)).all()
    rows = found[:limit]
    items = [Experiment(**{name: row._mapping[name] for name in Experiment.model_fields}) for row in rows]
    more = encode_cursor(rows[-1].micros, rows[-1].id) if len(found) > limit else None
    return Page(items=items, next_cursor=more)


def of_study(tx: Tx, study_id: str) -> list[Experiment]:
    """Every experiment of a study, the archived ones too, first to last."""
    found = tx.conn.execute(select(t.experiments).where(t.experiments.c.study == study_id).order_by(t.experiments.c.id))
    return [Experiment(**row._mapping) for row in found]


def _micros(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InvalidSpec("the cursor is not one that a list of experiments has given", field="cursor", value=text[:80])
    return int(text)


def update(tx: Tx, experiment_id: str, **columns: Any) -> None:
    """Change columns; NotFound."""
    if tx.conn.execute(sa.update(t.experiments).where(t.experiments.c.id == experiment_id).values(**clean(columns))).rowcount != 1:
        get(tx, experiment_id)


def delete(tx: Tx, experiment_id: str) -> None:
    """Delete the experiment with its jobs and all that hangs on them."""
    jobs.delete_of_experiment(tx, experiment_id)
    tx.conn.execute(sa.delete(t.experiments).where(t.experiments.c.id == experiment_id))
