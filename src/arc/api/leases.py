"""Routes of named leases: list them, and acquire, renew or release one.

The token of a lease fences writes and is no secret: who acquired a lease, and an admin, may renew and release it.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from arc.api.routing import NAME, ArcRoute, Asker, House, Name, operator, viewer
from arc.core.access import Role
from arc.core.errors import InvalidSpec
from arc.core.lease import LONGEST_S, SHORTEST_S, TTL_S, Lease

router = APIRouter(route_class=ArcRoute, tags=["leases"])
Ttl = Annotated[float, Field(ge=SHORTEST_S, le=LONGEST_S, allow_inf_nan=False)]
_FIELDS: Final = {"acquire": {"owner", "ttl_s"}, "renew": {"token", "ttl_s"}, "release": {"token"}}


class LeaseChange(BaseModel):
    """What to do with a lease."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: Literal["acquire", "renew", "release"] = Field(description="What to do.")
    owner: str | None = Field(None, pattern=NAME, description="Acquire: who will hold it, for people; your token's name when not given.")
    token: int | None = Field(None, ge=1, lt=2**63, description="Renew and release: the fencing token that acquiring has answered.")
    ttl_s: Ttl = Field(TTL_S, description="Acquire and renew: seconds from now until it expires.")


class LeaseList(BaseModel):
    """Every lease that is held, by name."""

    items: list[Lease]


@router.get("/leases", **viewer)
def list_leases(house: House) -> LeaseList:
    """Every lease that is held: by whom, with which fencing token, and for how long."""
    return LeaseList(items=house.leases.list())


@router.post("/leases/{name}", **operator)
def change_lease(name: Name, wanted: LeaseChange, house: House, asker: Asker) -> Lease:
    """Acquire, renew or release a lease. 409 when it is taken, or when the token does not hold it; a renewal that is late is one of those."""
    if wrong := sorted(wanted.model_fields_set - {"action"} - _FIELDS[wanted.action]):
        raise InvalidSpec(f"{wrong[0]} says nothing to {wanted.action}", field=wrong[0], value=getattr(wanted, wrong[0]))
    if wanted.action == "acquire":
        return house.leases.acquire(name, owner=wanted.owner or asker.name, ttl_s=wanted.ttl_s, actor=asker.name)
    if wanted.token is None:
        raise InvalidSpec(f"to {wanted.action} a lease takes its token", field="token")
    admin = asker.role is Role.ADMIN
    if wanted.action == "renew":
        return house.leases.renew(name, token=wanted.token, ttl_s=wanted.ttl_s, actor=asker.name, admin=admin)
    return house.leases.release(name, token=wanted.token, actor=asker.name, admin=admin)
