"""Trees of files to recognise, and tables as clinics write them."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import openpyxl

from arc.data.layout import Layout, recognise


def plant(root: Path, files: Iterable[str] | Mapping[str, bytes | str]) -> Path:
    """Files below a root, empty unless given with their content."""
    given = files if isinstance(files, Mapping) else dict.fromkeys(files, b"")
    for name, content in given.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def workbook(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    """An XLSX with these rows."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def seen(root: Path, **asked: Any) -> Layout:
    """What a tree is taken for."""
    return recognise(root, most_files=1000, **asked)


def facts(layout: Layout, *names: str) -> dict[str, tuple[Any, ...]]:
    """These facts of each photograph, by the name of its file."""
    return {photo.file.rsplit("/", 1)[-1]: tuple(getattr(photo, name) for name in names) for photo in layout.photographs}


def masks(layout: Layout) -> dict[str, tuple[str, ...]]:
    """How the mask of each photograph is made, by the name of its file."""
    made = {photo.file.rsplit("/", 1)[-1]: photo.annotation for photo in layout.photographs}
    return {name: (each.kind, *(file.rsplit("/", 1)[-1] for file in each.files)) for name, each in made.items() if each}


def rezipped(path: Path, change: Mapping[str, bytes]) -> None:
    """A ZIP with some members changed or added."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()} | dict(change)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
