"""What every store must do for named leases; a part of `StoreContract`.

A lease of no time at all has expired when it is next looked at, whatever the clock of the store: nothing waits.
"""

from collections.abc import Callable
from typing import Any

import pytest

from arc.core.errors import ArcError, Forbidden, LeaseLost
from arc.core.lease import Lease
from arc.store import events, jobs, leases
from arc.store.engine import Store, Tx
from arc.testing.store_values import at_once, job, put, read


def take(store: Store, name: str = "slot", *, owner: str = "one", ttl_s: float = 600.0, hold_s: float = 7200.0) -> Lease | leases.Taken:
    """Acquire in a transaction of its own."""
    with store.write() as tx:
        return leases.acquire(tx, name, owner=owner, actor=f"{owner}'s token", ttl_s=ttl_s, hold_s=hold_s)


def taken(store: Store, name: str = "slot", **wanted: Any) -> Lease:
    """Acquire, which must succeed."""
    found = take(store, name, **wanted)
    assert isinstance(found, Lease)
    return found


def give_back(store: Store, lease: Lease) -> Lease:
    """Release."""
    with store.write() as tx:
        return leases.release(tx, lease.name, token=lease.token, actor=lease.actor)


def refusal(store: Store, lease: Lease) -> ArcError | None:
    """What the fence says to a write under this lease; None when it lets it through."""
    try:
        with store.write() as tx:
            leases.check(tx, lease.name, token=lease.token)
            jobs.insert(tx, job(f"job_of_{lease.token}"))
    except LeaseLost as lost:
        return lost
    return None


def kinds(store: Store, name: str = "slot") -> list[tuple[str, int]]:
    """The events of a lease, and the token that each is about."""
    return [(event.kind, event.detail["token"]) for event in read(store, lambda tx: events.after(tx, 0, subject=name))]


