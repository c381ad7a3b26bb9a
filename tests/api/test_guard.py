"""Hosts, origins, logins and headers: what a browser, or a page in it, may do to a control plane."""

import socket
from collections.abc import Callable

import httpx
import pytest

from arc.api import control, json
from tests.api.serving import House, is_problem


def raw(house: House, request: bytes, *, more_to_come: bool = False) -> bytes:
    """Bytes to the control plane, and all that it answers until it closes."""
    with socket.create_connection(("127.0.0.1", house.plane.port), timeout=10) as link:
        link.sendall(request.replace(b"TOKEN", house.secrets["admin"].encode()))
        if not more_to_come:
            link.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]:8000", "[::1]"])
def test_loopback_names_with_any_port_are_served(admin: httpx.Client, host: str) -> None:
    assert admin.get("/jobs/list", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "a/?x=", "", "[::1]:99999", "localhost:99999", "localhost:",
        "localhost.", "127.0.0.1:80:80", "localhost@evil.example", "evil.example#localhost", "0.0.0.0", "2130706433",
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["admin", None])
def test_any_other_host_is_refused_with_and_without_token(house: House, host: str, role: str | None) -> None:
    with house.client(role) as client:
        for path in ("/jobs/list", "/health"):
            answer = client.get(path, headers={"Host": host, "X-Forwarded-Host": "localhost"})
            assert answer.status_code in (400, 421)
            assert "jobs" not in answer.text or answer.headers["content-type"] == "application/problem+json"


def test_no_host_or_two_are_refused(house: House) -> None:
    assert b" 400 " in raw(house, b"GET /health HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    assert b" 400 " in raw(house, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").split(b"\r\n")[0]


def test_a_host_named_in_the_settings_is_served(start: Callable[..., House]) -> None:
    house = start(allowed_hosts=["arc.lab.example"])
    with house.client() as client:
        assert client.get("/health", headers={"Host": "arc.lab.example:8443"}).status_code == 200
        is_problem(client.get("/health", headers={"Host": "other.lab.example"}), 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin, none"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_sites_change_nothing(admin: httpx.Client, method: str, headers: dict[str, str]) -> None:
    is_problem(admin.request(method, "/jobs/cancel/x", headers=headers), 403)


def test_our_own_pages_and_programs_may_change_things(house: House, admin: httpx.Client) -> None:
    same = {"Origin": house.url, "Sec-Fetch-Site": "same-origin"}
    is_problem(admin.post("/jobs/cancel/nothing", headers=same), 404)
    is_problem(admin.post("/jobs/cancel/nothing"), 404)


def test_a_preflight_from_elsewhere_gets_no_permission(house: House) -> None:
    with house.client(None, Origin="https://evil.example") as client:
        answer = client.options("/jobs", headers={"Access-Control-Request-Method": "POST"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/health", "/jobs/list", "/nowhere", "/openapi.json"])
def test_every_answer_has_the_security_headers(admin: httpx.Client, path: str) -> None:
    headers = admin.get(path).headers
    assert headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"].startswith("req_")
    assert "server" not in headers


def test_a_login_link_makes_a_session_once(house: House) -> None:
    link = house.app.access.login_link(house.url)
    with house.client(None) as browser:
        answer = browser.get(link)
        assert answer.json() == {"status": "logged in", "role": "admin"}
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert part.lower() in cookie.lower()
        assert browser.get("/tokens").status_code == 200  # by the cookie
        is_problem(browser.post("/jobs/cancel/x"), 403)  # a browser would say where it comes from
        is_problem(browser.post("/jobs/cancel/x", headers={"Origin": house.url}), 404)
        is_problem(browser.post("/jobs/cancel/x", headers={"Sec-Fetch-Site": "cross-site"}), 403)
    with house.client(None) as other:
        is_problem(other.get(link), 401)
        is_problem(other.get("/tokens", headers={"Cookie": "arc_session=guessed"}), 401)
        is_problem(other.get("/tokens", headers={"Cookie": "arc_session=a; arc_session=b"}), 401)


def test_guessing_codes_is_slowed_down(start: Callable[..., House]) -> None:
    house = start()
    with house.client(None) as client:
        answers = [client.get(f"/login?code={number}").status_code for number in range(8)]
        assert answers == [401] * 5 + [429] * 3
        last = client.get(house.app.access.login_link(""))
        assert int(last.headers["retry-after"]) > 0


@pytest.mark.parametrize("query", ["code=", "code=a&code=b", "code=a&next=//evil.example", "next=javascript:alert(1)", ""])
def test_a_login_takes_one_code_and_nothing_else(house: House, query: str) -> None:
    with house.client(None) as client:
        answer = client.get(f"/login?{query}")
        assert answer.status_code in (422, 429)
        assert "location" not in answer.headers


def test_health_says_more_to_those_who_say_who_they_are(house: House) -> None:
    with house.client(None) as stranger, house.client("viewer") as viewer:
        assert stranger.get("/health").json() == {"status": "ok"}
        assert stranger.get("/health", headers={"Authorization": "Bearer wrong"}).json() == {"status": "ok"}
        assert viewer.get("/health").json()["runs_jobs"] is False


def test_secrets_are_private_files(house: House) -> None:
    folder = house.app.settings.workspace / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /jobs/list HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nContent-Length: -1\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x00\x01\x02garbage\r\n\r\n",
        b"GET /jobs/list\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_harms_nobody(house: House, request_: bytes) -> None:
    answer = raw(house, request_)
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"401", b"431"), answer[:200]
    with house.client(None) as client:
        assert client.get("/health").status_code == 200


def test_half_a_head_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_HEAD_S", 0.0)
    try:
        answer = raw(house, b"GET /health HTTP/1.1\r\nHost: local", more_to_come=True)
    except ConnectionResetError:
        answer = b""
    assert answer == b""


def test_half_a_body_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "_READ_S", 0.01)
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
    answer = raw(house, head + b'Content-Length: 100\r\n\r\n{"rec', more_to_come=True)
    assert answer.startswith(b"HTTP/1.1 408 ")
