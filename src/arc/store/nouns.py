"""Between rows and nouns: the few conversions that every file of the store needs."""

import base64
import binascii
from typing import Any

from pydantic import BaseModel

from arc.core.errors import InvalidSpec

MAX_PAGE = 1000


def plain(value: Any) -> Any:
    """A field of a noun as a column takes it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def clean(values: dict[str, Any]) -> dict[str, Any]:
    """Every field as a column takes it."""
    return {name: plain(value) for name, value in values.items()}


def check_limit(limit: int) -> int:
    """A page size within bounds."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidSpec(f"limit {limit} is not between 1 and {MAX_PAGE}", field="limit", value=limit)
    return limit


def encode_cursor(*parts: str | int) -> str:
    """Where the next page starts, as an opaque text."""
    return base64.urlsafe_b64encode("\n".join(str(part) for part in parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *, parts: int) -> list[str]:
    """The parts of a cursor; InvalidSpec when it is not one of ours."""
    try:
        found = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode().split("\n")
    except (ValueError, binascii.Error):
        found = []
    if len(found) != parts or not all(found) or len(cursor) > 600 or "\0" in "".join(found) or encode_cursor(*found) != cursor:
        raise InvalidSpec("the cursor is not one that a list has given", field="cursor", value=cursor[:80])
    return found
