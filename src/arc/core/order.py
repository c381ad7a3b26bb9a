"""Order: how a `LaunchOrder` crosses the wall, as JSON in `attempt.json`, without its secret.

The secret goes another way (a pipe), so that it is in no file, no argument and no environment.
"""

import dataclasses

from pydantic import TypeAdapter, ValidationError

from arc.core.errors import InvalidSpec
from arc.core.ports import LaunchOrder

_ADAPTER = TypeAdapter(LaunchOrder)


def dump(order: LaunchOrder) -> bytes:
    """The order as JSON, secret left out."""
    return _ADAPTER.dump_json(order, exclude={"secret"})


def load(data: bytes, *, secret: str) -> LaunchOrder:
    """The order that `dump` wrote, with the secret that came by the pipe; InvalidSpec when it is damaged."""
    try:
        return dataclasses.replace(_ADAPTER.validate_json(data), secret=secret)
    except ValidationError as error:
        raise InvalidSpec(f"attempt.json cannot be read: {error.errors(include_url=False)[0]['msg']}", field="attempt.json") from None
