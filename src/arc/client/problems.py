"""Problems: an error answer of the control plane, turned back into the class that was raised over there.

A control plane answers errors as RFC 9457 problems whose `code` is the name of a class of
`arc.core.errors`, so that a program on this side catches what it would catch in the same process. An
answer that is no problem (a proxy's page, an older server) is sorted by its HTTP status.
"""

from typing import Any

from arc.core import errors
from arc.core.errors import ArcError, CallerError, PermanentError, ServiceDown, TemporaryError

_BY_CODE: dict[str, type[ArcError]] = {cls.__name__: cls for cls in errors.all_errors()}
_BY_STATUS: dict[int, type[ArcError]] = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.InvalidSpec,
    502: errors.ServiceDown,
    503: errors.ServiceDown,
    504: errors.ServiceDown,
    507: errors.NoSpace,
}


def problem(status: int, body: Any, *, retry_after: str | None = None) -> ArcError:
    """The error that an answer with this status (400 or more) and JSON body stands for."""
    said = body if isinstance(body, dict) else {}
    cls = _BY_CODE.get(str(said.get("code", ""))) or _BY_STATUS.get(status) or (CallerError if status < 500 else PermanentError)
    message = _message(said) or f"the control plane answered {status} without saying why"
    field, value = said.get("field"), said.get("value")
    name = field if isinstance(field, str) else None
    if issubclass(cls, TemporaryError):
        return cls(message, delay_s=_seconds(retry_after), field=name, value=value)
    return cls(message, field=name, value=value)


def unreachable(url: str, why: str) -> ServiceDown:
    """The error for a control plane that does not answer at all."""
    return ServiceDown(f"the control plane at {url} does not answer ({why})", delay_s=0.25, field="control_plane_url", value=url)


def _message(said: dict[str, Any]) -> str:
    for key in ("detail", "title"):
        if isinstance(said.get(key), str) and said[key]:
            return str(said[key])
    return ""


def _seconds(retry_after: str | None) -> float:
    """`Retry-After` in seconds; the date form and nonsense mean one."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return 1.0
    return float(min(int(retry_after[:6]), 3600))
