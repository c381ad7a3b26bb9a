"""What an offline run of W&B holds, read from its file as `wandb sync` would."""

from pathlib import Path
from typing import Any


def records(file: Path) -> list[Any]:
    """The records of a run: after 7 bytes, a log in the format of LevelDB (blocks of 32 KB; checksum, length, kind)."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, found, open_ = file.read_bytes(), 7, [], b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        open_ += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            found.append(Record.FromString(open_))
            open_ = b""
    return found


def artifacts(file: Path) -> dict[str, Any]:
    """The artifacts that a run registers, by name."""
    return {one.artifact.name: one.artifact for one in records(file) if one.HasField("artifact")}
