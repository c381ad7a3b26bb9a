"""MATLAB 5: the variables of a `.mat` file as `save -v6` and `-v7` write it.

The headers of all variables are read here, with every number in them doubted, before SciPy reads any value:
SciPy believes what a file says of itself, and crafted files crash it. That is why this runs in the child of
`arc.kit.sandbox`; what gets past the headers ends that child and nothing else.

The format: a header of 128 bytes, then elements of a tag (type and byte count) and a body; a matrix holds
flags, sides, a name and values, and may as a whole be a zlib stream (MAT-File Format, MathWorks R2024a, ch. 1).
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatlabFunction, MatlabObject, MatlabOpaque, MatReadError

from arc.data.matlab_values import (
    DEEPEST,
    LONGEST_NAME,
    NUMBERS,
    Cells,
    Column,
    MatLimits,
    Node,
    Other,
    Record,
    Text,
    bad,
    check_declared,
    kind_of,
    numbers_of,
    plain_name,
    refuse_opaque,
    size_of,
    too_large,
)

HEADER: Final = 128
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CLASSES: Final = (
    *("", "cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8", "int16", "uint16", "int32"),
    *("uint32", "int64", "uint64", "function_handle", "opaque"),
)  # by their number in the file
_CODE: Final = ("object", "function_handle", "opaque")
_LOGICAL, _COMPLEX = 0x200, 0x800
_PEEK: Final = 4096  # bytes of a matrix that are looked at: flags, sides and name take less
_MOST_SIDES: Final = 32
# What SciPy raises on damaged files.
_DAMAGED = (
    MatReadError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    RecursionError,
    SystemError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Header:
    """What a variable says of itself."""

    name: str
    kind: str
    shape: tuple[int, ...]
    bytes: int  # that its values take in memory, at least


def columns(path: Path, limits: MatLimits) -> list[Column]:
    """The variables of the file, unread; BadData or TooLarge when one of them cannot be trusted."""
    found: dict[str, Header] = {}
    for header in _headers(path):
        if header.name in found:
            raise bad(f"the variable {header.name} occurs twice")
        if header.kind in _CODE:
            raise refuse_opaque(header.name, header.kind)
        if header.bytes > limits.variable_bytes:
            says = f"the variable {header.name} holds {header.bytes:,} bytes; {limits.variable_bytes:,} are read of one variable"
            raise too_large(f"{says} in a version 5 file (save -v7.3 has no such limit)")
        found[header.name] = header
        if len(found) > limits.variables:
            raise too_large(f"it holds more than {limits.variables} variables")
    check_declared(sum(header.bytes for header in found.values()), path.stat().st_size, limits)
    return [_column(path, header) for header in found.values()]


def _column(path: Path, header: Header) -> Column:
    def load() -> Node:
        if header.kind == "sparse" or header.kind.startswith("complex"):
            return Other(header.kind, header.shape)
        return _node(_value(path, header.name), header.name, depth=0)

    return Column(header.name, header.kind, header.shape, load)


def _headers(path: Path) -> Iterator[Header]:
    size = path.stat().st_size
    with path.open("rb") as handle:
        order = "<" if handle.read(HEADER).endswith(b"IM") else ">"
        at = HEADER
        while at < size:
            handle.seek(at)
            kind, count = _tag(handle.read(8), order)
            if not count or at + 8 + count > size:
                raise bad(f"the variable at byte {at} says that it takes {count:,} bytes; {size - at - 8:,} are left")
            header = _header(*_matrix(handle, kind, count, order), order)
            if header.name:  # the one without a name is where MATLAB keeps what belongs to functions and objects
                plain_name(header.name)
                yield header
            at += 8 + count


def _matrix(handle: IO[bytes], kind: int, count: int, order: str) -> tuple[bytes, int]:
    """The first bytes of the body of a matrix, inflated where need be, and how long the body says it is."""
    body = handle.read(min(count, _PEEK))
    if kind == _COMPRESSED:
        try:
            body = zlib.decompressobj().decompress(body, _PEEK)
        except zlib.error as error:
            raise bad(f"a compressed variable cannot be inflated: {error}") from None
        kind, count = _tag(body[:8], order)
        body = body[8:]
    if kind != _MATRIX:
        raise bad(f"a variable is of the unknown type {kind}")
    return body, count


def _header(body: bytes, count: int, order: str) -> Header:
    if _tag(body[:8], order) != (_UINT32, 8):
        raise bad("a variable does not begin with its flags")
    (flags,) = _integers(body[8:12], "I", order)
    if not 0 < flags & 0xFF < len(_CLASSES):
        raise bad(f"a variable is of the unknown class {flags & 0xFF}")
    name_of_class, rest = _CLASSES[flags & 0xFF], body[16:]
    if name_of_class == "opaque":  # has no sides; after its name stand "MCOS" and the class
        return Header(_part(rest, order, _INT8)[0].decode("latin-1"), name_of_class, (), 0)
    sides, rest = _part(rest, order, _INT32)
    shape = _integers(sides, "i", order)
    if not 2 <= len(shape) <= _MOST_SIDES or min(shape) < 0:
        raise bad(f"a variable has the sides {shape[:8]}")
    name = _part(rest, order, _INT8)[0].decode("latin-1")
    kind = "logical" if flags & _LOGICAL and name_of_class in NUMBERS else name_of_class
    each = NUMBERS.get(kind, {"char": 4, "sparse": 0}.get(kind, 8))  # SciPy takes four bytes a character
    if flags & _COMPLEX and kind in NUMBERS:
        kind, each = f"complex {kind}", 2 * each
    return Header(name, kind, shape, max(count, each * size_of(shape)))


def _part(body: bytes, order: str, expected: int) -> tuple[bytes, bytes]:
    """The data of the element that `body` begins with, and what follows; small elements keep theirs within the tag."""
    (first,) = _integers(body[:4], "I", order)
    small = first >> 16
    if small:
        kind, count, begin, end = first & 0xFFFF, small, 4, 8
    else:
        (kind, count), begin = _tag(body[:8], order), 8
        end = begin + (count + 7) // 8 * 8
    if kind == _INT8 and count > LONGEST_NAME:
        raise bad(f"the variable {body[begin : begin + 40].decode('latin-1')!a}... has a name of {count:,} characters")
    if kind != expected or (small > 4) or begin + count > len(body):
        raise bad("the sides or the name of a variable are damaged")
    return body[begin : begin + count], body[end:]


def _tag(data: bytes, order: str) -> tuple[int, int]:
    kind, count = _integers(data.ljust(8, b"\0"), "I", order)
    return kind, count


def _integers(data: bytes, code: str, order: str) -> tuple[int, ...]:
    if not data or len(data) % 4:
        raise bad("the header of a variable is cut off")
    return struct.unpack(f"{order}{len(data) // 4}{code}", data)


def _value(path: Path, name: str) -> Any:
    """A variable as SciPy reads it; the class of MATLAB decides the type, not how it was stored."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # SciPy warns where it makes something up
            warnings.simplefilter("ignore", DeprecationWarning)
            return loadmat(str(path), variable_names=[name], mat_dtype=True, appendmat=False)[name]
    except (Warning, *_DAMAGED) as error:
        raise bad(f"the variable {name} cannot be read: {ascii(str(error))[1:-1][:160] or type(error).__name__}") from None


def _node(value: Any, name: str, *, depth: int) -> Node:
    if isinstance(value, MatlabFunction | MatlabOpaque | MatlabObject):
        raise refuse_opaque(name, type(value).__name__.removeprefix("Matlab"))
    if not isinstance(value, np.ndarray) or depth > DEEPEST:
        return Other(type(value).__name__, ())
    if (names := value.dtype.names) is not None:
        items = value.ravel(order="F")
        records = tuple(Record({field: _node(item[field], f"{name}.{field}", depth=depth + 1) for field in names}) for item in items)
        return records[0] if len(records) == 1 else Cells(value.shape, records)
    if value.dtype == object:
        items = value.ravel(order="F")
        return Cells(value.shape, tuple(_node(item, f"{name}{{{at}}}", depth=depth + 1) for at, item in enumerate(items, 1)))
    if value.dtype.kind == "U":
        return Text(tuple(str(row) for row in value.ravel()))
    kind = kind_of(value.dtype)
    return numbers_of(kind, value) if kind else Other(value.dtype.name, value.shape)
