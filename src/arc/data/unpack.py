"""data.unpack: an archive or a folder of photographs becomes a dataset whose sealed patients nobody can reach.

Steps: members into a fresh folder (`archive`), what they are (`layout`), each picture decoded once in the
sandbox and written plain (`photographs`), patients to splits (`splits`), manifests. What trains goes to the
folder `dataset`, what judges to `sealed`; the engine puts both in their places when the job completes. When
anything is wrong, nothing is left of either.

Not covered: near-duplicates and other leaks between patients, which validation looks for.
"""

import shutil
from pathlib import Path
from typing import Any

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import archive, layout
from arc.data.ingest import Kept, convert
from arc.data.manifest import Row
from arc.data.members import Limits
from arc.data.names import CLASSES
from arc.data.publish import Facts, folder_of, publish
from arc.data.spec import UnpackParams
from arc.data.splits import Member, rule_in_words, split


def run(ctx: RunContext, params: UnpackParams) -> Done:
    """Make the dataset; BadData, TooLarge or NoSpace say what stands in the way."""
    source = Path(ctx.input("archive").path)
    unpacked, dataset, sealed = ctx.folder("unpacked"), ctx.folder("dataset"), ctx.folder("sealed")
    try:
        root, form, size = _open(ctx, params, source, unpacked)
        ctx.phase("look")
        found = layout.recognise(root, most_files=params.max_files, layout=params.layout, mapping=params.mapping)
        ctx.log("layout", name=found.name, photographs=len(found.photographs))
        kept = convert(ctx, params, root, found.photographs, into=unpacked / "converted")
        result = _publish(ctx, params, found, kept, dataset, sealed)
    except BaseException:
        shutil.rmtree(dataset, ignore_errors=True)
        shutil.rmtree(sealed, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return Done(metrics={"images": result["files"]}, result=result | {"format": form, "bytes_in": size})


def _open(ctx: RunContext, params: UnpackParams, source: Path, work: Path) -> tuple[Path, str, int]:
    """The folder to look at, the format of the source and its size in bytes."""
    if source.is_dir():
        return source, "folder", 0
    if not source.is_file():
        raise BadData("the archive is neither a file nor a folder", field="archive", value=source.name[:160])
    ctx.phase("unpack")
    limits = Limits(bytes_out=int(params.max_extracted_gb * 1e9), files=params.max_files)
    said = -1

    def tell(share: float) -> None:
        nonlocal said
        if ctx.should_stop():
            raise Cancelled("asked to stop while unpacking")
        if int(share * 20) != said:
            said = int(share * 20)
            ctx.progress(share, 1.0, unit="archive")

    out = archive.unpack(source, work / "members", limits=limits, tell=tell)
    ctx.log("unpacked", format=out.format, files=out.files, bytes=out.bytes)
    return work / "members", out.format, source.stat().st_size


def _publish(ctx: RunContext, params: UnpackParams, found: layout.Layout, kept: list[Kept], dataset: Path, sealed: Path) -> dict[str, Any]:
    """Split, move every picture to its place, and publish what came of it."""
    ctx.phase("split")
    known = all(photo.source.patient for photo in kept)
    patients = [photo.source.patient if known and photo.source.patient else photo.file for photo in kept]
    members = [
        Member(patient, photo.source.label or "", photo.sha256, photo.source.site, photo.source.split)
        for patient, photo in zip(patients, kept, strict=True)
    ]
    splits = split(members, params, seed=ctx.seed)
    rows = [
        (name, _placed(photo, patient, folder_of(name, dataset, sealed)))
        for photo, patient, name in zip(kept, patients, splits, strict=True)
    ]
    facts = Facts(
        dataset=params.name,
        task=found.task,
        layout=found.name,
        classes=CLASSES if found.task == "classification" else (),
        patients_known=known,
        split_rule=rule_in_words(params, patients_known=known, seed=ctx.seed),
        licence=params.licence or found.says.licence,
        source=params.source or found.says.source,
        parameters={"unpack": params.model_dump(mode="json", exclude={"name", "licence", "source"}) | {"seed": ctx.seed}},
        warnings=tuple(_warnings(found, kept, known)),
    )
    return publish(rows, facts, dataset=dataset, sealed=sealed, threads=ctx.threads)


def _placed(photo: Kept, patient: str, folder: Path) -> Row:
    """Move a converted picture and its mask below `folder`; returns its row."""
    for relative, converted in ((photo.file, photo.path), (photo.mask, photo.mask_path)):
        if relative and converted:
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            converted.rename(target)
    found = photo.source
    return Row(
        file=photo.file,
        label=found.label or "",
        index=CLASSES.index(found.label) if found.label else -1,
        patient=patient,
        eye=found.eye,
        site=found.site,
        sha256=photo.sha256,
        bytes=photo.bytes,
        mask=photo.mask,
        mask_sha256=photo.mask_sha256,
    )


def _warnings(found: layout.Layout, kept: list[Kept], known: bool) -> list[str]:
    said = list(found.warnings)
    if not known:
        said.append("patients are not known: two photographs of one patient may lie on both sides of the split")
    same: dict[str, list[Kept]] = {}
    for photo in kept:
        same.setdefault(photo.sha256, []).append(photo)
    for photos in same.values():
        if len(photos) > 1:
            names = ", ".join(ascii(photo.source.file) for photo in photos[:4])
            differ = " although their classes differ" if len({photo.source.label for photo in photos}) > 1 else ""
            said.append(f"{len(photos)} photographs are the same picture and stay in one split{differ}: {names}")
    return said
