"""Guard: the outermost layer, through which every byte goes; what it does not know it refuses.

In this order: the Host header (against DNS rebinding), the Origin of unsafe methods (against other
sites in the same browser), then who is asking. It decides on the raw scope alone, `scope["path"]` and the
raw headers, never on a URL that was put together from what the client sent; forwarded headers are not
looked at. Only `/health` and `/login` are open, by exact comparison, so that an unknown path is 401 before
it is 404. What a role may do is checked at the route (`arc.api.routing`).

It also is the edge that survives anything: an error nobody expected becomes a problem with a request id,
and a line in the log under the same id.
"""

import re
import secrets
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arc.access import Access
from arc.api import problems
from arc.core.access import Actor
from arc.core.errors import ArcError, Unauthorized
from arc.telemetry.numbers import Numbers

COOKIE = "arc_session"
OPEN_PATHS = frozenset({"/health", "/login"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOST = re.compile(r"(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?", re.ASCII)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware over the whole application."""

    def __init__(self, app: ASGIApp, *, access: Access, allowed_hosts: Iterable[str], numbers: Numbers) -> None:
        self._app = app
        self._access = access
        self._hosts = _LOOPBACK | {name.lower() for name in allowed_hosts}
        self._numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer why not."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{secrets.token_hex(8)}"
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        reply = _Reply(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._admit(scope, receive, reply)
            except Exception:
                _log.exception("request failed", method=scope["method"], path=scope["path"])
                if reply.status:
                    raise  # half an answer is sent: the connection must end
                response = problems.answer(scope, 500, "something went wrong here; the log has more under this request id")
                await response(scope, receive, reply)
            self._note(scope, reply.status, time.perf_counter() - began)

    async def _admit(self, scope: Scope, receive: Receive, reply: "_Reply") -> None:
        try:
            self._check_host(scope)
            _check_origin(scope)
            scope["state"]["actor"] = await self._identify(scope)
        except Refused as refused:
            await problems.answer(scope, refused.status, refused.detail, headers={"Connection": "close"})(scope, receive, reply)
        except ArcError as error:
            response = problems.of_error(scope, error)
            if scope["method"] not in SAFE_METHODS:
                response.headers["Connection"] = "close"  # an unread body is not worth reading
            await response(scope, receive, reply)
        else:
            await self._app(scope, receive, reply)

    def _check_host(self, scope: Scope) -> None:
        given = _all(scope, b"host")
        if len(given) != 1:
            raise Refused(400, "exactly one Host header is needed")
        found = _HOST.fullmatch(given[0].lower())
        if found is None or int(found[2] or 0) > 65_535:
            raise Refused(400, "the Host header cannot be read")
        if found[1] not in self._hosts and found[0] not in self._hosts:
            raise Refused(421, "this host name is not served here; add it to the setting allowed_hosts")

    async def _identify(self, scope: Scope) -> Actor | None:
        """Who is asking; None on an open path without credentials, Unauthorized on any other."""
        bearers, cookies = _all(scope, b"authorization"), _cookies(scope)
        if not bearers and not cookies:
            if scope["path"] in OPEN_PATHS:
                return None
            raise Unauthorized
        try:
            if bearers:
                return await run_in_threadpool(self._access.authenticate, _bearer(bearers))
            return await self._by_cookie(scope, cookies)
        except Unauthorized:
            if scope["path"] in OPEN_PATHS:
                return None
            raise

    async def _by_cookie(self, scope: Scope, cookies: list[str]) -> Actor:
        if len(cookies) != 1:
            raise Unauthorized("one session cookie is needed, not several")
        if scope["method"] not in SAFE_METHODS and not (_all(scope, b"origin") or _all(scope, b"sec-fetch-site")):
            raise Refused(403, "a change made with a session cookie must say its Origin")
        return await run_in_threadpool(self._access.session, cookies[0])

    def _note(self, scope: Scope, status: int, took_s: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if len(scope["method"]) < 10 else "OTHER"
        self._numbers.request(method if method in _METHODS else "OTHER", route, status)
        actor = scope["state"].get("actor")
        level = _log.warning if status >= 500 else _log.debug
        level(
            "request", method=method, path=scope["path"], status=status, took_ms=round(took_s * 1000, 1), actor=getattr(actor, "name", None)
        )


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class Refused(Exception):
    """The guard refuses with an HTTP status that no class of the error tree has."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class _Reply:
    """`send`, adding the security headers to the start of every answer and noting its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self._request_id
        await self._send(message)


def _check_origin(scope: Scope) -> None:
    """Refuse an unsafe method that another site sent; programs that are no browser send neither header."""
    if scope["method"] in SAFE_METHODS:
        return
    site = _all(scope, b"sec-fetch-site")
    if any(value not in ("same-origin", "none") for value in site):
        raise Refused(403, "requests from another site are not accepted")
    origins = _all(scope, b"origin")
    if origins and (len(origins) != 1 or not _same_origin(origins[0], scope)):
        raise Refused(403, "requests from another origin are not accepted")


def _same_origin(origin: str, scope: Scope) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == scope.get("scheme", "http") and parts.netloc.lower() == _all(scope, b"host")[0].lower()


def _bearer(values: list[str]) -> str:
    if len(values) != 1:
        raise Unauthorized("one Authorization header is needed, not several")
    scheme, _, secret = values[0].partition(" ")
    if scheme != "Bearer":
        raise Unauthorized("the Authorization header must read: Bearer TOKEN")
    return secret


def _cookies(scope: Scope) -> list[str]:
    """Every value of our cookie: a second one would be somebody trying something."""
    found = []
    for line in _all(scope, b"cookie"):
        for part in line.split(";"):
            name, equals, value = part.strip().partition("=")
            if name == COOKIE and equals:
                found.append(value)
    return found


def _all(scope: Scope, name: bytes) -> list[str]:
    headers: Any = scope["headers"]
    return [value.decode("latin-1") for key, value in headers if key == name]
