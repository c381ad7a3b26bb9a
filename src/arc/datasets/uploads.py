"""Uploads: a file that a browser or a client sends lands in `<workspace>/imports`, whole or not at all.

The name it was sent under is never a path: the file gets an id of the house and keeps only its suffix. What is in it is
looked at by `data.unpack` later, in a job. The parts of an upload that broke off are removed; a finished one stays until
a sweep finds it old.
"""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arc.core.clock import Clock
from arc.core.errors import InvalidSpec, NoSpace, TooLarge
from arc.core.ids import new_id

_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,8}){0,2}")
_SPARE_BYTES: Final = 1 << 30  # left free on the disk, for the control plane's own writes
_CHECK_EVERY: Final = 64 << 20  # bytes


@dataclass(frozen=True)
class Upload:
    """A file that arrived."""

    path: Path
    bytes: int
    sha256: str


async def receive(chunks: AsyncIterable[bytes], folder: Path, *, filename: str, most_bytes: int, clock: Clock) -> Upload:
    """Write the chunks to a new file in `folder`; TooLarge beyond `most_bytes`, NoSpace, InvalidSpec when nothing came."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    suffix = "".join(Path(filename[-64:]).suffixes[-2:])
    path = folder / f"{new_id('upload', clock)}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    part = path.with_name(f".{path.name}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > most_bytes:
                    raise TooLarge(f"the upload is larger than {most_bytes / 1e9:g} GB (max_upload_gb)", field="body")
                if size % _CHECK_EVERY < len(chunk) and shutil.disk_usage(folder).free < _SPARE_BYTES:
                    raise NoSpace("the disk has no room for this upload", field="body")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        if not size:
            raise InvalidSpec("the body is empty; send the bytes of the archive", field="body")
        part.rename(path)
    except OSError as error:
        raise NoSpace(f"the upload cannot be kept: {error.strerror}", field="body") from error
    finally:
        part.unlink(missing_ok=True)
    return Upload(path, size, digest.hexdigest())
