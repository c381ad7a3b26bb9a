"""Output: what a command says, in one of two ways.

Results go to stdout; progress, notes and errors go to stderr. With `--json` stdout carries exactly one JSON
document, the result or `{"error": …}`, and no table. Piped output is not cut to the width of a terminal.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import typer
from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from arc.core.errors import ArcError

_PIPE_WIDTH = 240  # columns of a table that no terminal shows
_COLOURS = {
    "completed": "green",
    "ok": "green",
    "running": "cyan",
    "queued": "yellow",
    "pending": "yellow",
    "held": "yellow",
    "warn": "yellow",
    "failed": "red",
    "fail": "red",
    "cancelled": "magenta",
}


def stdout() -> Console:
    """The console of results."""
    return _console(stderr=False)


def stderr() -> Console:
    """The console of progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH, no_color=True)
    return console


def document(value: Any) -> None:
    """The one JSON document of a command called with `--json`."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Nouns, and whatever holds them, as what JSON can say."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """A table on stdout, nothing when it has no rows; columns in `right` are aligned to the right, states are coloured."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(item) for item in row))
    if shown.rows:
        _print(shown)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other on stdout; a value of None is left out."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            shown.add_row(name, _cell(value))
    _print(shown)


def _print(shown: Table) -> None:
    """The table as wide as the terminal allows; on a pipe without the blanks that fill its columns."""
    console = stdout()
    if console.is_terminal:
        console.print(shown)
        return
    with console.capture() as text:
        console.print(shown)
    typer.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def say(text: str) -> None:
    """One plain line on stdout, never wrapped."""
    stdout().print(escape(text), soft_wrap=True)


def note(text: str) -> None:
    """One line for the reader beside the result."""
    stderr().print(escape(text), style="dim", soft_wrap=True)


def complain(what: str, next_step: str | None = None) -> None:
    """An error on stderr: a line that says what is wrong, and one that says what to do next."""
    console = stderr()
    console.print(Text.assemble(("Error: ", "bold red"), printable(what)), soft_wrap=True)
    if next_step:
        console.print(Text(printable(next_step)), soft_wrap=True)


def sentence(error: ArcError) -> str:
    """What an error says, with the name of the field when the message does not hold it."""
    if error.field and error.field.rpartition(".")[2] not in error.message:
        return f"{error.field}: {error.message}"
    return error.message


def error_document(error: ArcError, *, next_step: str | None = None) -> None:
    """An error as the one JSON document."""
    value = error.value if isinstance(error.value, str | int | float | bool | None) else str(error.value)
    document({"error": {"code": error.kind, "detail": error.message, "field": error.field, "value": value, "next": next_step}})


def styled_state(state: str) -> Text:
    """A state in its colour."""
    return Text(state, style=_COLOURS.get(state, ""))


def printable(text: str) -> str:
    """`text` without the control characters by which a log or an error could steer a terminal; line ends and tabs stay."""
    return "".join(sign if sign in "\n\t" or sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    text = "" if value is None else printable(str(value))
    return styled_state(text) if text in _COLOURS else Text(text)


def seconds(value: float | None) -> str:
    """A duration as people write it: `8 s`, `4:05`, `2:03:00`."""
    if value is None:
        return ""
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(value: int) -> str:
    """Bytes as people write them: `812 B`, `1.5 MB`."""
    shown = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if shown < 1000:
            return f"{shown:.3g} {unit}"
        shown /= 1000
    return f"{shown:.3g} TB"


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if then is None:
        return ""
    value = max(0.0, (now - then).total_seconds())
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{int(value // size)} {name}"
    return f"{int(value)} s"


def number(value: object) -> str:
    """A metric with four significant digits; nothing for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.4g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
