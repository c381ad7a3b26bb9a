"""Named leases in the store: one holder at a time, and the fence that a holder's writes pass.

A row is there while the lease is held, or until somebody notices that it has expired. Tokens come from one
counter, so that a token strictly grows for each name although released rows are deleted.

Expiry is counted in ticks and never by the wall clock. On SQLite they are those of the monotonic clock, which
all processes of one boot share; on PostgreSQL those of the database, the one clock that all its clients see.
A row says whose ticks it holds. When they cannot be compared with now (another boot, or a clock that is behind
the last word of the holder) the row is moved to the present: the time between counts as none. So a lease may
last longer than it should, never less, unless somebody sets the clock of the database forward; and a lease that
ends too early or too late still does no harm, because of the fence.

The fence is `check`, first thing in the write transaction of the holder. PostgreSQL then keeps the row locked
until the commit: whoever takes an expired lease over comes before (and the check refuses) or after. SQLite has
one writer anyway. First, because an event written before it would hold the counter that the other one needs.

Not covered: a process stopped *inside* a write transaction on SQLite, which holds up every writer until it goes on.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import delete, insert, select, text, update

from arc.core.errors import Forbidden, LeaseLost
from arc.core.lease import Lease
from arc.core.process import boot_id
from arc.store import events
from arc.store import tables as t
from arc.store.engine import Tx

_SECOND = 1_000_000  # in ticks
_DATABASE_TICKS = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
_NEXT_TOKEN = update(t.counters).where(t.counters.c.name == "leases").values(value=t.counters.c.value + 1).returning(t.counters.c.value)


@dataclass(frozen=True)
class Taken:
    """The lease is held by somebody."""

    holder: Lease


def acquire(tx: Tx, name: str, *, owner: str, actor: str, ttl_s: float, hold_s: float) -> Lease | Taken:
    """Take the lease for `ttl_s`, renewable until it was held for `hold_s`, unless somebody holds it.

    Commit then too: the row may have been moved to the present, and would else be moved again, for ever.
    """
    tx.in_turn(f"lease {name}")
    held = _locked(tx, name)
    if held is not None and not held.expired:
        return Taken(held.lease(tx))
    if held is not None:
        _end(tx, held, "lease.expired", "store")
    now = _now(tx)
    hold_until = now.at + round(hold_s * _SECOND)
    row = {
        "name": name,
        "owner": owner,
        "actor": actor,
        "token": tx.conn.execute(_NEXT_TOKEN).scalar_one(),
        "clock": now.clock,
        "renewed": now.at,
        "expires": min(now.at + round(ttl_s * _SECOND), hold_until),
        "hold_until": hold_until,
        "acquired_at": tx.clock.now(),
    }
    tx.conn.execute(insert(t.leases), row)
    events.append(tx, subject=name, kind="lease.acquired", actor=actor, detail={"token": row["token"], "owner": owner})
    return _Held(row, now).lease(tx)


def renew(tx: Tx, name: str, *, token: int, ttl_s: float, by: str | None = None) -> Lease:
    """Hold the lease for `ttl_s` from now, within the bound of its acquisition.

    LeaseLost when it has expired or passed on; Forbidden when it was acquired by somebody other than `by`.
    """
    held = _current(tx, name, token=token, by=by)
    moved = {"renewed": held.now.at, "expires": min(held.now.at + round(ttl_s * _SECOND), held.row["hold_until"])}
    tx.conn.execute(update(t.leases).where(t.leases.c.name == name).values(moved))
    return _Held(held.row | moved, held.now).lease(tx)


def release(tx: Tx, name: str, *, token: int, actor: str, by: str | None = None) -> Lease:
    """End the lease; it as it was, with no time left. LeaseLost and Forbidden as for `renew`."""
    held = _current(tx, name, token=token, by=by)
    return _end(tx, held, "lease.released", actor)


def check(tx: Tx, name: str, *, token: int) -> Lease:
    """The fence: the lease when `token` holds it now and until this write transaction ends, else LeaseLost.

    First thing in the transaction; whatever follows in it is the write of a true holder.
    """
    return _current(tx, name, token=token, shared=True).lease(tx)


def get(tx: Tx, name: str) -> Lease | None:
    """Who holds the lease; None when nobody does."""
    return next((held.lease(tx) for held in _rows(tx, t.leases.c.name == name) if not held.expired), None)


def all(tx: Tx) -> list[Lease]:
    """Every lease that is held, by name."""
    return sorted((held.lease(tx) for held in _rows(tx) if not held.expired), key=lambda lease: lease.name)


def due(tx: Tx) -> list[str]:
    """The names that `expire` has something to do for: an expired lease, or one whose ticks are of another clock."""
    return sorted(held.row["name"] for held in _rows(tx) if held.expired or held.moved)


def expire(tx: Tx, name: str) -> Lease | None:
    """End the lease when its time is up, with the event that says so; None when it is not."""
    held = _locked(tx, name)
    return _end(tx, held, "lease.expired", "store") if held is not None and held.expired else None


@dataclass(frozen=True)
class _Tick:
    """A moment on a clock that nobody sets."""

    clock: str
    at: int


@dataclass(frozen=True)
class _Held:
    """A row, its ticks comparable with those of now."""

    row: dict[str, Any]
    now: _Tick
    moved: bool = False

    @property
    def expired(self) -> bool:
        return int(self.row["expires"]) <= self.now.at

    def lease(self, tx: Tx) -> Lease:
        left = timedelta(microseconds=self.row["expires"] - self.now.at)
        given = {name: self.row[name] for name in ("name", "owner", "actor", "token", "acquired_at")}
        return Lease(**given, expires_at=tx.clock.now() + left, left_s=max(0.0, left.total_seconds()))


def _now(tx: Tx) -> _Tick:
    if tx.conn.dialect.name == "postgresql":
        return _Tick("database", int(tx.conn.execute(_DATABASE_TICKS).scalar_one()))
    return _Tick(boot_id(), round(tx.clock.monotonic() * _SECOND))


def _comparable(row: sa.Row[Any], now: _Tick) -> _Held:
    """The row as it is, or moved to the present when its ticks say nothing about now."""
    values = dict(row._mapping)
    if values["clock"] == now.clock and values["renewed"] <= now.at:
        return _Held(values, now)
    shift = now.at - values["renewed"]
    ticks = {name: values[name] + shift for name in ("renewed", "expires", "hold_until")}
    return _Held(values | ticks | {"clock": now.clock}, now, moved=True)


def _rows(tx: Tx, *where: sa.ColumnElement[bool]) -> list[_Held]:
    found = tx.conn.execute(select(t.leases).where(*where)).all()
    now = _now(tx) if found else None
    return [_comparable(row, now) for row in found if now is not None]


def _locked(tx: Tx, name: str, *, shared: bool = False) -> _Held | None:
    """The row, which stays as it is until the transaction ends; the time is read after the wait for it."""
    row = tx.conn.execute(select(t.leases).where(t.leases.c.name == name).with_for_update(read=shared)).one_or_none()
    if row is None:
        return None
    held = _comparable(row, _now(tx))
    if held.moved:
        tx.conn.execute(update(t.leases).where(t.leases.c.name == name).values(held.row))
    return held


def _current(tx: Tx, name: str, *, token: int, by: str | None = None, shared: bool = False) -> _Held:
    held = _locked(tx, name, shared=shared)
    if held is None or held.expired:
        raise LeaseLost(f"token {token} no longer holds lease {name}: it was released, or it has expired", field="token", value=token)
    if held.row["token"] != token:
        raise LeaseLost(
            f"token {token} does not hold lease {name}: {held.row['owner']} does, with token {held.row['token']}",
            field="token",
            value=token,
        )
    if by is not None and held.row["actor"] != by:
        raise Forbidden(f"lease {name} was acquired by {held.row['actor']}, and you are {by}", field="lease", value=name)
    return held


def _end(tx: Tx, held: _Held, kind: str, actor: str) -> Lease:
    tx.conn.execute(delete(t.leases).where(t.leases.c.name == held.row["name"]))
    events.append(tx, subject=held.row["name"], kind=kind, actor=actor, detail={"token": held.row["token"], "owner": held.row["owner"]})
    return _Held(held.row | {"expires": held.now.at}, held.now).lease(tx)
