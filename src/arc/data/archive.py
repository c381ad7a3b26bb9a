"""Archive: what kind it is, by content, and its members into a fresh folder, all of them or none.

Read: ZIP, 7z and TAR, the latter plain or in gzip, bzip2, xz or Zstandard; others are refused by their name.
Members are checked and written by `arc.data.members`. An archive inside the archive stays a file and is
reported, unless asked for: then it lands in a folder beside it, under the same limits, counted together.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from arc.core.errors import BadData, InvalidSpec, TooLarge
from arc.data import kinds, seven_zip, tar_reader, zip_reader
from arc.data.compressed import decompressed
from arc.data.members import CHUNK, FIELD, Landing, Limits

ARCHIVE_SUFFIXES: Final = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".tzst", ".7z", ".rar"})
MOST_NESTED: Final = 3  # levels of archives in archives


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive."""

    format: str  # zip, 7z, tar, tar.gz, tar.bz2, tar.xz, tar.zst
    files: int  # with those of the archives inside that were unpacked
    bytes: int
    nested_found: tuple[str, ...] = ()  # archives inside that were left as they are


def sniff(source: Path) -> str:
    """The format of an archive by its first bytes; BadData naming what is read when it is none of them."""
    with source.open("rb") as handle:
        head = handle.read(kinds.HEAD)
    form = kinds.kind_of(head)
    if form is not None:
        return form
    other = kinds.unread_kind_of(head)
    what = "empty" if not head else f"a {other} archive" if other else "no archive that is read here"
    raise BadData(f"the file is {what}; pack the photographs as {kinds.READ}", field=FIELD, value=source.name[:160])


def unpack(source: Path, into: Path, *, limits: Limits, tell: Callable[[float], None] | None = None, nested: int = 0) -> Unpacked:
    """Write the members of `source` into `into`, which must not exist; on any error nothing is left of it.

    `tell` hears the share of the work that is done, 0 to 1. `nested` levels of archives inside are unpacked too,
    each into a folder named as it is without its suffix. BadData, TooLarge and NoSpace as they apply; InvalidSpec
    for more levels than MOST_NESTED.
    """
    if not 0 <= nested <= MOST_NESTED:
        raise InvalidSpec(f"archives in archives are unpacked to at most {MOST_NESTED} levels", field="nested", value=nested)
    form = sniff(source)
    said = _Progress(tell)
    try:
        with Landing(into, limits, bytes_in=source.stat().st_size) as landing:
            _extract(source, form, landing, said)
            if not landing.files:
                raise BadData("the archive holds no file", field=FIELD)
            for _ in range(nested):
                _unpack_inside(into, landing, said)
            left = tuple(name for name in landing.archives if _is_archive(into / name))
            return Unpacked(form, landing.files, landing.bytes_out, left)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise


class _Progress:
    """Bytes of archives read, of all that are known so far; it never goes back."""

    def __init__(self, tell: Callable[[float], None] | None) -> None:
        self._tell = tell
        self._before = 0  # bytes of archives that are done
        self._known = 0
        self._said = 0.0

    def expect(self, size: int) -> None:
        self._known += size

    def finished(self, size: int) -> None:
        self._before += size

    def at(self, position: int) -> None:
        if self._tell is not None:
            self._said = max(self._said, min((self._before + position) / self._known, 1.0))
            self._tell(self._said)


def _extract(source: Path, form: str, landing: Landing, said: _Progress) -> None:
    size = source.stat().st_size
    said.expect(size)
    with source.open("rb", buffering=CHUNK) as handle:
        if form == "zip":
            zip_reader.extract(handle, landing, tell=lambda: said.at(handle.tell()))
        elif form == "7z":
            seven_zip.extract(handle, landing, tell=lambda: said.at(handle.tell()))
        else:
            tar_reader.extract(decompressed(handle, form), landing, tell=lambda: said.at(handle.tell()))
    said.finished(size)
    said.at(0)


def _unpack_inside(into: Path, landing: Landing, said: _Progress) -> None:
    """Unpack the archives that are known so far, each beside itself; those found meanwhile are the next level."""
    found = [name for name in landing.archives if _is_archive(into / name)]
    landing.archives.clear()
    for name in found:
        try:
            with landing.inside(_folder_for(name)):
                _extract(into / name, sniff(into / name), landing, said)
        except (BadData, TooLarge) as error:
            raise type(error)(f"in {name!a}: {error.message}", field=FIELD, value=error.value) from error


def _folder_for(name: str) -> str:
    """The name of an archive without its suffix, or with another one when it has none."""
    path = PurePosixPath(name)
    plain = path
    while plain.suffix.casefold() in ARCHIVE_SUFFIXES and plain.stem:
        plain = plain.with_suffix("")
    return str(plain if plain != path else path.with_name(path.name + ".unpacked"))


def _is_archive(path: Path) -> bool:
    """Whether a file is an archive, and not one compressed file such as a volume; damage counts as an archive."""
    with path.open("rb") as handle:
        form = kinds.kind_of(handle.read(kinds.HEAD))
        if form is None or not form.startswith("tar."):
            return True
        handle.seek(0)
        return _holds_tar(handle, form)


def _holds_tar(handle: IO[bytes], form: str) -> bool:
    try:
        return kinds.kind_of(decompressed(handle, form).read(kinds.HEAD)) == "tar"
    except BadData:
        return True
