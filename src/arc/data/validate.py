"""data.validate: whether a dataset can be trusted, as JSON, as a page with pictures, and as a verdict kept with the version.

A registered version is checked against its tables; a folder that is not registered is read as `unpack` would read it, and
checked without splits unless it came with some. Every picture is decoded in the sandbox, all of them and not the first
ten. The job completes whatever it found: `passed` says the verdict.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arc.artifacts import digest_file
from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import checks, layout, leakage, look, manifest, tables, validation_page
from arc.data.checks import Check, Finding, Item, Subject
from arc.data.judge_spec import ValidateParams
from arc.data.manifest import Row
from arc.data.names import CLASSES
from arc.data.parallel import each
from arc.data.publish import version_of
from arc.data.splits import SPLITS
from arc.kit import report
from arc.kit.documents import save_json

_SHOWN = 200  # findings of a check in the JSON; the number of all is told


def run(ctx: RunContext, params: ValidateParams) -> Done:
    """Validate the version or the folder; BadData when neither or both are given, or the folder cannot be read as a dataset."""
    subject = _subject(ctx, params)
    ctx.phase("compare")
    found = list(_checked(subject, params, seed=ctx.seed))
    said = summary(subject, found)
    ctx.phase("report")
    save_json(ctx, "validation.json", "result", said, ascii_only=False)
    page = validation_page.page(subject, found, max_megapixels=params.max_megapixels)
    ctx.save("validation.html", "report", lambda path: report.write(path, page))
    failed = [check.name for check in found if not check.passed]
    warned = sum(len(check.warnings) for check in found)
    return Done(
        metrics={"passed": float(not failed), "failed_checks": len(failed), "warnings": warned, "images": len(subject.items)}, result=said
    )


def _checked(subject: Subject, params: ValidateParams, *, seed: int) -> Iterator[Check]:
    expected = checks.Expected(params.expected_width, params.expected_height, params.min_per_class, params.max_imbalance)
    yield from checks.all_of(subject, expected)
    if params.check_splits:
        yield from leakage.all_of(subject, shortcut_auc=params.shortcut_auc, seed=seed)


def summary(subject: Subject, found: list[Check]) -> dict[str, Any]:
    """The answer: passed, each check with what it examined and found, errors and warnings in words."""
    return {
        "dataset": subject.name,
        "task": subject.task,
        "passed": all(check.passed for check in found),
        "failed": [check.name for check in found if not check.passed],
        "validations": [_told(check) for check in found],
        "errors": [_words(check, one) for check in found for one in check.failures[:20]],
        "warnings": [_words(check, one) for check in found for one in check.warnings[:20]],
    }


def _told(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "title": check.title,
        "passed": check.passed,
        "examined": check.examined,
        "failed": len(check.failures),
        "failures": [_plain(one) for one in check.failures[:_SHOWN]],
        "warned": len(check.warnings),
        "warnings": [_plain(one) for one in check.warnings[:_SHOWN]],
        **({} if check.value is None else {"value": check.value, "low": check.low, "high": check.high}),
    }


def _plain(finding: Finding) -> dict[str, Any]:
    return {"file": finding.file, "what": finding.what, "others": list(finding.others)}


def _words(check: Check, finding: Finding) -> str:
    also = f" (and {', '.join(finding.others[:3])})" if finding.others else ""
    return f"{check.name}: {f'{finding.file}: ' if finding.file else ''}{finding.what}{also}"


# --- what is validated --------------------------------------------------------------------------


def _subject(ctx: RunContext, params: ValidateParams) -> Subject:
    version, folder = ctx.optional("dataset"), ctx.optional("folder")
    if (version is None) == (folder is None):
        raise BadData("give exactly one of the inputs dataset and folder", field="inputs.dataset")
    ctx.phase("look")
    return _version(ctx, params, version) if version is not None else _folder(ctx, params)


def _version(ctx: RunContext, params: ValidateParams, given: ResolvedInput) -> Subject:
    version = version_of(given)
    troubles: list[tuple[str, str]] = []
    rows: list[tuple[str, Path, Row]] = []
    for split in SPLITS:
        file = Path(given.splits[split])
        troubles += tables.check(file)
        try:
            rows += [(split, file.parent, row) for row in manifest.read(file)]
        except BadData as error:
            troubles.append((file.name, error.message))
    places = [(folder / row.file, folder / row.mask if row.mask else None) for _, folder, row in rows]
    troubles += [
        (row.file, "is in the table and not on the disk") for (_, _, row), (path, _) in zip(rows, places, strict=True) if not path.is_file()
    ]
    seen = look.look(ctx, places, max_megapixels=params.max_megapixels)
    return Subject(
        name=version.ref,
        task=params.task_type or version.task,
        classes=version.classes,
        patients_known=version.patients_known,
        items=tuple(Item(split, row, *place, one) for (split, _, row), place, one in zip(rows, places, seen, strict=True)),
        counts=version.counts,
        about={"licence": version.licence, "source": version.source},
        troubles=tuple(troubles),
    )


def _folder(ctx: RunContext, params: ValidateParams) -> Subject:
    root = Path(ctx.input("folder").path)
    found = layout.recognise(root, most_files=params.max_files)
    places = [(root / photo.file, _plain_mask(root, photo)) for photo in found.photographs]
    seen = look.look(ctx, places, max_megapixels=params.max_megapixels)
    digests = each(ctx, [path for path, _ in places], _digest)
    known = all(photo.patient for photo in found.photographs)
    items = []
    for photo, place, one, digest in zip(found.photographs, places, seen, digests, strict=True):
        label = photo.label or ""
        mask = place[1].relative_to(root).as_posix() if place[1] else ""
        row = Row(
            file=photo.file,
            label=label,
            index=CLASSES.index(label) if label else -1,
            patient=(photo.patient if known else None) or photo.file,
            eye=photo.eye,
            site=photo.site,
            sha256=digest,
            bytes=one.bytes,
            mask=mask,
        )
        items.append(Item({"test": "sealed"}.get(photo.split, photo.split), row, *place, one))
    return Subject(
        name=params.dataset_name or root.name,
        task=params.task_type or found.task,
        classes=CLASSES if found.task == "classification" else (),
        patients_known=known,
        items=tuple(items),
        about={"licence": found.says.licence, "source": found.says.source},
    )


def _plain_mask(root: Path, photo: layout.Photograph) -> Path | None:
    """The mask where it is one picture of labels; others are made when the folder is unpacked."""
    annotation = photo.annotation
    return root / annotation.files[0] if annotation is not None and annotation.kind == "labels" else None


def _digest(path: Path) -> str:
    try:
        return digest_file(path)[0]
    except OSError:
        return f"unreadable {path.name}"
