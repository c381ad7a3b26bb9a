"""A program that holds a lease and does what it reads from its standard input, a word a line; it answers each with a line.

`python lease_holder.py STORE_URL NAME`: write (one event, fenced), renew SECONDS, release. What it is told to do it does
whatever has happened meanwhile: it is the store that refuses.
"""

import sys

from arc.core.clock import SystemClock
from arc.core.errors import LeaseLost
from arc.core.lease import Lease
from arc.store import events, leases
from arc.store.engine import Store, Tx
from arc.telemetry import logs


def main(url: str, name: str) -> None:
    logs.configure(as_json=False)
    store = Store.open(url, clock=SystemClock())
    with store.write() as tx:
        lease = leases.acquire(tx, name, owner="first", actor="first", ttl_s=600, hold_s=7200)
    assert isinstance(lease, Lease)
    print(lease.token, flush=True)
    for line in sys.stdin:
        try:
            with store.write() as tx:
                _do(tx, lease, *line.split())
            print("done", flush=True)
        except LeaseLost:
            print("refused", flush=True)


def _do(tx: Tx, lease: Lease, word: str, number: str = "0") -> None:
    if word == "write":
        leases.check(tx, lease.name, token=lease.token)
        events.append(tx, subject=lease.name, kind="write.fenced", actor="first", detail={"token": lease.token})
    elif word == "renew":
        leases.renew(tx, lease.name, token=lease.token, ttl_s=float(number))
    else:
        leases.release(tx, lease.name, token=lease.token, actor="first")


if __name__ == "__main__":
    main(*sys.argv[1:])
