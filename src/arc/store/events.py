"""Events in the store: appended in the transaction of the change, numbered without a gap in commit order.

A reader who has seen event n will never see a smaller one appear later. SQLite has one writer, and gives a row the
next number by itself. On PostgreSQL the number comes from a counter row that the transaction updates, whose lock
makes writers of events take turns.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam, func, insert, select, update

from arc.core.event import Event
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.prepared import Insert

_NEXT = update(t.counters).where(t.counters.c.name == "events").values(value=t.counters.c.value + 1).returning(t.counters.c.value)
_NUMBERED = insert(t.events)
_INSERT = Insert(t.events)
_AFTER = select(t.events).where(t.events.c.seq > bindparam("after")).order_by(t.events.c.seq).limit(bindparam("most", type_=sa.Integer()))
_OF_SUBJECT = _AFTER.where(t.events.c.subject == bindparam("subject"))


def append(tx: Tx, *, subject: str, kind: str, actor: str, detail: dict[str, Any] | None = None) -> Event:
    """Write one event."""
    values = {"subject": subject, "kind": kind, "at": tx.clock.now(), "actor": actor, "detail": detail or {}}
    if tx.raw is not None:
        return Event(**values | {"seq": _INSERT.below(tx.raw, values | {"seq": None})})
    event = Event(seq=tx.conn.execute(_NEXT).scalar_one(), **values)
    tx.conn.execute(_NUMBERED, dict(event))
    return event


def after(tx: Tx, seq: int, *, subject: str | None = None, limit: int = 1000) -> list[Event]:
    """Events with a greater number, oldest first."""
    if subject is None:
        found = tx.conn.execute(_AFTER, {"after": seq, "most": limit})
    else:
        found = tx.conn.execute(_OF_SUBJECT, {"after": seq, "most": limit, "subject": subject})
    return [Event(**row._mapping) for row in found]


def of_kind(tx: Tx, subject: str, kind: str) -> list[Event]:
    """Every event of a kind about a subject, oldest first."""
    c = t.events.c
    return [Event(**row._mapping) for row in tx.conn.execute(select(t.events).where(c.subject == subject, c.kind == kind).order_by(c.seq))]


def newest(tx: Tx, subject: str, kind: str, *, actor: str) -> Event | None:
    """The last event of a kind about a subject by an actor; None when there was none."""
    c = t.events.c
    query = select(t.events).where(c.subject == subject, c.kind == kind, c.actor == actor).order_by(c.seq.desc()).limit(1)
    row = tx.conn.execute(query).one_or_none()
    return None if row is None else Event(**row._mapping)


def last_seq(tx: Tx) -> int:
    """The number of the newest event; 0 when there is none."""
    return int(tx.conn.execute(select(func.max(t.events.c.seq))).scalar_one() or 0)
