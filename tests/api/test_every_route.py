"""The route table, walked: every route has a role, and nobody without it gets in."""

import re

import httpx
import pytest
from starlette.routing import Route

from arc.api.guard import OPEN_PATHS
from arc.api.routing import ArcRoute
from arc.api.server import create_app
from arc.core.access import Role
from tests.api.serving import House, is_problem

READING = {"GET"}
SAID_TO_A_STUDY = {"/studies/{study_id}/proposals", *(f"/proposals/{{proposal_id}}/{verb}" for verb in ("ballots", "approve", "reject"))}


def routes(house: House) -> list[tuple[str, str, ArcRoute]]:
    """(method, path with placeholders filled, route) of everything that is served."""
    found = []
    for route in create_app(house.app).routes:
        assert isinstance(route, ArcRoute), f"{route} has no declared role"
        path = re.sub(r"\{\w+\}", "x", route.path)
        found += [(method, path, route) for method in sorted(route.methods)]
    return found


def test_every_route_declares_a_role_and_only_the_open_ones_are_public(house: House) -> None:
    for method, path, route in routes(house):
        assert (route.role is None) == (path in OPEN_PATHS)
        if method not in READING:
            assert route.role is not None
            least = Role.RESEARCHER if route.path in SAID_TO_A_STUDY else Role.OPERATOR
            assert route.role.rank >= least.rank, f"{method} {path} changes something and is open to viewers"


def test_a_route_without_a_role_cannot_be_made() -> None:
    with pytest.raises(RuntimeError, match="must declare its role"):
        ArcRoute("/new", lambda: None, methods=["GET"])
    with pytest.raises(RuntimeError, match="must declare its role"):
        ArcRoute("/new", lambda: None, methods=["GET"], openapi_extra={"x-role": "public"})


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer null", "bearer TOKEN", "Basic TOKEN", "TOKEN", "Bearer " + "x" * 9000]
)
def test_without_a_valid_token_every_route_is_401(house: House, authorization: str | None) -> None:
    given = {} if authorization is None else {"Authorization": authorization.replace("TOKEN", house.secrets["admin"])}
    with house.client(None, **given) as client:
        for method, path, route in routes(house):
            if route.role is not None:
                is_problem(client.request(method, path), 401, "Unauthorized")
        is_problem(client.get("/no/such/route"), 401)
        is_problem(client.get(f"/jobs/list?token={house.secrets['admin']}"), 401)
        is_problem(client.request("OPTIONS", "/jobs"), 401)
        is_problem(client.get("/health/"), 401)
        is_problem(client.get("//health"), 401)


def test_a_revoked_token_is_401_at_once(house: House) -> None:
    token, secret = house.app.access.create("brief", Role.ADMIN)
    with house.client(None, Authorization=f"Bearer {secret}") as client:
        assert client.get("/jobs/list").status_code == 200
        house.app.access.revoke(token.id)
        is_problem(client.get("/jobs/list"), 401)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.RESEARCHER, Role.OPERATOR])
def test_a_role_below_the_declared_one_is_403(house: House, role: Role) -> None:
    with house.client(role.value) as client:
        for method, path, route in routes(house):
            if route.role is not None and route.role.rank > role.rank:
                said = is_problem(client.request(method, path), 403, "Forbidden")
                assert route.role.value in said["detail"]


def test_a_role_is_checked_before_the_body_is_read(house: House) -> None:
    with house.client("viewer") as client:
        is_problem(client.post("/jobs", content=b"{", headers={"Content-Type": "text/plain"}), 403)


def test_with_a_token_an_unknown_route_is_404_and_a_wrong_method_405(admin: httpx.Client) -> None:
    is_problem(admin.get("/no/such/route"), 404)
    wrong = admin.put("/jobs/list")
    is_problem(wrong, 405)
    assert wrong.headers["allow"] == "GET"
    assert admin.put("/tokens").headers["allow"] == "GET, POST"


def test_starlette_routes_beside_ours_would_be_seen(house: House) -> None:
    assert not [route for route in create_app(house.app).routes if type(route) is Route]