class LeasesContract:
    """One holder at a time; tokens that grow; a fence in the store."""

    def test_a_lease_has_one_holder_until_it_is_released(self, store: Store) -> None:
        first = taken(store)
        assert (first.owner, first.actor) == ("one", "one's token")
        assert 590 < first.left_s <= 600
        refused = take(store, owner="two")
        assert isinstance(refused, leases.Taken)
        assert (refused.holder.owner, refused.holder.token) == ("one", first.token)
        assert isinstance(take(store), leases.Taken), "the same owner may be another process"
        assert [one.token for one in read(store, leases.all)] == [first.token]
        assert give_back(store, first).left_s == 0
        assert read(store, lambda tx: leases.get(tx, "slot")) is None
        second = taken(store, owner="two")
        assert second.token > first.token
        assert kinds(store) == [("lease.acquired", first.token), ("lease.released", first.token), ("lease.acquired", second.token)]

    def test_an_expired_lease_can_be_taken_and_the_event_says_whose_it_was(self, store: Store) -> None:
        first = taken(store, ttl_s=0)
        assert read(store, leases.all) == []
        assert read(store, leases.due) == ["slot"]
        second = taken(store, owner="two")
        assert second.token > first.token
        assert kinds(store) == [("lease.acquired", first.token), ("lease.expired", first.token), ("lease.acquired", second.token)]

    def test_expiry_is_written_down_once(self, store: Store) -> None:
        gone, kept = taken(store, "gone", ttl_s=0), taken(store, "kept")
        for name in ("gone", "kept", "gone", "never"):
            with store.write() as tx:
                leases.expire(tx, name)
        assert kinds(store, "gone") == [("lease.acquired", gone.token), ("lease.expired", gone.token)]
        assert kinds(store, "kept") == [("lease.acquired", kept.token)]
        assert read(store, leases.due) == []

    def test_a_renewal_counts_from_now_and_leaves_no_event(self, store: Store) -> None:
        first = taken(store, ttl_s=100)
        with store.write() as tx:
            longer = leases.renew(tx, "slot", token=first.token, ttl_s=1000)
        assert (longer.token, longer.acquired_at) == (first.token, first.acquired_at)
        assert 990 < longer.left_s <= 1000
        assert len(kinds(store)) == 1

    def test_no_renewal_reaches_beyond_the_bound_of_the_whole_hold(self, store: Store) -> None:
        first = taken(store, ttl_s=600, hold_s=300)
        assert first.left_s <= 300
        with store.write() as tx:
            assert leases.renew(tx, "slot", token=first.token, ttl_s=600).left_s <= 300
        over = taken(store, "over", ttl_s=600, hold_s=0)
        with pytest.raises(LeaseLost), store.write() as tx:
            leases.renew(tx, "over", token=over.token, ttl_s=600)

    @pytest.mark.parametrize("loss", ["expired", "released", "passed on", "never"])
    def test_who_lost_the_lease_writes_nothing_renews_nothing_and_ends_nothing(self, store: Store, loss: str) -> None:
        first = taken(store, ttl_s=0 if loss in ("expired", "passed on") else 600)
        if loss == "released":
            give_back(store, first)
        stale = first.model_copy(update={"name": "other"}) if loss == "never" else first
        second = taken(store, owner="two") if loss == "passed on" else None
        lost = refusal(store, stale)
        assert lost is not None
        assert ("two" in lost.message) == (second is not None)
        acts: list[Callable[[Tx], object]] = [
            lambda tx: leases.renew(tx, stale.name, token=stale.token, ttl_s=600),
            lambda tx: leases.release(tx, stale.name, token=stale.token, actor="one"),
        ]
        for act in acts:
            with pytest.raises(LeaseLost), store.write() as tx:
                act(tx)
        assert sum(read(store, jobs.counts).values()) == 0
        if second is not None:
            assert [one.token for one in read(store, leases.all)] == [second.token]
            assert refusal(store, second) is None

    def test_a_write_under_a_lease_stands(self, store: Store) -> None:
        first = taken(store)
        assert refusal(store, first) is None
        assert refusal(store, first.model_copy(update={"token": first.token + 1})) is not None
        assert read(store, lambda tx: jobs.get(tx, f"job_of_{first.token}"))

    def test_somebody_else_s_lease_is_not_theirs_to_change(self, store: Store) -> None:
        first = taken(store)
        acts: list[Callable[[Tx], object]] = [
            lambda tx: leases.renew(tx, "slot", token=first.token, ttl_s=1, by="two's token"),
            lambda tx: leases.release(tx, "slot", token=first.token, actor="two", by="two's token"),
        ]
        for act in acts:
            with pytest.raises(Forbidden), store.write() as tx:
                act(tx)
        assert refusal(store, first) is None
        with store.write() as tx:
            leases.renew(tx, "slot", token=first.token, ttl_s=1, by="one's token")

    def test_many_ask_at_one_moment_and_one_gets_it(self, store: Store) -> None:
        for round_ in range(3):
            found = at_once(6, lambda i: take(store, owner=f"p{i}"))
            won = [one for one in found if isinstance(one, Lease)]
            assert len(won) == 1, round_
            assert {one.holder.token for one in found if isinstance(one, leases.Taken)} == {won[0].token}
            give_back(store, won[0])

    def test_an_expired_lease_passes_to_one_of_many(self, store: Store) -> None:
        first = taken(store, ttl_s=0)
        found = at_once(6, lambda i: take(store, owner=f"p{i}"))
        assert sum(isinstance(one, Lease) for one in found) == 1
        assert [kind for kind, token in kinds(store) if token == first.token] == ["lease.acquired", "lease.expired"]

    def test_tokens_of_all_names_grow_and_names_do_not_mix(self, store: Store) -> None:
        put(store, job())
        made = [taken(store, name) for name in ("b", "a", "A", "b.c")]
        assert [one.token for one in made] == sorted({one.token for one in made})
        assert [one.name for one in read(store, leases.all)] == ["A", "a", "b", "b.c"]
        give_back(store, made[1])
        assert [one.name for one in read(store, leases.all)] == ["A", "b", "b.c"]
        assert read(store, lambda tx: leases.get(tx, "a")) is None
