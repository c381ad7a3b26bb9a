"""Leases and time: what clocks may do to them, and that a takeover waits for a fenced write that has begun."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from arc.core.errors import LeaseLost
from arc.core.lease import Lease
from arc.store import events, leases
from arc.store.engine import Store
from arc.testing.clock import FakeClock
from arc.testing.leases_contract import kinds, refusal, take, taken
from arc.testing.store_values import read


def held(store: Store) -> Lease | None:
    return read(store, lambda tx: leases.get(tx, "slot"))


def left_s(store: Store) -> float:
    found = held(store)
    assert found is not None
    return found.left_s


def test_a_lease_ends_when_its_time_is_over_and_not_a_tick_before(sqlite_store: Store, clock: FakeClock) -> None:
    first = taken(sqlite_store, ttl_s=60)
    clock.advance(59.999_999)
    assert refusal(sqlite_store, first) is None
    clock.advance(0.000_001)
    assert held(sqlite_store) is None
    assert refusal(sqlite_store, first) is not None
    assert isinstance(take(sqlite_store, owner="two"), Lease)


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1), timedelta(hours=1), timedelta(hours=-1)])
def test_a_wall_clock_that_jumps_neither_ends_nor_prolongs_a_lease(sqlite_store: Store, clock: FakeClock, jump: timedelta) -> None:
    first = taken(sqlite_store, ttl_s=60)
    clock.set_wall(clock.now() + jump)
    assert left_s(sqlite_store) == 60
    assert isinstance(take(sqlite_store, owner="two"), leases.Taken)
    with sqlite_store.write() as tx:
        assert leases.renew(tx, "slot", token=first.token, ttl_s=60).expires_at == clock.now() + timedelta(seconds=60)
    clock.advance(60)
    assert held(sqlite_store) is None


def test_renewals_end_at_the_bound_of_the_whole_hold(sqlite_store: Store, clock: FakeClock) -> None:
    first = taken(sqlite_store, ttl_s=60, hold_s=100)
    for passed, left in ((5, 60), (45, 50), (45, 5)):
        clock.advance(passed)
        with sqlite_store.write() as tx:
            assert leases.renew(tx, "slot", token=first.token, ttl_s=60).left_s == left
    clock.advance(5)
    with pytest.raises(LeaseLost), sqlite_store.write() as tx:
        leases.renew(tx, "slot", token=first.token, ttl_s=60)


def test_after_a_reboot_a_lease_counts_on_from_the_first_look(
    sqlite_store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The monotonic clock began anew, so nobody knows how long the machine was off."""
    first = taken(sqlite_store, ttl_s=60, hold_s=100)
    clock.advance(1e6)
    monkeypatch.setattr(leases, "boot_id", lambda: "another boot")
    assert left_s(sqlite_store) == 60
    assert read(sqlite_store, leases.due) == ["slot"]
    assert isinstance(take(sqlite_store, owner="two"), leases.Taken)
    clock.advance(45)
    assert left_s(sqlite_store) == 15
    assert refusal(sqlite_store, first) is None
    with sqlite_store.write() as tx:
        assert leases.renew(tx, "slot", token=first.token, ttl_s=600).left_s == 55
    clock.advance(55)
    assert isinstance(take(sqlite_store, owner="two"), Lease)


def test_the_wall_clock_of_a_client_says_nothing_to_postgres(postgres_store: Store, clock: FakeClock) -> None:
    first = taken(postgres_store, ttl_s=600)
    for jump in (timedelta(days=1), timedelta(days=-2)):
        clock.set_wall(clock.now() + jump)
        clock.advance(10_000)
        assert 590 < left_s(postgres_store) <= 600
        assert isinstance(take(postgres_store, owner="two"), leases.Taken)
    with postgres_store.write() as tx:
        leases.check(tx, "slot", token=first.token)


