"""Errors, sorted by what the caller can do about them.

ArcError
  x CallerError             the asker can fix it         -> HTTP 4xx, exit 2
    + InvalidSpec 422 · NotFound 404 · BadData 422 · DigestMismatch 422 · Conflict 409 · Forbidden 403
    + Unauthorized 401 · TooLarge 413 · GateRefused 409
  x TemporaryError(delay)   trying again may help        -> Retry, HTTP 503 with Retry-After
    + LeaseLost · BackendBusy · StoreBusy · OutOfMemory · BrokenCheckpoint · ServiceDown · NoSpace 507
  x PermanentError          trying again cannot help     -> failed, HTTP 500
    + RecipeBroken
  x Cancelled               someone asked for it         -> cancelled

The docstring of a class is its default message. `field` and `value` name what was wrong with a request.
"""

from typing import Any, ClassVar, Literal

Decision = Literal["retry", "fail", "cancel"]


class ArcError(Exception):
    """Something in ARC went wrong."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    decision: ClassVar[Decision] = "fail"

    def __init__(self, message: str | None = None, *, field: str | None = None, value: Any = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.field = field
        self.value = value
        super().__init__(self.message)

    @property
    def kind(self) -> str:
        """The name of the class, stable across releases: clients may switch on it."""
        return type(self).__name__


class CallerError(ArcError):
    """The request cannot be carried out as it was made."""

    status = 400
    exit_code = 2


class InvalidSpec(CallerError):
    """A field of the request is not valid."""

    status = 422


class NotFound(CallerError):
    """There is no such thing here."""

    status = 404


class BadData(CallerError):
    """The data given cannot be used."""

    status = 422


class DigestMismatch(CallerError):
    """The bytes are not those that were recorded."""

    status = 422


class Conflict(CallerError):
    """The thing is in a state that does not allow this."""

    status = 409


class Forbidden(CallerError):
    """This is not allowed."""

    status = 403


class Unauthorized(CallerError):
    """Say who you are: a valid token is needed."""

    status = 401


class TooLarge(CallerError):
    """The request is larger than the limit."""

    status = 413


class GateRefused(CallerError):
    """A gate refused: the evidence is not sufficient."""

    status = 409


class TemporaryError(ArcError):
    """It did not work now; trying again may help."""

    status = 503
    exit_code = 3
    decision = "retry"

    def __init__(self, message: str | None = None, *, delay_s: float = 5.0, field: str | None = None, value: Any = None) -> None:
        super().__init__(message, field=field, value=value)
        self.delay_s = delay_s


class LeaseLost(TemporaryError):
    """The lease has passed to another holder; nothing was written."""


class BackendBusy(TemporaryError):
    """The backend cannot take another attempt now."""


class StoreBusy(TemporaryError):
    """The store did not answer in time."""


class OutOfMemory(TemporaryError):
    """There was not enough memory."""


class BrokenCheckpoint(TemporaryError):
    """A checkpoint whose bytes are those that were written cannot be loaded; an older one may be."""


class ServiceDown(TemporaryError):
    """A service that is needed does not answer."""


class NoSpace(TemporaryError):
    """The disk is full."""

    status = 507


class PermanentError(ArcError):
    """It cannot work; trying again will not help."""


class RecipeBroken(PermanentError):
    """The recipe itself is wrong: it could not be loaded or broke its contract."""


class Cancelled(ArcError):
    """Someone asked for it to end."""

    status = 409
    exit_code = 4
    decision = "cancel"


def all_errors() -> list[type[ArcError]]:
    """Every class of the tree above, parents first; what other packages derive from it is not of the tree."""
    found: list[type[ArcError]] = [ArcError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
    return found
