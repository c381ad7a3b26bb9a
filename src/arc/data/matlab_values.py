"""Values of a MATLAB file, as the two readers hand them over: numbers, text, cells and records.

MATLAB 5 (`matlab5`) and 7.3 (`matlab73`) store the same things in unlike ways; what a picture or a label is
(`matlab_fields`, `matlab_stacks`) is decided on these nouns alone. A struct array is a cell array of records here.
Shapes and axes are MATLAB's own, rows first. Numbers are read when they are asked for, a slab at a time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arc.core.errors import BadData, TooLarge

FIELD: Final = "archive"
NUMBERS: Final = {
    "logical": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "uint64": 8, "int64": 8, "single": 4, "double": 8
}  # fmt: skip  # the classes that are numbers, and bytes each
LONGEST_NAME: Final = 63  # namelengthmax of MATLAB
DEEPEST: Final = 6  # a cell in a struct in a cell is 3; what lies deeper is no picture and no label
_SHOWN: Final = 8


@dataclass(frozen=True)
class MatLimits:
    """How much one MATLAB file may hold, and what its reader may take."""

    declared_bytes: int = 4 * 10**9  # all variables together, as they say of themselves
    variable_bytes: int = 300 * 10**6  # one variable of a version 5 file, which is read whole
    chunk_bytes: int = 100 * 10**6  # one chunk of a version 7.3 file
    ratio: float = 300.0  # declared bytes per byte of the file, looked at above `ratio_from`
    ratio_from: int = 50 * 10**6
    pictures: int = 20_000
    megapixels: float = 50.0  # one picture
    variables: int = 1_000
    objects: int = 100_000  # cells, fields and arrays that are looked at
    memory_mb: int = 850  # on top of the interpreter, so that both stay below a gigabyte
    timeout_s: float = 8.0  # for a file of no size; `timeout_s_per_mb` comes on top
    timeout_s_per_mb: float = 0.5


@dataclass(frozen=True)
class Numbers:
    """An array of numbers; `take(axis, begin, end)` reads a slab of it, all other axes whole."""

    kind: str  # of NUMBERS
    shape: tuple[int, ...]
    take: Callable[[int, int, int], NDArray[Any]]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return size_of(self.shape)

    def all(self) -> NDArray[Any]:
        """The whole array."""
        return self.take(0, 0, self.shape[0])


@dataclass(frozen=True)
class Text:
    """A character array, one string a row."""

    rows: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """A 1x1 struct."""

    fields: Mapping[str, "Node"]


@dataclass(frozen=True)
class Cells:
    """A cell array, or a struct array as records; items go down the columns, as MATLAB counts."""

    shape: tuple[int, ...]
    items: tuple["Node", ...]


@dataclass(frozen=True)
class Other:
    """What is neither picture nor label, such as a sparse matrix or complex numbers; it is never read."""

    kind: str
    shape: tuple[int, ...]


Node = Numbers | Text | Record | Cells | Other


@dataclass(frozen=True)
class Column:
    """A variable, or a field of one (`data.image`), before it is read."""

    name: str
    kind: str  # class in MATLAB's words
    shape: tuple[int, ...]
    load: Callable[[], Node]

    def __str__(self) -> str:
        return f"{self.name} ({'x'.join(map(str, self.shape))} {self.kind})"


def size_of(shape: Iterable[int]) -> int:
    """The product of the sides, exact."""
    size = 1
    for side in shape:
        size *= int(side)
    return size


def numbers_of(kind: str, array: NDArray[Any]) -> Numbers:
    """An array in memory as numbers."""

    def take(axis: int, begin: int, end: int) -> NDArray[Any]:
        return array[(slice(None),) * axis + (slice(begin, end),)]

    return Numbers(kind, array.shape, take)


def kind_of(dtype: np.dtype[Any]) -> str | None:
    """The MATLAB class of a numeric dtype, or None when MATLAB has none."""
    name = {"bool": "logical", "float64": "double", "float32": "single"}.get(dtype.name, dtype.name)
    return name if name in NUMBERS else None


def plain_name(name: str) -> str:
    """The name of a variable as it is; BadData for what MATLAB itself could not have made."""
    if len(name) > LONGEST_NAME:
        raise bad(f"the variable {ascii(name)[:40]}... has a name of {len(name)} characters; MATLAB allows {LONGEST_NAME}")
    if not (name.isascii() and name.isidentifier() and name[0] != "_"):
        raise bad(f"{ascii(name)[:100]} is no name of a variable in MATLAB")
    return name


def refuse_opaque(name: str, kind: str) -> BadData:
    """The refusal of an object or a function, which are programs and not data."""
    shown = ascii(kind)[1:-1][:40]
    how = "turn it into numbers, char or cellstr, or leave it out, and save again"
    return bad(f"the variable {ascii(name)[1:-1][:80]} is of class {shown}; objects and functions are not read: {how}")


def check_declared(declared: int, file_bytes: int, limits: MatLimits) -> None:
    """TooLarge when the variables together say that they hold `declared` bytes, more than is allowed, or than the file can hold."""
    if declared > limits.declared_bytes:
        raise too_large(f"its variables hold {declared:,} bytes; {limits.declared_bytes:,} are allowed")
    if declared > limits.ratio_from and declared > limits.ratio * file_bytes:
        raise too_large(f"its variables hold {declared:,} bytes in a file of {file_bytes:,}: more than {limits.ratio:g} times as much")


def listed(columns: Iterable[object]) -> str:
    """Some columns for a message."""
    names = [str(column) for column in columns]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"


def bad(message: str) -> BadData:
    """The refusal of the file."""
    return BadData(message, field=FIELD)


def too_large(message: str) -> TooLarge:
    """The refusal of the file because of a limit."""
    return TooLarge(message, field=FIELD)
