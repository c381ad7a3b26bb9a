"""Fields: which variable of a MATLAB file holds the photographs, and which their masks, classes, patients and eyes.

A role is recognised by the name of a variable or field and by what it holds; photographs also by being the
only stack there is. Variables belong together when they hold as many values as there are photographs.
What could mean two things is refused with the alternatives, and a mapping of roles to names decides.

A struct array (or a cell array of structs) is read field by field: `data.image`. Structs in structs likewise.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from arc.core.errors import BadData, InvalidSpec
from arc.data.matlab_stacks import Reading, choose, readings
from arc.data.matlab_values import Cells, Column, Node, Numbers, Other, Record, Text, bad, listed, size_of

ROLES: Final = {
    "image": "image images img imgs i im ims photo photos photograph photographs picture pictures fundus rgb x data",
    "mask": "mask masks gt gts seg segs segmentation segmentations groundtruth groundtruths annotation annotations",
    "label": "label labels class classes diagnosis diagnoses y target targets",
    "patient": "patient patients patientid patientids subject subjects subjectid subjectids id ids pid",
    "eye": "eye eyes side laterality",
    "name": "name names file files filename filenames",
}
_ROLE_OF: Final = {alias: role for role, aliases in ROLES.items() for alias in aliases.split()}
AXES: Final = "axes"  # a mapping may also say how the sides of a stack are to be read, such as NHW
_ORDERS: Final = ("HW", "HWC", "HWN", "NHW", "HWCN", "NHWC")
_MAPPED: Final = ("image", "mask", "label", "patient", "eye")


@dataclass(frozen=True)
class Found:
    """Which columns play which role."""

    image: Column
    reading: Reading
    mask: Column | None
    label: Column | None
    patient: Column | None
    eye: Column | None
    warnings: tuple[str, ...]


def recognise(variables: Iterable[Column], mapping: Mapping[str, str]) -> Found:
    """The roles of the variables; BadData with the alternatives when they cannot be said for sure.

    `mapping`: role (image, mask, label, patient, eye) to variable; InvalidSpec when it names what is not there.
    """
    columns = [column for variable in variables for column in _flat(variable)]
    if not columns:
        raise bad("it holds no variable")
    mapped = _mapped(columns, mapping)
    if "image" in mapped and "." in mapped["image"].name:  # then only its own struct is asked for the other roles
        parent = mapped["image"].name.rpartition(".")[0] + "."
        columns = [column for column in columns if column.name.startswith(parent) or column in mapped.values()]
    free = [column for column in columns if column not in mapped.values()]
    sides = {role: [mapped[role]] if role in mapped else _named(free, role) for role in ("label", "patient", "eye", "name")}
    count = _count(sides)
    image, reading = _image([mapped["image"]] if "image" in mapped else free, count, mapping.get(AXES), columns)
    chosen = {role: _only(role, among, reading.count, image) for role, among in sides.items()}
    mask = mapped.get("mask") or _mask(free, image, reading)
    used = {column.name for column in [image, mask, *chosen.values()] if column is not None}
    warnings = [f"not read: {listed(rest)}"] if (rest := [column for column in columns if column.name not in used]) else []
    if chosen["name"] is not None:
        warnings.append(f"the names in {chosen['name'].name} are not kept; pictures are numbered in their order")
    return Found(image, reading, mask, chosen["label"], chosen["patient"], chosen["eye"], tuple(warnings))


def _flat(column: Column) -> Iterator[Column]:
    """The column itself, or what its structs are made of."""
    if column.kind not in {"cell", "struct"}:
        yield column
    else:
        yield from _opened(column.name, column.kind, column.shape, column.load())


def _opened(name: str, kind: str, shape: tuple[int, ...], node: Node) -> Iterator[Column]:
    if isinstance(node, Record):
        for field, inner in node.fields.items():
            yield from _opened(f"{name}.{_shown(field)}", *_kind(inner), inner)
    elif isinstance(node, Cells) and (records := [item for item in node.items if isinstance(item, Record)]):
        if len(records) != len(node.items) or any(record.fields.keys() != records[0].fields.keys() for record in records):
            raise bad(f"the cells of {name} are not all structs with the same fields")
        for field in records[0].fields:
            inner = Cells(node.shape, tuple(record.fields[field] for record in records))
            yield from _opened(f"{name}.{_shown(field)}", "cell", node.shape, inner)
    else:
        yield Column(name, kind, shape, lambda: node)


def _kind(node: Node) -> tuple[str, tuple[int, ...]]:
    match node:
        case Numbers() | Other():
            return node.kind, node.shape
        case Text():
            return "char", (len(node.rows), max(map(len, node.rows), default=0))
        case Cells():
            return "cell", node.shape
        case Record():
            return "struct", (1, 1)


def _shown(field: str) -> str:
    return ascii(field)[1:-1][:80]


def _mapped(columns: list[Column], mapping: Mapping[str, str]) -> dict[str, Column]:
    """The columns that the mapping names."""
    found = {}
    for role, name in mapping.items():
        if role == AXES:
            if name not in _ORDERS:
                raise InvalidSpec(
                    f"{ascii(name)[:40]} is no order of axes; known are {', '.join(_ORDERS)}", field="mapping.axes", value=name[:40]
                )
            continue
        if role not in _MAPPED:
            raise InvalidSpec(f"{ascii(role)[:40]} is no role; known are {', '.join(_MAPPED)} and {AXES}", field="mapping", value=role[:40])
        fits = [column for column in columns if column.name == name]
        fits = fits or [column for column in columns if column.name.rpartition(".")[0] == name and _role(column) == role]
        if len(fits) != 1:
            says = f"the mapping takes {role} from {ascii(name)[:80]}; there are {listed(columns)}"
            raise InvalidSpec(says, field=f"mapping.{role}", value=name[:80])
        found[role] = fits[0]
    return found


def _role(column: Column) -> str | None:
    return _ROLE_OF.get(column.name.rpartition(".")[2].casefold().replace("_", ""))


def _named(columns: list[Column], role: str) -> list[Column]:
    """The columns that by their name have the role, and hold a list of values."""
    return [column for column in columns if _role(column) == role and _length(column) is not None]


def _length(column: Column) -> int | None:
    """How many values a column holds, None when it is no list of values."""
    if column.kind == "char":
        node = column.load()
        return len(node.rows) if isinstance(node, Text) else None
    if column.kind in {"struct", "sparse"} or column.kind.startswith("complex"):
        return None
    size = size_of(column.shape)
    if size != max(column.shape, default=0) or not size:
        return None
    if column.kind == "cell":
        node = column.load()
        plain = isinstance(node, Cells) and all(
            isinstance(item, Text) or (isinstance(item, Numbers) and item.size <= 1) for item in node.items
        )
        return size if plain else None
    return size


def _count(sides: Mapping[str, list[Column]]) -> int | None:
    """How many photographs the lists of values speak of; BadData when they do not agree."""
    columns = [column for among in sides.values() for column in among]
    lengths = {length for column in columns if (length := _length(column)) is not None}
    if len(lengths) > 1 and all(len(among) <= 1 for among in sides.values()):
        raise bad(f"the variables do not hold the same number of values: {listed(columns)}")
    return lengths.pop() if len(lengths) == 1 else None


def _image(columns: list[Column], count: int | None, axes: str | None, everything: list[Column]) -> tuple[Column, Reading]:
    """The column with the photographs and how its sides are read."""
    able = {column.name: (column, found) for column in columns if (found := readings(column))}
    named = [pair for pair in able.values() if _role(pair[0]) == "image"]
    candidates = named or [pair for pair in able.values() if _role(pair[0]) is None or len(columns) == 1]
    if not candidates:
        raise bad(
            f"no variable holds photographs; it has {listed(everything)}. Read are HxWxN, HxWx3xN, NxHxW, NxHxWx3 and cells of pictures"
        )
    fitting = [(column, chosen) for column, found in candidates if (chosen := choose(found, count=count, axes=axes))]
    if not fitting:
        speaks = f"{count} values" if axes is None else f"the axes {axes}"
        raise bad(f"no variable holds photographs for {speaks}: {listed(everything)}")
    if len(fitting) > 1:
        raise bad(
            f"{len(fitting)} variables could hold the photographs: {listed(column for column, _ in fitting)}; a mapping of image decides"
        )
    column, chosen = fitting[0]
    if len(chosen) > 1:
        ways = ", ".join(f"{reading.order} ({reading.count} of {reading.height}x{reading.width})" for reading in chosen)
        raise bad(f"the sides of {column} can be read as {ways}; labels of that number or a mapping of axes decide")
    return column, chosen[0]


def _only(role: str, among: list[Column], count: int, image: Column) -> Column | None:
    """The one column with the role that has as many values as there are photographs."""
    fitting = [column for column in among if _length(column) == count]
    if among and not fitting:
        raise bad(f"{image.name} holds {count} photographs, but {role} is {listed(among)}")
    if len(fitting) > 1:
        raise _several(role, fitting)
    return fitting[0] if fitting else None


def _mask(columns: list[Column], image: Column, reading: Reading) -> Column | None:
    named = [column for column in columns if _role(column) == "mask" and column is not image and readings(column, empty=True)]
    fitting = [column for column in named if choose(readings(column, empty=True), count=reading.count)]
    if named and not fitting:
        raise bad(f"{image} holds {reading.count} photographs, but the masks are {listed(named)}")
    if len(fitting) > 1:
        raise _several("mask", fitting)
    return fitting[0] if fitting else None


def _several(role: str, columns: list[Column]) -> BadData:
    return bad(f"{len(columns)} variables could be the {role}: {listed(columns)}; a mapping of {role} decides")
