"""Kinds: what a file is by its first bytes, as far as archives go.

Names are not believed. The odd case: a spreadsheet, a document or a checkpoint is a ZIP too, and a
compressed volume (`scan.nii.gz`) is a gzip stream; among the members of an archive these are content.
"""

from pathlib import PurePosixPath
from typing import Final

HEAD: Final = 512  # bytes that are looked at: the first block of a TAR
READ: Final = "ZIP, 7z or TAR (plain, gz, bz2, xz or zst)"
_MAGIC: Final = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\x00", "tar.xz"),
    (b"\x28\xb5\x2f\xfd", "tar.zst"),
)
_SKIPPABLE: Final = tuple(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16))  # a Zstandard frame to pass over
_NOT_READ: Final = ((b"Rar!", "RAR"), (b"\x1f\x9d", "compress"), (b"\x5d\x00\x00", "LZMA"), (b"LZIP", "lzip"))
_STARTS: Final = (*(magic for magic, _ in _MAGIC), b"Rar!")
_ZIPPED_CONTENT: Final = frozenset(
    {".xlsx", ".xlsm", ".docx", ".docm", ".pptx", ".odt", ".ods", ".odp", ".epub", ".npz", ".pt", ".pth", ".jar", ".whl", ".ora", ".kra"}
)


def kind_of(head: bytes) -> str | None:
    """The format of an archive that begins like this, or None."""
    if head[257:262] == b"ustar" or _old_tar(head):
        return "tar"
    if head.startswith(_SKIPPABLE):
        return "tar.zst"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def unread_kind_of(head: bytes) -> str | None:
    """The name of an archive format that is not read here, or None."""
    return next((name for magic, name in _NOT_READ if head.startswith(magic)), None)


def may_be_nested(name: str, head: bytes) -> bool:
    """Whether a member of this name and beginning could be an archive rather than a document that happens to be zipped."""
    if not head.startswith(_STARTS) and head[257:262] != b"ustar" and not _old_tar(head):
        return False
    return PurePosixPath(name).suffix.casefold() not in _ZIPPED_CONTENT


def _old_tar(head: bytes) -> bool:
    """Whether a block is the header of a TAR from before ustar: its checksum holds."""
    stated = head[148:156].strip(b" \0")
    if not stated.isdigit() or len(head) < HEAD or not any(head[:100]):
        return False
    return not stated.strip(b"01234567") and int(stated, 8) == sum(head[:148]) + 256 + sum(head[156:HEAD])
