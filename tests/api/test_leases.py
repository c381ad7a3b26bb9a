"""The lease routes: who may hold a lease, what is refused to everybody else, and in which words."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from arc.core.access import Role
from arc.core.lease import Lease
from arc.store import leases
from tests.api.serving import House, is_problem


def change(client: httpx.Client, name: str, action: str, **wanted: Any) -> httpx.Response:
    return client.post(f"/leases/{name}", json={"action": action, **wanted})


def acquired(client: httpx.Client, name: str, **wanted: Any) -> dict[str, Any]:
    answer = change(client, name, "acquire", **wanted)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def expired(house: House, name: str, actor: str = "admin") -> Lease:
    """A lease that was acquired with no time at all."""
    with house.app.store.write() as tx:
        found = leases.acquire(tx, name, owner=actor, actor=actor, ttl_s=0, hold_s=60)
    assert isinstance(found, Lease)
    return found


def test_a_lease_is_acquired_renewed_listed_and_released(house: House) -> None:
    with house.client("operator") as operator, house.client("viewer") as viewer:
        made = acquired(operator, "training_slot", owner="trainer-1", ttl_s=60)
        assert (made["name"], made["owner"], made["actor"]) == ("training_slot", "trainer-1", "operator")
        assert 0 < made["left_s"] <= 60
        assert [item["token"] for item in viewer.get("/leases").json()["items"] if item["name"] == "training_slot"] == [made["token"]]
        renewed = change(operator, "training_slot", "renew", token=made["token"], ttl_s=600).json()
        assert renewed["token"] == made["token"]
        assert 60 < renewed["left_s"] <= 600
        assert change(operator, "training_slot", "release", token=made["token"]).json()["left_s"] == 0
        assert "training_slot" not in {item["name"] for item in viewer.get("/leases").json()["items"]}
    told = house.app.jobs.events(subject="training_slot")
    assert [(event.kind, event.actor) for event in told] == [("lease.acquired", "operator"), ("lease.released", "operator")]


def test_a_taken_lease_is_409_with_holder_and_expiry(house: House, admin: httpx.Client) -> None:
    made = acquired(admin, "taken", owner="trainer-1")
    with house.client("operator") as operator:
        for client in (admin, operator):
            said = is_problem(change(client, "taken", "acquire"), 409, "Conflict")
            assert said["field"] == "lease"
            for part in ("trainer-1", made["expires_at"][:10], "s left", f"token {made['token']}"):
                assert part in said["detail"]


def test_without_an_owner_it_is_the_name_of_the_token(admin: httpx.Client) -> None:
    made = acquired(admin, "nobody_said")
    assert made["owner"] == made["actor"] == "admin"
    assert 59 < made["left_s"] <= 60


def test_a_token_of_another_number_holds_nothing(admin: httpx.Client) -> None:
    made = acquired(admin, "fenced")
    for action in ("renew", "release"):
        for token in (made["token"] + 1, 2**63 - 1):
            said = is_problem(change(admin, "fenced", action, token=token), 409, "Conflict")
            assert (said["field"], said["value"]) == ("token", token if token < 2**53 else str(token))
        is_problem(change(admin, "never_acquired", action, token=made["token"]), 409)
    assert change(admin, "fenced", "release", token=made["token"]).status_code == 200
    is_problem(change(admin, "fenced", "release", token=made["token"]), 409)


def test_who_did_not_acquire_it_cannot_release_it_but_an_admin_can(house: House, admin: httpx.Client) -> None:
    house.secrets["neighbour"] = house.app.access.create("neighbour", Role.OPERATOR)[1]
    with house.client("operator") as operator, house.client("neighbour") as neighbour:
        made = acquired(operator, "mine")
        for action in ("renew", "release"):
            said = is_problem(change(neighbour, "mine", action, token=made["token"]), 403, "Forbidden")
            assert "operator" in said["detail"]
        assert change(admin, "mine", "renew", token=made["token"]).status_code == 200
        assert change(admin, "mine", "release", token=made["token"]).status_code == 200
        assert acquired(neighbour, "mine")["token"] > made["token"]


def test_a_renewal_that_is_late_is_409_even_when_nobody_else_came(house: House, admin: httpx.Client) -> None:
    late = expired(house, "late")
    for action in ("renew", "release"):
        assert "expired" in is_problem(change(admin, "late", action, token=late.token), 409, "Conflict")["detail"]
    assert acquired(admin, "late")["token"] > late.token


@pytest.mark.parametrize("ttl_s", [0, -1, 0.5, 3600.5, 1_000_000_000, 1e308, -1e308, "60", None, True, [60]])
def test_a_ttl_out_of_bounds_is_422(admin: httpx.Client, ttl_s: Any) -> None:
    for action, more in (("acquire", {}), ("renew", {"token": 1})):
        assert is_problem(change(admin, "bounds", action, ttl_s=ttl_s, **more), 422, "InvalidSpec")["field"] == "ttl_s"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_ttl_that_is_no_number_is_refused(admin: httpx.Client, word: str) -> None:
    body = f'{{"action": "acquire", "ttl_s": {word}}}'
    answer = admin.post("/leases/nan", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "name", ["a/b", "%2e%2e", "..", "a..b", "-x", ".x", "%00", "a%20b", "%C3%A9", "x" * 129, "a%2Fb", "%2Fetc", "a;b", "'"]
)
def test_an_odd_name_is_refused(admin: httpx.Client, name: str) -> None:
    before = len(admin.get("/leases").json()["items"])
    assert change(admin, name, "acquire").status_code in (400, 404, 422)
    assert len(admin.get("/leases").json()["items"]) == before


@pytest.mark.parametrize("owner", ["", "a b", "../x", "a/b", "<b>", "é", "x" * 129, "a..b", 5])
def test_an_odd_owner_is_422(admin: httpx.Client, owner: Any) -> None:
    assert is_problem(change(admin, "odd_owner", "acquire", owner=owner), 422)["field"] == "owner"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "action"),
        ({"action": "steal"}, "action"),
        ({"action": "acquire", "token": 1}, "token"),
        ({"action": "renew"}, "token"),
        ({"action": "release"}, "token"),
        ({"action": "release", "token": 1, "ttl_s": 5}, "ttl_s"),
        ({"action": "renew", "token": 1, "owner": "me"}, "owner"),
        ({"action": "renew", "token": 0}, "token"),
        ({"action": "renew", "token": -1}, "token"),
        ({"action": "renew", "token": 2**63}, "token"),
        ({"action": "renew", "token": "1"}, "token"),
        ({"action": "renew", "token": 1.5}, "token"),
        ({"action": "acquire", "force": True}, "force"),
    ],
)
def test_what_makes_no_sense_is_422_naming_the_field(admin: httpx.Client, wanted: dict[str, Any], field: str) -> None:
    assert is_problem(admin.post("/leases/sense", json=wanted), 422, "InvalidSpec")["field"] == field


def test_a_viewer_looks_and_changes_nothing(house: House) -> None:
    with house.client("viewer") as viewer:
        is_problem(change(viewer, "slot", "acquire"), 403, "Forbidden")
        assert viewer.get("/leases").status_code == 200


def test_thirty_ask_at_once_and_one_gets_it(house: House) -> None:
    start = threading.Barrier(30)
    statuses: list[int] = []

    def ask() -> None:
        with house.client("operator") as client:
            start.wait(timeout=60)
            statuses.append(change(client, "rush", "acquire").status_code)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(statuses) == [200, *[409] * 29]


def test_the_setting_bounds_the_whole_hold(start: Callable[..., House]) -> None:
    house = start(lease_max_hold_s=90)
    with house.client("operator") as operator:
        made = acquired(operator, "bounded", ttl_s=600)
        assert 80 < made["left_s"] <= 90
        assert change(operator, "bounded", "renew", token=made["token"], ttl_s=600).json()["left_s"] <= 90
