"""Server-sent events: bytes of a stream into frames, as the WHATWG text says.

Lines end with CR, LF or CRLF and with nothing else: `str.splitlines` would also cut at U+2028, which JSON
may carry unescaped, so the cutting is done on bytes. A frame that the connection cut off is dropped: after
a reconnect with `Last-Event-ID` the server sends it again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MAX_LINE = 8 * 1024 * 1024  # bytes; a line beyond this is no event of ours
_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Frame:
    """One event as it came: its name, its data, and the id to resume after."""

    event: str
    data: str
    id: str  # the last id seen so far; empty when there was none


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """The complete frames of a stream, whatever way its bytes were cut into chunks; ValueError for an endless line."""
    event, last_id = "", ""
    data: list[str] = []
    for line in _lines(chunks):
        if not line:
            if data:
                yield Frame(event or "message", "\n".join(data), last_id)
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            last_id = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Each complete line without its end; what follows the last end is not a line yet."""
    rest = b""
    first = True
    for chunk in chunks:
        rest += chunk
        start = 0
        for end in _END.finditer(rest):
            if end.group() == b"\r" and end.end() == len(rest):
                break  # its LF may be in the next chunk
            line = rest[start : end.start()].decode("utf-8", "replace")
            yield line.removeprefix("\ufeff") if first else line
            first = False
            start = end.end()
        rest = rest[start:]
        if len(rest) > _MAX_LINE:
            raise ValueError("an event stream sent a line without an end")
