"""MATLAB 7.3: the variables of a `.mat` file as `save -v7.3` writes it, which is HDF5.

HDF5 can do far more than MATLAB asks of it: datasets that are windows into other files, links to other files,
filters that are loaded as plug-ins, sizes that nothing stands behind. All of that is looked for, by h5py's low
level, before a value is read. Runs in the child of `arc.kit.sandbox`, for what is wrong in HDF5 itself.

The odd case: MATLAB counts down the columns, HDF5 along the rows, so every array here is turned over.
Cells and fields of struct arrays are references into the group `#refs#`; nothing is read there but by reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5i, h5l, h5o, h5r, h5s, h5t, h5z
from numpy.typing import NDArray

from arc.core.errors import ArcError
from arc.data.matlab_values import (
    DEEPEST,
    NUMBERS,
    Cells,
    Column,
    MatLimits,
    Node,
    Numbers,
    Other,
    Record,
    Text,
    bad,
    check_declared,
    kind_of,
    plain_name,
    refuse_opaque,
    size_of,
    too_large,
)

_OWN: Final = (b"#refs#", b"#subsystem#")  # where MATLAB keeps what variables refer to
_FILTERS: Final = frozenset({h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32})
_LAYOUTS: Final = frozenset({h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED})
_MOST_CHARACTERS: Final = 1 << 20
_CACHE: Final = 64 << 20  # bytes of chunks that are kept while slabs are cut from them
_LONGEST_CLASS: Final = 64
# What h5py raises on damaged files.
_DAMAGED = (OSError, RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, NotImplementedError)


@dataclass
class _Open:
    """A file while it is read, and how much of it has been looked at."""

    file: Any  # h5py.h5f.FileID
    limits: MatLimits
    objects: int = 0
    declared: int = 0  # bytes, of all arrays looked at


def columns(path: Path, limits: MatLimits) -> list[Column]:
    """The variables of the file, unread; BadData or TooLarge when one of them cannot be trusted."""
    for _ in range(h5py.h5pl.size()):
        h5py.h5pl.remove(0)  # no place is left from which HDF5 could load a plug-in
    try:
        opened = _Open(h5py.File(path, "r", rdcc_nbytes=_CACHE, locking=False).id, limits)
        root = h5g.open(opened.file, b"/")
        names = [name for name in _names(opened, root, limits.variables) if name not in _OWN]
        return [_column(opened, root, name) for name in names]
    except ArcError:
        raise
    except _DAMAGED as error:
        raise _unreadable("the file", error) from None


def _column(opened: _Open, root: Any, link: bytes) -> Column:
    name = plain_name(link.decode("utf-8", "replace"))
    target = _target(opened, root, link, name)
    kind = _class(target, name)
    shape = _shape(target) if isinstance(target, h5d.DatasetID) else (1, 1)

    def load() -> Node:
        try:
            return _node(opened, target, name, depth=0)
        except ArcError:
            raise
        except _DAMAGED as error:
            raise _unreadable(f"the variable {name}", error) from None

    return Column(name, kind, shape, load)


def _names(opened: _Open, group: Any, most: int) -> list[bytes]:
    """The names in a group."""
    if len(group) > most + len(_OWN):
        raise too_large(f"a group of it holds {len(group):,} names; {most:,} are read")
    return list(group)


def _target(opened: _Open, group: Any, link: bytes, name: str) -> Any:
    """The group or dataset of this name, looked over; BadData when it lies anywhere but here."""
    if group.links.get_info(link).type != h5l.TYPE_HARD:
        raise bad(f"the variable {name} is a link to another place or file; links are not followed")
    return _checked(opened, h5o.open(group, link), name)


def _checked(opened: _Open, target: Any, name: str) -> Any:
    """A dataset or group that is safe to read."""
    opened.objects += 1
    if opened.objects > opened.limits.objects:
        raise too_large(f"it holds more than {opened.limits.objects:,} cells, fields and arrays")
    if isinstance(target, h5g.GroupID):
        return target
    if not isinstance(target, h5d.DatasetID):
        raise bad(f"the variable {name} is neither an array nor a struct")
    made = target.get_create_plist()
    if made.get_layout() not in _LAYOUTS:
        raise bad(f"the variable {name} is a virtual dataset, a window into other files; that is not read")
    if made.get_external_count():
        raise bad(f"the values of {name} lie in another file (external storage); that is not read")
    filters = [made.get_filter(at)[0] for at in range(made.get_nfilters())]
    if not _FILTERS.issuperset(filters):
        raise bad(f"{name} is packed with filter {min(set(filters) - _FILTERS)}; gzip, shuffle and fletcher32 are read")
    if target.get_space().get_simple_extent_type() != h5s.SIMPLE:
        raise bad(f"{name} is no array")
    each = target.get_type().get_size()
    if made.get_layout() == h5d.CHUNKED and size_of(made.get_chunk()) * each > opened.limits.chunk_bytes:
        raise too_large(f"{name} is stored in chunks of {size_of(made.get_chunk()) * each:,} bytes; {opened.limits.chunk_bytes:,} are read")
    opened.declared += size_of(target.shape) * each
    check_declared(opened.declared, opened.file.get_filesize(), opened.limits)
    return target


def _class(target: Any, name: str) -> str:
    """The class that MATLAB noted; BadData for objects and functions, and for files MATLAB did not write."""
    if h5a.exists(target, b"MATLAB_sparse"):
        return "sparse"
    if not h5a.exists(target, b"MATLAB_class"):
        raise bad(f"{name} has no MATLAB_class, so it was not written by MATLAB and the order of its axes is unknown")
    noted = h5a.open(target, b"MATLAB_class")
    kind = noted.get_type()
    if (
        not isinstance(kind, h5t.TypeStringID)
        or kind.is_variable_str()
        or kind.get_size() > _LONGEST_CLASS
        or noted.get_space().get_simple_extent_npoints() != 1
    ):
        raise bad(f"the MATLAB_class of {name} is no short text")
    value = np.empty(noted.shape, noted.dtype)
    noted.read(value)
    said = bytes(value.ravel()[0]).decode("ascii", "replace")
    if not (said in NUMBERS or said in {"char", "cell", "struct"}) or h5a.exists(target, b"MATLAB_object_decode"):
        raise refuse_opaque(name, said)
    return said


def _shape(target: Any) -> tuple[int, ...]:
    return tuple(reversed(target.shape))


def _node(opened: _Open, target: Any, name: str, *, depth: int) -> Node:
    kind = _class(target, name)
    if kind == "sparse" or depth > DEEPEST:
        return Other(kind, ())
    if isinstance(target, h5g.GroupID):
        return _struct(opened, target, name, depth=depth)
    shape = _shape(target)
    if h5a.exists(target, b"MATLAB_empty"):  # then the values are the sides
        return Text(()) if kind == "char" else Cells((0, 0), ()) if kind in {"cell", "struct"} else Numbers(kind, (0, 0), _nothing)
    if kind == "cell":
        items = _referred(opened, target, name)
        return Cells(shape, tuple(_node(opened, item, f"{name}{{{at}}}", depth=depth + 1) for at, item in enumerate(items, 1)))
    if kind == "char":
        return _text(target, name)
    found = kind_of(target.dtype.newbyteorder("=")) if target.get_type().get_class() in {h5t.INTEGER, h5t.FLOAT} else None
    if found is None or not shape:
        return Other(f"complex {kind}", shape)
    if found != ("uint8" if kind == "logical" else kind):
        raise bad(f"{name} says that it is {kind}, but its values are {found}")
    return Numbers(kind, shape, _taking(target, kind))


def _taking(target: Any, kind: str) -> Any:
    dataset = h5py.Dataset(target)

    def take(axis: int, begin: int, end: int) -> NDArray[Any]:
        window = [slice(None)] * dataset.ndim
        window[dataset.ndim - 1 - axis] = slice(begin, end)
        try:
            values = np.asarray(dataset[tuple(window)]).T
        except _DAMAGED as error:
            raise _unreadable("an array", error) from None
        return values.astype(bool) if kind == "logical" else values

    return take


def _nothing(axis: int, begin: int, end: int) -> NDArray[Any]:
    return np.empty((0, 0))


def _struct(opened: _Open, group: Any, name: str, *, depth: int) -> Node:
    """A group is a struct; where its fields are bare references it is an array of structs."""
    fields: dict[str, Node] = {}
    listed: dict[str, list[Any]] = {}
    for link in _names(opened, group, opened.limits.variables):
        inner = link.decode("utf-8", "replace")
        target = _target(opened, group, link, f"{name}.{inner}")
        if isinstance(target, h5d.DatasetID) and not h5a.exists(target, b"MATLAB_class"):
            listed[inner] = list(_referred(opened, target, f"{name}.{inner}"))
        else:
            fields[inner] = _node(opened, target, f"{name}.{inner}", depth=depth + 1)
    if not listed:
        return Record(fields)
    counts = {len(items) for items in listed.values()}
    if fields or len(counts) > 1:
        raise bad(f"the fields of the struct array {name} do not have the same number of elements")
    count = counts.pop()
    records = [
        Record({inner: _node(opened, items[at], f"{name}({at + 1}).{inner}", depth=depth + 1) for inner, items in listed.items()})
        for at in range(count)
    ]
    return Cells((1, count), tuple(records))


def _referred(opened: _Open, target: Any, name: str) -> Iterator[Any]:
    """What the references of a dataset point at, each looked over."""
    kind = target.get_type()
    if kind.get_class() != h5t.REFERENCE or not kind.equal(h5t.STD_REF_OBJ):
        raise bad(f"{name} holds no references to objects of this file")
    if size_of(target.shape) > opened.limits.objects:
        raise too_large(f"{name} holds {size_of(target.shape):,} cells; {opened.limits.objects:,} are read")
    references = np.empty(target.shape, h5py.ref_dtype)
    target.read(h5s.ALL, h5s.ALL, references)
    for at, reference in enumerate(references.ravel(), 1):
        item = h5r.dereference(reference, opened.file) if reference else None
        if item is None or h5i.get_file_id(item) != opened.file:
            raise bad(f"{name}{{{at}}} refers to nothing in this file")
        yield _checked(opened, item, f"{name}{{{at}}}")


def _text(target: Any, name: str) -> Text:
    shape = _shape(target)
    if len(shape) != 2 or size_of(shape) > _MOST_CHARACTERS or target.dtype.newbyteorder("=") != np.dtype(np.uint16):
        raise bad(f"{name} is no text of MATLAB: {'x'.join(map(str, shape))} of {target.dtype}")
    units = np.empty(target.shape, np.uint16)
    target.read(h5s.ALL, h5s.ALL, units)
    return Text(tuple(row.astype("<u2").tobytes().decode("utf-16-le", "replace") for row in units.T))


def _unreadable(what: str, error: Exception) -> ArcError:
    return bad(f"{what} cannot be read: {ascii(str(error))[1:-1][:160] or type(error).__name__}")