def test_a_database_whose_clock_was_set_back_prolongs_no_lease_by_that(postgres_store: Store) -> None:
    """Seen from the row, the last word of the holder lies in the future."""
    first = taken(postgres_store, ttl_s=600)
    hour = 3600 * 1_000_000
    with postgres_store.write() as tx:
        tx.conn.execute(text(f"UPDATE leases SET renewed = renewed + {hour}, expires = expires + {hour}, hold_until = hold_until + {hour}"))
    assert 590 < left_s(postgres_store) <= 600
    assert read(postgres_store, leases.due) == ["slot"]
    assert isinstance(take(postgres_store, owner="two"), leases.Taken)
    assert read(postgres_store, leases.due) == [], "moved, although it was taken"
    assert refusal(postgres_store, first) is None


def test_who_asks_for_the_lease_waits_for_the_fenced_write_that_has_begun(postgres_store: Store) -> None:
    """Else the write of the old holder could be committed after a new one began."""
    first = taken(postgres_store)
    with ThreadPoolExecutor(1) as thread:
        with postgres_store.write() as tx:
            leases.check(tx, "slot", token=first.token)
            second = thread.submit(taken, postgres_store, owner="two")
            _until_somebody_waits_for_a_lock(postgres_store)
            events.append(tx, subject="slot", kind="write.fenced", actor="one", detail={"token": first.token})
            leases.release(tx, "slot", token=first.token, actor="one")
        assert second.result(timeout=60).token > first.token
    assert [kind for kind, _ in kinds(postgres_store)] == ["lease.acquired", "write.fenced", "lease.released", "lease.acquired"]


def _until_somebody_waits_for_a_lock(store: Store) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    while read(store, lambda tx: tx.conn.execute(waiting).scalar_one()) == 0:
        pass


def test_a_fence_asked_without_a_write_transaction_is_refused_by_postgres(postgres_store: Store) -> None:
    first = taken(postgres_store)
    with pytest.raises(Exception, match="read-only"), postgres_store.read() as tx:
        leases.check(tx, "slot", token=first.token)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("acquire"), st.integers(1, 50)),
        st.tuples(st.just("renew"), st.integers(1, 50)),
        st.tuples(st.just("release"), st.just(0)),
        st.tuples(st.just("expire"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
        st.tuples(st.just("set wall clock"), st.integers(-90_000, 90_000)),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_sequence_of_events_does_what_a_model_says(sqlite_store: Store, clock: FakeClock, steps: list[tuple[str, int]]) -> None:
    """The model: one holder and the tick at which its time is up; every token that ever was keeps asking for its writes."""
    name = f"slot_{clock.monotonic()}"
    clock.advance(1)
    tokens, until, bound = [0], 0.0, 0.0
    for step, number in steps:
        live = clock.monotonic() < until
        if step == "acquire":
            found = take(sqlite_store, name, ttl_s=number, hold_s=100)
            assert isinstance(found, Lease) is not live
            if isinstance(found, Lease):
                assert found.token > max(tokens)
                tokens.append(found.token)
                bound = clock.monotonic() + 100
                until = clock.monotonic() + number
        elif step in ("renew", "release"):
            with contextlib.suppress(LeaseLost) if not live else contextlib.nullcontext(), sqlite_store.write() as tx:
                if step == "renew":
                    leases.renew(tx, name, token=tokens[-1], ttl_s=number)
                else:
                    leases.release(tx, name, token=tokens[-1], actor="test")
            if live:
                until = min(clock.monotonic() + number, bound) if step == "renew" else 0.0
        elif step == "wait":
            clock.advance(number)
        elif step == "set wall clock":
            clock.set_wall(clock.now() + timedelta(seconds=number))
        else:
            with sqlite_store.write() as tx:
                leases.expire(tx, name)
        for token in tokens:
            assert _passes(sqlite_store, name, token) is (token == tokens[-1] and clock.monotonic() < until)


def _passes(store: Store, name: str, token: int) -> bool:
    try:
        with store.write() as tx:
            leases.check(tx, name, token=token)
    except LeaseLost:
        return False
    return True
