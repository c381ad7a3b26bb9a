"""Archives as bytes, honest and hostile, and the one way in which the tests unpack them."""

import io
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc.core.errors import BadData, InvalidSpec, TooLarge
from arc.data.archive import Unpacked, unpack
from arc.data.members import Limits
from arc.kit import sandbox

SMALL = Limits(bytes_out=2_000_000, files=50, ratio_from=100_000)


def take(tmp_path: Path, data: bytes, *, limits: Limits = SMALL, name: str = "a.bin", nested: int = 0) -> Unpacked:
    """Unpack bytes; whatever happens, nothing may lie outside of the folder, nor in it after a failure."""
    work = tmp_path / "work"
    work.mkdir(parents=True)
    source = work / name
    source.write_bytes(data)
    try:
        return unpack(source, work / "out", limits=limits, nested=nested)
    except BaseException as error:
        assert not (work / "out").exists()
        assert str(error).isprintable()
        raise
    finally:
        assert {path.name for path in work.iterdir()} <= {name, "out"}
        assert [path.name for path in tmp_path.iterdir()] == ["work"]
        for path in (work / "out").rglob("*"):
            mode = path.lstat().st_mode
            assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600)
            assert stat.S_ISDIR(mode) or stat.S_ISREG(mode)


def in_a_child(source: str, into: str, nested: int) -> list[Any]:
    """Unpack with the limits that users have; runs in the sandbox."""
    out = unpack(Path(source), Path(into), limits=Limits(), nested=nested)
    return [out.format, out.files, out.bytes]


def bounded(tmp_path: Path, data: bytes, *, nested: int = 0, memory_mb: int = 100) -> list[Any]:
    """Unpack in a child with 10 seconds of processor time and little memory; nothing is left after a failure."""
    source = tmp_path / "a.bin"
    source.write_bytes(data)
    try:
        return sandbox.parse(  # type: ignore[no-any-return]
            in_a_child,
            str(source),
            str(tmp_path / "out"),
            nested,
            cpu_s=10,
            memory_mb=memory_mb,
            timeout_s=120,
            write_mb=2500,
            what="archive",
        )
    except (BadData, TooLarge, InvalidSpec):
        assert not (tmp_path / "out").exists()
        raise


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, content in members:
            entry = zipfile.ZipInfo("placeholder") if isinstance(name, str) else name
            if isinstance(name, str):
                entry.filename, entry.compress_type = name, method  # as it is: the constructor would cut it at a NUL
            archive.writestr(entry, content)
    return data.getvalue()


def unix(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(bytes(member.size)))
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return data.getvalue()


def special(name: str, kind: bytes, *, link: str = "", mode: int = 0o644, **pax: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.pax_headers = kind, link, mode, pax
    return info


def header(name: bytes, *, kind: bytes = b"0", size: bytes = b"00000000000\0") -> bytes:
    """One TAR header as given, with a checksum that holds."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(record: bytes) -> bytes:
    """A pax header with this content, as it is."""
    return header(b"pax", kind=b"x", size=b"%011o\0" % len(record)) + record + bytes(-len(record) % 512)


def number(value: int) -> bytes:
    """A number as 7z writes it, in the longest form."""
    return bytes([value]) if value < 0x80 else b"\xff" + struct.pack("<Q", value)


def seven_zip_of(
    *members: tuple[str, bytes] | tuple[str, bytes | None, int], method: bytes = b"\0", properties: bytes = b"", **lies: Any
) -> bytes:
    """A 7z with all content in one pack, stored unless `packed` says otherwise; no content makes a folder.

    Lies: `packed` (bytes of the pack), `size` (of the pack), `count` (of members), `crc` (of every file), `anti`.
    """
    files = [(member[0], member[1], member[2] if len(member) > 2 else 0) for member in members]
    contents = [content for _, content, _ in files if content]
    whole = b"".join(contents)
    packed = lies.get("packed", whole)
    coder = bytes([len(method) | (0x20 if properties else 0)]) + method + (number(len(properties)) + properties if properties else b"")
    streams = b""
    if contents:
        sizes = b"".join(number(len(content)) for content in contents[:-1])
        crcs = b"".join(struct.pack("<I", lies.get("crc", zlib.crc32(content))) for content in contents)
        streams = b"\x04\x06\x00\x01\x09" + number(len(packed)) + b"\x00"
        streams += b"\x07\x0b\x01\x00\x01" + coder + b"\x0c" + number(lies.get("size", len(whole))) + b"\x00"
        streams += b"\x08\x0d" + number(len(contents)) + (b"\x09" + sizes if sizes else b"") + b"\x0a\x01" + crcs + b"\x00\x00"
    empty = [not content for _, content, _ in files]
    plain = [content is not None for _, content, _ in files if not content]
    names = "".join(name + "\0" for name, _, _ in files).encode("utf-16-le", "surrogatepass")
    properties_of = [(0x0E, _bits(empty)), (0x0F, _bits(plain)), (0x11, b"\0" + names), (0x19, b""), (0x19, b"\0\0")]
    properties_of.append((0x15, b"\1\0" + b"".join(struct.pack("<I", attribute) for _, _, attribute in files)))
    if "anti" in lies:
        properties_of.append((0x10, _bits([True] * len(plain))))
    said = b"".join(bytes([kind]) + number(len(content)) + content for kind, content in properties_of)
    directory = b"\x01" + streams + b"\x05" + number(lies.get("count", len(files))) + said + b"\0\0"
    return seven_zip(packed, directory)


def seven_zip(packed: bytes, directory: bytes) -> bytes:
    """A 7z of these two parts, with the checksums that the format wants."""
    start = struct.pack("<QQI", len(packed), len(directory), zlib.crc32(directory))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed + directory


def _bits(flags: Sequence[bool]) -> bytes:
    raw = bytearray((len(flags) + 7) // 8)
    for index, flag in enumerate(flags):
        raw[index >> 3] |= (0x80 >> (index & 7)) * flag
    return bytes(raw)
