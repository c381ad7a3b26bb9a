"""Scalars: what a script writes about itself, read as it grows.

A `Table` is a CSV file with a header (also the one that is written anew at each epoch) or lines of JSON; only whole
lines are read. A line that cannot be read is passed over: it is a stranger's file, and no reason to end a training.
"""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_STEPS: Final = ("step", "global_step", "iteration", "iter", "epoch")
_PIECE: Final = 4 << 20
_COLUMNS: Final = 200

Point = tuple[int, dict[str, float]]


class Table:
    """One file of scalars, and how far it was read."""

    def __init__(self, path: Path, step: str = "") -> None:
        self._path = path
        self._step = step
        self._offset = 0
        self._header: list[str] | None = None
        self._rows = 0
        self._last = -1  # the last step told of: a file that is written anew tells the old ones again

    def new(self) -> Iterator[Point]:
        """The points that were written since the last look."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset, self._header, self._rows = 0, None, 0
                while True:
                    file.seek(self._offset)
                    whole, newline, _ = file.read(_PIECE).rpartition(b"\n")
                    if not newline:
                        return
                    self._offset += len(whole) + 1
                    for line in whole.decode("utf-8", "replace").splitlines():
                        yield from self._point(line)
        except OSError:
            return  # gone again

    def _point(self, line: str) -> Iterator[Point]:
        values = self._json(line) if self._path.suffix == ".jsonl" else self._csv(line)
        if not values:
            return
        self._rows += 1
        name = next((name for name in ((self._step,) if self._step else _STEPS) if name in values), None)
        step = values.pop(name) if name else float(self._rows)
        values = dict(list(values.items())[:_COLUMNS])
        if values and math.isfinite(step) and 0 <= step < 2**53 and step >= self._last:
            self._last = int(step)
            yield int(step), values

    def _json(self, line: str) -> dict[str, float]:
        try:
            found: Any = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        return {str(name): float(value) for name, value in found.items() if _number(value)} if isinstance(found, dict) else {}

    def _csv(self, line: str) -> dict[str, float]:
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            return {}
        if self._header is None:
            self._header = [cell.strip().lstrip("\ufeff") for cell in cells]
            return {}
        found = {}
        for name, cell in zip(self._header, cells, strict=False):
            try:
                found[name] = float(cell)
            except ValueError:
                continue  # a word, or an empty cell
        return found


def _number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53)
