"""Bodies: strict JSON of bounded size, or a problem that says what is wrong with it.

The parser of the standard library takes more than JSON and says less than it could: it accepts NaN, the
last of two equal keys, lone surrogates that no database stores, and numbers that overflow to infinity.
Everything of that kind is refused here, before a model sees it. A UTF-8 byte order mark is allowed.

The bytes are counted while they are read, and reading has an end in time: an endless or a dripping body
costs no memory and no worker.
"""

import asyncio
import json
import math
from email.message import Message
from typing import Any, Final, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from arc.core.errors import CallerError, TooLarge

MAX_DEPTH: Final = 64
MAX_KEY: Final = 1024  # characters
_READ_S = 30.0
_INLINE_BYTES = 64 * 1024  # larger bodies are parsed off the event loop
CLOSE: Final = {"Connection": "close"}


async def read(request: Request, *, limit: int) -> Any:
    """The value in the body of a request: 413 beyond `limit` bytes, 415 for another type, 400 for what is no strict JSON."""
    _check_type(request)
    body = await _bytes(request, limit)
    if len(body) > _INLINE_BYTES:
        return await run_in_threadpool(parse, body)
    return parse(body)


def parse(body: bytes) -> Any:
    """The value of a strict JSON text; CallerError (400) naming what is wrong."""
    if not body:
        _refuse("the body is empty; JSON is needed")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"the body is not UTF-8 (byte {error.start})")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        _refuse(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse(f"the body is nested deeper than {MAX_DEPTH} levels")
    except ValueError as error:  # an integer of thousands of digits
        _refuse(f"the body holds a number that cannot be read: {str(error)[:120]}")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH or b"\\u" in body:
        _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        _refuse(f"the key {twice[:80]!r} is there twice")
    if found and len(max(found, key=len)) > MAX_KEY:
        _refuse(f"a key is longer than {MAX_KEY} characters")
    return found


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(f"the number {text[:40]} is too large")
    return value


def _check(value: Any) -> None:
    """Depth and strings of everything in `value`."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                _refuse(f"the body is nested deeper than {MAX_DEPTH} levels")
            if isinstance(item, dict):
                waiting.extend((name, depth) for name in item)
            waiting.extend((child, depth + 1) for child in (item.values() if isinstance(item, dict) else item))


def _check_text(text: str) -> None:
    if "\0" in text:
        _refuse("a string holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse("a string holds half of a surrogate pair")


def _check_type(request: Request) -> None:
    given = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"content-type"]
    if len(given) != 1:
        raise HTTPException(415, "one Content-Type is needed: application/json", headers=CLOSE)
    message = Message()
    message["content-type"] = given[0]
    charset = message.get_content_charset("utf-8")
    if message.get_content_type() != "application/json" or charset != "utf-8" or "content-encoding" in request.headers:
        raise HTTPException(415, "the body must be application/json in UTF-8, not compressed", headers=CLOSE)


async def _bytes(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    found = bytearray()
    try:
        async with asyncio.timeout(_READ_S):
            async for chunk in request.stream():
                found += chunk
                if len(found) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {_READ_S:.0f} s", headers=CLOSE) from None
    except ClientDisconnect:
        raise CallerError("the connection ended in the middle of the body", field="body") from None
    return bytes(found)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes (setting max_body_mb)", field="body")


def _refuse(message: str) -> NoReturn:
    raise CallerError(message, field="body")
