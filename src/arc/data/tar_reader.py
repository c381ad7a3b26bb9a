"""TAR: members into a landing folder, read as a stream with our own header parser.

The parser of the standard library hangs on a negative size and follows links that it made itself, so it
is not used. Read here: ustar, GNU long names and pax `path` and `size`; links, devices, sparse files and
everything unknown are refused. What is skipped counts against the limits too.
"""

from collections.abc import Callable, Iterator

from arc.core.errors import TooLarge
from arc.data.compressed import Stream
from arc.data.members import CHUNK, FIELD, Landing, bad

BLOCK = 512
_END = bytes(BLOCK)
_HEADER_BYTES = 1 << 16  # longest pax or long-name record
_FILES = {b"0", b"\0", b"7"}
_REFUSED = {b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a FIFO", b"S": "a sparse file", b"K": "a link"}


class _Reader:
    """Exact reads from a stream, with a limit on all that is ever read."""

    def __init__(self, stream: Stream, landing: Landing, tell: Callable[[], None]) -> None:
        self._stream = stream
        self._landing = landing
        self._tell = tell
        self._left = landing.most_bytes - landing.bytes_out + landing.limits.files * 4 * BLOCK + _HEADER_BYTES

    def some(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._landing.over()
        return data

    def exactly(self, size: int) -> bytes:
        """`size` bytes; BadData when the archive ends before."""
        data = self.some(size)
        if len(data) < size:
            raise bad("the TAR is cut short")
        return data

    def body(self, size: int) -> Iterator[bytes]:
        """The content of a member in chunks, padding skipped."""
        padding = -size % BLOCK
        while size:
            data = self.exactly(min(size, CHUNK))
            size -= len(data)
            yield data
            self._tell()
        self.exactly(padding)


def extract(stream: Stream, landing: Landing, *, tell: Callable[[], None]) -> None:
    """Write every member of the TAR; BadData or TooLarge on the first that is not as it should be."""
    reader = _Reader(stream, landing, tell)
    told: dict[str, str] = {}  # by extended headers, for the next member
    while True:
        header = reader.exactly(BLOCK)
        if header == _END:
            _to_the_end(reader)
            return
        size = _checked(header)
        kind = header[156:157]
        if kind in b"xgL":
            told |= _extended(reader, kind, size, landing)
            continue
        name = told.get("path") or _name(header)
        size = int(told.get("size", size))
        told = {}
        if kind == b"5" or (kind in _FILES and name.endswith("/")):
            if size:
                raise bad("a folder with content", name)
            landing.folder(name)
        elif kind in _FILES:
            landing.file(name, reader.body(size))
        else:
            raise bad(f"it is {_REFUSED.get(kind, 'of an unknown kind')}; only files and folders are unpacked", name)


def _checked(header: bytes) -> int:
    """The size in a header whose checksum holds."""
    stated = _number(header[148:156])
    if stated != sum(header) - sum(header[148:156]) + 8 * 32:
        raise bad("a TAR header is damaged")
    return _number(header[124:136])


def _number(field: bytes) -> int:
    """A number of a header, octal or base 256; BadData when negative or none."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise bad("a TAR header holds a negative number")
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0", 1)[0].strip(b" ")
    if text.strip(b"01234567"):
        raise bad("a TAR header holds no number where one belongs")
    return int(text or b"0", 8)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise bad(f"the name {raw[:80]!r} is not UTF-8") from None


def _extended(reader: _Reader, kind: bytes, size: int, landing: Landing) -> dict[str, str]:
    """What a pax or long-name record says of the next member."""
    landing.members += 1  # so that a TAR of nothing but records ends too
    if size > _HEADER_BYTES or landing.members > 2 * landing.limits.files:
        raise TooLarge("the archive holds too many or too large header records", field=FIELD)
    raw = b"".join(reader.body(size))
    if kind == b"L":
        return {"path": _text(raw.removesuffix(b"\0"))}
    records = dict(_records(raw))
    if any(key.startswith("GNU.sparse") for key in records):
        raise bad("it holds a sparse file; only plain files are unpacked")
    told = {key: value for key, value in records.items() if key in {"path", "size"}}
    if kind == b"g" and told:
        raise bad("a header names every member of the TAR alike")
    if not told.get("size", "0").isdecimal() or len(told.get("size", "0")) > 20 or not told.get("size", "0").isascii():
        raise bad("a TAR header holds no number where one belongs")
    return told


def _records(raw: bytes) -> Iterator[tuple[str, str]]:
    """`LENGTH key=value\\n`, one after the other."""
    while raw:
        digits, space, _ = raw.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 5:
            raise bad("a pax header is damaged")
        length = int(digits)
        record = raw[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if length <= len(digits) + 1 or length > len(raw) or not equals or not value.endswith(b"\n"):
            raise bad("a pax header is damaged")
        yield _text(key), _text(value[:-1]) if key in {b"path", b"size"} else ""
        raw = raw[length:]


def _to_the_end(reader: _Reader) -> None:
    """Read what follows the end mark, so that the checksum of the compression is looked at; zeros alone may follow."""
    while data := reader.some(CHUNK):
        if data.count(0) != len(data):
            raise bad("there is something after the end of the TAR")
