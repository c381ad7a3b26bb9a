"""The verbs of named leases: acquire, renew, release, list.

A lease is for whatever only one may do at a time: `training_slot` when several programs share a GPU, a nightly
import, a release. What it promises and what not stands in `arc.store.leases`. A renewal leaves no event; the
engine looks every sample for leases whose time is up, so that who waits for one hears of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from arc.core.errors import Conflict, LeaseLost
from arc.core.ids import check_name
from arc.core.lease import TTL_S, Lease, check_ttl
from arc.jobs.hub import Hub
from arc.store import leases
from arc.store.engine import Store


@dataclass(frozen=True)
class Leases:
    """The verbs, over one store."""

    store: Store
    hub: Hub
    max_hold_s: float  # from the acquisition on, however often it is renewed

    def acquire(self, name: str, *, owner: str, ttl_s: float = TTL_S, actor: str) -> Lease:
        """Take the lease; Conflict naming its holder and its expiry while it is taken, by the same owner too."""
        check_name(name, field="name")
        check_name(owner, field="owner")
        check_ttl(ttl_s)
        with self.store.write() as tx:
            found = leases.acquire(tx, name, owner=owner, actor=actor, ttl_s=ttl_s, hold_s=self.max_hold_s)
            if isinstance(found, Lease):
                tx.after_commit(lambda: self.hub.poke(name, quiet=True))
        if isinstance(found, leases.Taken):
            _refuse(found.holder)
        return found

    def renew(self, name: str, *, token: int, ttl_s: float = TTL_S, actor: str, admin: bool = False) -> Lease:
        """Hold the lease for `ttl_s` from now, at most until it was held for `max_hold_s`.

        Conflict when it has expired or passed on: then stop what it was for. Forbidden for who did not acquire it.
        """
        check_name(name, field="name")
        check_ttl(ttl_s)
        with _loss_is_conflict(), self.store.write() as tx:
            return leases.renew(tx, name, token=token, ttl_s=ttl_s, by=None if admin else actor)

    def release(self, name: str, *, token: int, actor: str, admin: bool = False) -> Lease:
        """End the lease; Conflict and Forbidden as for `renew`."""
        check_name(name, field="name")
        with _loss_is_conflict(), self.store.write() as tx:
            tx.after_commit(lambda: self.hub.poke(name, quiet=True))
            return leases.release(tx, name, token=token, actor=actor, by=None if admin else actor)

    def list(self) -> list[Lease]:
        """Every lease that is held, by name."""
        with self.store.read() as tx:
            return leases.all(tx)


def end_expired(store: Store, hub: Hub) -> None:
    """Write down which leases have run out, each in its own transaction: a wait for one keeps no other and no event waiting."""
    with store.read() as tx:
        names = leases.due(tx)
    for name in names:
        with store.write() as tx:
            if leases.expire(tx, name) is not None:
                tx.after_commit(lambda: hub.poke(name, quiet=True))  # noqa: B023 - called before the next turn


@contextmanager
def _loss_is_conflict() -> Iterator[None]:
    """Trying again does not bring a lost lease back, so the asker is not told to."""
    try:
        yield
    except LeaseLost as lost:
        raise Conflict(lost.message, field=lost.field, value=lost.value) from None


def _refuse(holder: Lease) -> NoReturn:
    raise Conflict(
        f"lease {holder.name} is held by {holder.owner} until {holder.expires_at.isoformat(timespec='seconds')} "
        f"({holder.left_s:.0f} s left, token {holder.token})",
        field="lease",
        value=holder.name,
    )
