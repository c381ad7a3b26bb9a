"""Reports: one self-contained HTML file that opens anywhere, without a network and without a script.

A report is a value: title, verdict, key numbers with intervals, sections made of blocks, and what it does not
show. `render` escapes every text; the only markup taken as it is comes from `arc.kit.figures`. The page forbids
itself scripts and the network by a content policy, follows the reader's light or dark setting, prints, and
reads on a telephone. All reports of the house are made here; recipes say what stands in them.
"""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from arc.core.errors import BadData
from arc.kit.figures import Svg

Tone = Literal["plain", "good", "bad"]
_IMAGE_TYPES: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


@dataclass(frozen=True)
class Number:
    """A key number, with its interval when it has one."""

    label: str
    value: float | int | str | None  # None is shown as not available, with the note as the reason
    low: float | None = None
    high: float | None = None
    note: str = ""
    digits: int = 3
    bounds: tuple[float, float] = (0.0, 1.0)  # of the small bar that shows the interval


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A drawing with a caption; several in a row share a line where there is room."""

    svg: Svg
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under column names; numbers stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    digits: int = 3  # after the point


@dataclass(frozen=True)
class Tile:
    """One picture of a grid: PNG or JPEG bytes, a line below it, and a word for those who do not see it."""

    image: bytes
    caption: str
    alt: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class ImageGrid:
    """Pictures side by side."""

    tiles: Sequence[Tile]
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy: one click selects all of it."""

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values, such as a configuration."""

    pairs: Sequence[tuple[str, Any]]


Block = Text | Figure | Table | ImageGrid | Code | Facts


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]
    intro: str = ""


@dataclass(frozen=True)
class Report:
    """All of a report."""

    title: str
    verdict: str  # one sentence that a reader in a hurry takes away
    tone: Tone = "plain"
    subtitle: str = ""
    numbers: Sequence[Number] = ()
    sections: Sequence[Section] = ()
    not_shown: Sequence[str] = ()  # what the reader must not conclude, a sentence each
    footer: Sequence[str] = ()


def render(report: Report) -> str:
    """The report as HTML; BadData when a picture is neither PNG nor JPEG."""
    return _environment().get_template("report.html").render(report=report)


def write(path: Path, report: Report) -> None:
    """Write the HTML of a report to a file."""
    path.write_text(render(report), encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("arc.kit"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"shown": shown, "uri": _uri, "markup": _markup, "bar": _bar, "numeric_columns": _numeric_columns}
    environment.tests |= {cls.__name__.lower(): _is_a(cls) for cls in (Text, Figure, Table, ImageGrid, Code, Facts)}
    return environment


def _is_a(cls: type) -> Any:
    return lambda value: isinstance(value, cls)


def shown(value: Any, digits: int | None = None, grouped: bool = True) -> str:
    """A value as people read it: floats with the digits that matter, thousands apart if `grouped`, a dash for nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        small = value != 0 and digits is not None and abs(value) < 0.5 * 10**-digits  # would be shown as nothing
        text = f"{value:.4g}" if digits is None or small else f"{value:.{digits}f}"
        return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if grouped and abs(value) >= 10_000 else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(shown(item, digits, grouped) for item in value)
    return str(value)


def _numeric_columns(table: Table) -> set[int]:
    """The columns that hold numbers or nothing, and at least one number."""
    columns = list(zip(*table.rows, strict=True))
    return {index for index, cells in enumerate(columns) if any(map(_is_number, cells)) and all(c is None or _is_number(c) for c in cells)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _uri(image: bytes) -> str:
    for signature, media_type in _IMAGE_TYPES:
        if image.startswith(signature):
            return f"data:{media_type};base64,{base64.b64encode(image).decode()}"
    raise BadData("a picture of a report must be PNG or JPEG", field="image")


def _markup(svg: Svg) -> Markup:
    return Markup(svg.markup)  # noqa: S704 (made by arc.kit.figures, which escapes its texts)


def _bar(number: Number) -> dict[str, float] | None:
    """Where the interval and the value lie on the bar, in percent; None when there is nothing to show."""
    least, most = number.bounds
    if not isinstance(number.value, int | float) or number.low is None or number.high is None or not most > least:
        return None
    at, low, high = (100 * min(1.0, max(0.0, (float(value) - least) / (most - least))) for value in (number.value, number.low, number.high))
    return {"at": round(at, 2), "low": round(low, 2), "width": round(max(high - low, 0.5), 2)}
