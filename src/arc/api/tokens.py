"""Routes of access: make, list, revoke and rotate tokens; turn a login code into a session.

A secret is answered once, when it is made. `/login` is open, so it is slow on purpose: five tries a minute
from one address, sixty from all. The session is a cookie that no script can read and no other site can send.
"""

from collections import deque
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from arc.access import SESSION_LIFE
from arc.api.guard import COOKIE
from arc.api.routing import NAME, ArcRoute, Asker, House, admin, public
from arc.core.access import Role, Token
from arc.core.clock import Clock

router = APIRouter(route_class=ArcRoute, tags=["access"])
TokenId = Annotated[str, Path(pattern=NAME, description="Id of a token.")]
_WINDOW_S = 60.0
_PER_CLIENT = 5
_PER_ALL = 60


class NewToken(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=NAME, description="Who it is for; stands in the audit.")
    role: Literal["viewer", "researcher", "operator", "admin"] = Field("viewer", description="What it may do.")


class TokenMade(Token):
    """A token with its secret, which is shown this once."""

    token: str = Field(description="The secret: send it as `Authorization: Bearer …`.")


class TokenList(BaseModel):
    """Every token, revoked ones too."""

    items: list[Token]


class Revoked(BaseModel):
    """A token that is of no use any more."""

    id: str
    revoked: bool


class LoggedIn(BaseModel):
    """A session has begun; its cookie came with this answer."""

    status: Literal["logged in"]
    role: Role


class Attempts:
    """Counts tries in a sliding minute; kept in memory, because a restart that forgets them costs an attacker more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: deque[tuple[float, str]] = deque()

    def enter(self, client: str) -> None:
        """Note one try; HTTP 429 when the client, or everybody together, tried too often."""
        now = self._clock.monotonic()
        while self._all and now - self._all[0][0] >= _WINDOW_S:
            self._all.popleft()
        mine = [at for at, who in self._all if who == client]
        if len(mine) >= _PER_CLIENT or len(self._all) >= _PER_ALL:
            oldest = mine[0] if len(mine) >= _PER_CLIENT else self._all[0][0]
            wait_s = max(1, round(_WINDOW_S - (now - oldest)))
            raise HTTPException(429, f"too many logins; try again in {wait_s} s", headers={"Retry-After": str(wait_s)})
        self._all.append((now, client))


@router.post("/tokens", **admin)
def create_token(wanted: NewToken, house: House, asker: Asker) -> TokenMade:
    """Make a token. Its secret is in this answer and nowhere else, so a repeated request makes another token."""
    token, secret = house.access.create(wanted.name, Role(wanted.role), actor=asker.name)
    return TokenMade(**token.model_dump(), token=secret)


@router.get("/tokens", **admin)
def list_tokens(house: House) -> TokenList:
    """Every token, revoked ones too; never a secret."""
    return TokenList(items=house.access.list())


@router.delete("/tokens/{token_id}", **admin)
def revoke_token(token_id: TokenId, house: House, asker: Asker) -> Revoked:
    """End a token at once."""
    house.access.revoke(token_id, actor=asker.name)
    return Revoked(id=token_id, revoked=True)


@router.post("/tokens/{token_id}/rotate", **admin)
def rotate_token(token_id: TokenId, house: House, asker: Asker) -> TokenMade:
    """A new secret for the same name and role; the old one ends at once."""
    token, secret = house.access.rotate(token_id, actor=asker.name)
    return TokenMade(**token.model_dump(), token=secret)


@router.get(
    "/login",
    **public,
    response_model=LoggedIn,
    responses={429: {"description": "Too many tries; `Retry-After` says when the next may be made."}},
)
async def login(
    request: Request, house: House, code: Annotated[str, Query(min_length=1, max_length=256, description="The code of a login link.")]
) -> Response:
    """Turn the code of a login link into a session cookie; a code works once, within ten minutes."""
    request.app.state.login_attempts.enter(request.client.host if request.client else "")
    session = await run_in_threadpool(house.access.redeem, code)
    answer = JSONResponse(LoggedIn(status="logged in", role=Role.ADMIN).model_dump(mode="json"))
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.scope.get("scheme") == "https",
    )
    return answer
