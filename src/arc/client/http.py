"""Transport: one connection pool to a control plane, whose every answer is checked.

What may be repeated without harm (reads, and creations that carry an idempotency key) is repeated a few
times when the connection breaks or the answer is temporary; nothing else is. A stream reconnects with
`Last-Event-ID`, so that a control plane that restarts in between costs a pause and no event. Loopback
addresses never go through a proxy of the environment.
"""

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from arc.client.problems import problem, unreachable
from arc.client.sse import Frame, frames
from arc.core.errors import ArcError, DigestMismatch, PermanentError, TemporaryError

_TRIES = 4
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_CONNECT_S = 5.0
_STREAM_SILENCE_S = 60.0  # four heartbeats
_UPLOAD_SILENCE_S = 120.0  # the other side syncs a large file before it answers
_STREAM_TRIES = 8  # in a row without a frame: about 25 s

Params = Mapping[str, str | int | float | bool | None]


class Http:
    """Requests to one control plane; raises the errors of `arc.core.errors`."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._sleep = sleep
        self._pool = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
            transport=transport,
            trust_env=not _loopback(self.url),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def get(self, path: str, *, params: Params | None = None) -> Any:
        """The JSON of a read, which is repeated while that may help."""
        return self._repeat(lambda: self._once("GET", path, params=params))

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Params | None = None,
        key: str | None = None,
        of_a_job: bool = False,
        harmless: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        """The JSON of a change; repeated only when an idempotency `key` makes that harmless, or it is `harmless` by itself.

        With `of_a_job` the failure of the job that a route waited for, or found by its key, is an answer and no error.
        `timeout_s` is for a change that takes longer than others.
        """

        def once() -> Any:
            return self._once(method, path, body=body, params=params, key=key, of_a_job=of_a_job, timeout_s=timeout_s)

        return self._repeat(once) if key or harmless else once()

    def download(self, path: str, to: Path, *, digest: str) -> Path:
        """The body of a read as the file `to`, complete and with this SHA-256, or not at all."""
        part = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
        seen = hashlib.sha256()
        try:
            with self._open(path, {}) as response, part.open("xb") as file:
                for chunk in response.iter_bytes():
                    seen.update(chunk)
                    file.write(chunk)
            if seen.hexdigest() != digest:
                raise DigestMismatch(f"the bytes of {path} are not those that were asked for", field="digest", value=seen.hexdigest())
            return part.replace(to)
        finally:
            part.unlink(missing_ok=True)

    def upload(self, path: str, file: Path, *, params: Params) -> Any:
        """The JSON that answers the bytes of a file, which are sent as they are read."""
        limits = httpx.Timeout(_UPLOAD_SILENCE_S, connect=_CONNECT_S)
        headers = {"Content-Type": "application/octet-stream"}
        with file.open("rb") as body:
            try:
                response = self._pool.post(path, params=dict(params), content=body, headers=headers, timeout=limits)
            except httpx.TransportError as error:
                raise unreachable(self.url, _why(error)) from error
        return self._good(response)

    def stream(self, path: str, *, last_id: str = "") -> Iterator[Frame]:
        """Frames over any number of connections, until the server says 204; ServiceDown when nobody answers for long."""
        silent = 0
        while True:
            try:
                for frame in self._connection(path, last_id):
                    silent = 0
                    last_id = frame.id or last_id
                    yield frame
                failure: ArcError = unreachable(self.url, "the stream ended")
            except _NothingLeft:
                return
            except TemporaryError as error:
                failure = error
            silent += 1
            if silent >= _STREAM_TRIES:
                raise failure
            self._sleep(_pause(silent))

    def _connection(self, path: str, last_id: str) -> Iterator[Frame]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        try:
            with self._open(path, headers) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    raise _NothingLeft
                yield from frames(response.iter_bytes())
        except ValueError as error:
            raise PermanentError(f"the event stream of {self.url} cannot be read: {error}") from None

    @contextmanager
    def _open(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A good answer whose body comes piece by piece."""
        timeout = httpx.Timeout(_STREAM_SILENCE_S, connect=_CONNECT_S)
        try:
            with self._pool.stream("GET", path, headers=dict(headers), timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise problem(response.status_code, self._json(response), retry_after=response.headers.get("Retry-After"))
                yield response
        except httpx.TransportError as error:
            raise unreachable(self.url, _why(error)) from error

    def _once(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Params | None = None,
        key: str | None = None,
        of_a_job: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        headers = {"Idempotency-Key": key} if key else {}
        try:
            limits = self._pool.timeout if timeout_s is None else httpx.Timeout(timeout_s, connect=_CONNECT_S)
            response = self._pool.request(method, path, params=given, headers=headers, json=body, timeout=limits)
        except httpx.TransportError as error:
            raise unreachable(self.url, _why(error)) from error
        return self._good(response, of_a_job=of_a_job)

    def _good(self, response: httpx.Response, *, of_a_job: bool = False) -> Any:
        """The JSON of an answer; raises what it says when it is an error."""
        found = self._json(response)
        if response.is_error and not (of_a_job and isinstance(found, dict) and "job_id" in found):
            raise problem(response.status_code, found, retry_after=response.headers.get("Retry-After"))
        return found

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json() if response.content else None
        except ValueError:
            if response.is_error:
                return None
            raise PermanentError(
                f"{self.url} did not answer with JSON: is it a control plane of ARC?", field="control_plane_url", value=self.url
            ) from None

    def _repeat(self, once: Callable[[], Any]) -> Any:
        for number in range(1, _TRIES):
            try:
                return once()
            except TemporaryError as error:
                self._sleep(min(max(_pause(number), error.delay_s), _LONGEST_PAUSE_S))
        return once()


class _NothingLeft(Exception):
    """The server has nothing more to tell on this stream, now or later."""


def _pause(number: int) -> float:
    return min(_FIRST_PAUSE_S * 2.0 ** (number - 1), _LONGEST_PAUSE_S)


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectError):
        return "connection refused" if "refused" in str(error) else (str(error) or "no connection")
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
