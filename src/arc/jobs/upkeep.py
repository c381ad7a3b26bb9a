"""Upkeep: WAL checkpoint and incremental vacuum, on a schedule, by the process that owns the store.

It is not a job row, because SQLite must have one writer and checkpointer and a job runs in another process
(docs/decisions/0004). Each run leaves an event.
"""

from typing import Any

from arc.store import events
from arc.store.engine import Store


def upkeep(store: Store) -> dict[str, Any]:
    """Keep the store small; what was done, as recorded in the event `store.upkept`."""
    done = store.upkeep()
    with store.write() as tx:
        events.append(tx, subject="store", kind="store.upkept", actor="engine", detail=done)
    return done
