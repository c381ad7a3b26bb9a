"""Lease: a named right that one holder has at a time, for a while, and the number that fences its writes.

A lease says who may do something, never that nobody else still is: a holder that was stopped longer than its
lease goes on without noticing. So each acquisition has a token, larger than all before it, and what a holder
writes is accepted only while its token is the current one (`arc.store.leases.check`).
"""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from arc.core.errors import InvalidSpec

TTL_S: Final = 60.0  # when nobody says otherwise
SHORTEST_S: Final = 1.0
LONGEST_S: Final = 3600.0


class Lease(BaseModel):
    """A named right, held until it is released or expires."""

    model_config = ConfigDict(frozen=True)

    name: str
    owner: str  # who holds it, in the words of the one who asked
    actor: str  # who asked; nobody else renews or releases it, but an admin may end it
    token: int  # the fencing token: strictly grows for a name, whatever was released or expired before
    acquired_at: datetime
    expires_at: datetime  # by the wall clock, for people
    left_s: float  # until it expires; a holder counts from before it asked


def check_ttl(ttl_s: float) -> float:
    """`ttl_s` if a lease may be asked for so long; InvalidSpec otherwise, for NaN too."""
    if not SHORTEST_S <= ttl_s <= LONGEST_S:
        raise InvalidSpec(f"ttl_s {ttl_s!r} is not between {SHORTEST_S:g} and {LONGEST_S:g} seconds", field="ttl_s", value=ttl_s)
    return ttl_s
