"""Route of the audit: every event, oldest first, with who did it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from arc.api.routing import ArcRoute, House, admin
from arc.core.event import Event

router = APIRouter(route_class=ArcRoute, tags=["audit"])


class Audit(BaseModel):
    """A page of events, oldest first."""

    items: list[Event]
    next_after: int | None = Field(description="Give it as `after` for the next page; null when there is nothing more now.")


@router.get("/audit", **admin)
def audit(
    house: House,
    after: Annotated[int, Query(ge=0, lt=2**63, description="Only events with a larger sequence number.")] = 0,
    subject: Annotated[str | None, Query(min_length=1, max_length=128, description="Only what happened to this thing.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most entries of a page.")] = 100,
) -> Audit:
    """What happened, when, and who did it; sequence numbers are gapless over the whole store."""
    found = house.jobs.events(after=after, subject=subject, limit=limit)
    return Audit(items=found, next_after=found[-1].seq if len(found) == limit else None)
