"""Identifiers: strings that say what they name and sort by the moment they were made.

`job_0f3c…` is a 48-bit millisecond time and 64 random bits in base 32 (Crockford), so that the index
of a table grows at its end and a list by id is a list by age.
"""

import re
import secrets

from arc.core.clock import Clock, SystemClock, unix
from arc.core.errors import InvalidSpec

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def new_id(prefix: str, clock: Clock | None = None) -> str:
    """A fresh identifier such as `job_01k9…`; `prefix` says the noun."""
    millis = int(unix((clock or SystemClock()).now()) * 1000) & ((1 << 48) - 1)
    number = (millis << 64) | secrets.randbits(64)
    digits = []
    for _ in range(23):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return f"{prefix}_{''.join(reversed(digits))}"


def check_name(value: str, *, field: str) -> str:
    """`value` if it is fit to name a folder, a row and a URL segment; InvalidSpec naming the field otherwise."""
    if not _NAME.fullmatch(value) or ".." in value:
        raise InvalidSpec(
            f"{field} {value[:80]!r} is not a name: use letters, digits, '.', '_' and '-', at most 128, not starting with a sign",
            field=field,
            value=value[:80],
        )
    return value
