"""data.register: a folder in a standard layout becomes a version as it is: hashed, named a second time, never converted.

Only JPEG and PNG photographs and PNG masks of labels are taken, by their first bytes; what needs converting is for
`unpack`, and whether every picture decodes is for `validate`, which says so before anybody trains on it. Where the
disk allows it a file gets a second name in place of a copy; whoever then edits it in its old place changes the version
too, which its seal notices before the next use.
"""

import hashlib
import io
import posixpath
from pathlib import Path
from typing import Final

from arc.core.errors import BadData
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import layout
from arc.data.assemble import assemble
from arc.data.ingest import Kept, plain_names
from arc.data.parallel import each
from arc.data.publish import link, version_folders
from arc.data.spec import RegisterParams
from arc.data.tree import Photograph

_STARTS: Final = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_CHUNK: Final = 1 << 18
_AT_ONCE: Final = 16  # files that go to a thread together


def run(ctx: RunContext, params: RegisterParams) -> Done:
    """Register the folder; BadData naming the first file that cannot be taken as it is."""
    root = Path(ctx.input("folder").path)
    if not root.is_dir():
        raise BadData("what is registered is a folder; an archive is unpacked (data.unpack)", field="folder", value=root.name[:160])
    with version_folders(ctx) as (dataset, sealed):
        ctx.phase("look")
        found = layout.recognise(root, most_files=params.max_files, layout=params.layout, mapping=params.mapping)
        ctx.phase("hash")
        names = plain_names(found.photographs)
        kept = each(ctx, list(zip(found.photographs, names, strict=True)), lambda pair: _kept(root, *pair), at_once=_AT_ONCE)
        step = {"register": params.model_dump(mode="json", exclude={"name", "licence", "source", "description"}) | {"seed": ctx.seed}}
        result = assemble(ctx, kept, found, asked=params, rule=params, step=step, place=link, dataset=dataset, sealed=sealed)
    return Done(metrics={"images": result["files"]}, result=result)


def _kept(root: Path, photo: Photograph, name: str) -> Kept:
    path, mask = f"{root}/{photo.file}", _mask(root, photo)
    suffix, digest, size = _hashed(path, photo.file)
    folder = f"{photo.label}/" if photo.label else ""
    return Kept(
        source=photo,
        file=f"images/{folder}{name}{suffix}",
        mask=f"masks/{folder}{name}.png" if mask else "",
        path=path,
        mask_path=mask,
        sha256=digest,
        mask_sha256=_hashed(mask, posixpath.basename(mask))[1] if mask else "",
        bytes=size,
    )


def _mask(root: Path, photo: Photograph) -> str | None:
    if photo.annotation is None:
        return None
    file = photo.annotation.files[0]
    if photo.annotation.kind != "labels" or not file.casefold().endswith(".png"):
        raise BadData(
            f"{file!a}: a mask that has to be made or converted first; unpack the folder instead (data.unpack)",
            field="folder",
            value=file[:160],
        )
    return f"{root}/{file}"


def _hashed(path: str, file: str) -> tuple[str, str, int]:
    """The suffix that the first bytes call for, the SHA-256 and the size; BadData for what is neither JPEG nor PNG."""
    digest = hashlib.sha256()
    try:
        with io.FileIO(path) as handle:
            chunk = handle.read(_CHUNK)
            suffix = next((suffix for start, suffix in _STARTS.items() if chunk.startswith(start)), None)
            if suffix is None:
                raise BadData(
                    f"{file!a} is neither JPEG nor PNG; unpack the folder instead (data.unpack)", field="folder", value=file[:160]
                )
            size = 0
            while chunk:
                digest.update(chunk)
                size += len(chunk)
                chunk = handle.read(_CHUNK)
    except OSError as error:
        raise BadData(f"{file!a} cannot be read: {error.strerror}", field="folder", value=file[:160]) from None
    return suffix, digest.hexdigest(), size
