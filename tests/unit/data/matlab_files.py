"""MATLAB files built byte by byte: version 5 from packed tags, version 7.3 with h5py as MATLAB lays it out."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

INT8, UINT8, INT32, UINT32, DOUBLE, MATRIX, COMPRESSED = 1, 2, 5, 6, 9, 14, 15
CELL, STRUCT, SPARSE, DOUBLES, BYTES, FUNCTION, OPAQUE = 1, 2, 5, 6, 9, 16, 17
BYTES_OF = {"uint8": 1, "uint16": 2, "double": 8}


def header(version: bytes = b"\x00\x01IM", text: str = "MATLAB 5.0 MAT-file, made by a test") -> bytes:
    return text.encode().ljust(124) + version


def element(kind: int, body: bytes, *, count: int | None = None) -> bytes:
    """A tag and its body, padded to eight bytes; `count` lies about its length."""
    return struct.pack("<II", kind, len(body) if count is None else count) + body + bytes(-len(body) % 8)


def matrix(name: str, dims: tuple[int, ...], values: bytes, *, code: int = BYTES, flags: int = 0, count: int | None = None) -> bytes:
    """A variable: flags, sides, name, and whatever its values are."""
    body = element(UINT32, struct.pack("<II", code | flags, 0))
    body += element(INT32, struct.pack(f"<{len(dims)}i", *dims)) + element(INT8, name.encode("latin-1")) + values
    return element(MATRIX, body, count=count)


def opaque(name: str, kind: str) -> bytes:
    body = element(UINT32, struct.pack("<II", OPAQUE, 0)) + b"".join(element(INT8, text.encode()) for text in (name, "MCOS", kind))
    return element(MATRIX, body + matrix("", (1, 1), element(UINT32, bytes(4)), code=13))


def compressed(data: bytes, *, level: int = 9) -> bytes:
    squeezed = zlib.compress(data, level)
    return struct.pack("<II", COMPRESSED, len(squeezed)) + squeezed


@contextmanager
def version_73(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file behind the header that MATLAB puts before it."""
    with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:
        yield file
    with path.open("r+b") as handle:
        handle.write(header(b"\x00\x02IM", "MATLAB 7.3 MAT-file, made by a test"))


def put(parent: h5py.Group, name: str, value: Any, *, bare: bool = False, **options: Any) -> h5py.Dataset | h5py.Group:
    """Store a value as MATLAB does: turned over, with its class; lists are cells, mappings structs, lists of them in `Structs`."""
    file = parent.file
    if isinstance(value, Mapping):
        made: Any = parent.create_group(name)
        for field, inner in value.items():
            put(made, field, inner)
        kind = "struct"
    elif isinstance(value, Structs):
        made, kind = parent.create_group(name), "struct"
        for field in value.records[0]:
            references(made, field, [refer(file, record[field]) for record in value.records])
    elif isinstance(value, list):
        made, kind = references(parent, name, [refer(file, item) for item in value]), "cell"
    elif isinstance(value, str):
        made, kind = parent.create_dataset(name, data=np.frombuffer(value.encode("utf-16-le"), "<u2").reshape(-1, 1)), "char"
        made.attrs["MATLAB_int_decode"] = np.int32(2)
    else:
        array = np.atleast_2d(np.asarray(value))
        kind = {"bool": "logical", "float64": "double", "float32": "single"}.get(array.dtype.name, array.dtype.name)
        made = parent.create_dataset(name, data=(array.astype("u1") if kind == "logical" else array).T, **options)
    if not bare:
        made.attrs["MATLAB_class"] = np.bytes_(kind)
    return made


class Structs:
    """An array of structs."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = records


def refer(file: h5py.File, value: Any) -> h5py.Reference:
    group = file.require_group("#refs#")
    return put(group, f"r{len(group)}", value).ref


def references(parent: h5py.Group, name: str, refs: list[h5py.Reference]) -> h5py.Dataset:
    made = parent.create_dataset(name, (len(refs), 1), h5py.ref_dtype)
    for at, ref in enumerate(refs):
        made[at, 0] = ref
    return made


def classed(parent: h5py.Group, name: str, kind: str, build: Callable[[h5py.Group, str], h5py.Dataset]) -> h5py.Dataset:
    """A dataset made by `build`, with a class noted."""
    made = build(parent, name)
    made.attrs["MATLAB_class"] = np.bytes_(kind)
    return made
