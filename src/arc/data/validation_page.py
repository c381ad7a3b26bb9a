"""The page of a validation: the verdict, a line for every check, and the pictures that each finding is about."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from arc.data import look
from arc.data.checks import Check, Finding, Subject
from arc.kit.report import Block, ImageGrid, Number, Report, Section, Table, Text, Tile

_PICTURES: Final = 8  # findings of a check that are shown
_TABLE: Final = 50  # and listed
_SIDE_PX: Final = 200


def page(subject: Subject, found: list[Check], *, max_megapixels: float) -> Report:
    """The report of a validation."""
    failed = [check for check in found if not check.passed]
    warned = [check for check in found if check.passed and check.warnings]
    files = {item.row.file: item.path for item in subject.items} | {item.row.mask: item.mask for item in subject.items if item.mask}
    pictures = _pictures([*failed, *warned], files, max_megapixels)
    verdict = (
        f"{subject.name} holds: {len(found)} checks passed."
        if not failed
        else f"{subject.name} is not to be trained on: {', '.join(check.title for check in failed)} failed."
    )
    return Report(
        title=f"Validation of {subject.name}",
        verdict=verdict + (f" {len(warned)} of them warn." if warned else ""),
        tone="bad" if failed else "good",
        subtitle=f"{len(subject.items):,} photographs for {subject.task}",
        numbers=_numbers(subject, found),
        sections=[_overview(found), *(_section(check, pictures) for check in [*failed, *warned])],
        not_shown=[
            "That labels are right: no check can tell a wrong label from a rare one.",
            "That the photographs are like those of another clinic: compare them by arc data drift.",
            *([] if subject.patients_known else ["That a patient is in one split: patients are not known here."]),
        ],
    )


def _numbers(subject: Subject, found: list[Check]) -> list[Number]:
    shortcuts = [check for check in found if check.value is not None]
    return [
        Number("photographs", len(subject.items)),
        Number("checks passed", f"{sum(check.passed for check in found)} of {len(found)}"),
        Number("warnings", sum(len(check.warnings) for check in found)),
        *(Number(f"AUC of {check.name.partition('.')[2]} alone", check.value, check.low, check.high) for check in shortcuts),
    ]


def _overview(found: list[Check]) -> Section:
    rows = [(check.name, check.title, check.examined, len(check.failures), len(check.warnings), _answer(check)) for check in found]
    return Section("Checks", [Table(("check", "question", "examined", "failures", "warnings", "answer"), rows)])


def _answer(check: Check) -> str:
    if not check.passed:
        return "failed"
    return "passed" if check.examined else "not asked"


def _section(check: Check, pictures: Mapping[str, bytes]) -> Section:
    told = _told(check)
    rows = [(kind, one.file, one.what, ", ".join(one.others)) for kind, one in told[:_TABLE]]
    blocks: list[Block] = [
        Table(("kind", "file", "what", "and"), rows, caption=f"{len(rows)} of {len(told)}" if len(told) > len(rows) else "")
    ]
    tiles = [Tile(pictures[file], file, alt=one.what) for _, one in told[:_PICTURES] for file in _about(one) if file in pictures]
    if tiles:
        blocks.append(ImageGrid(tiles))
    if len(told) > _PICTURES and tiles:
        blocks.append(Text(f"Pictures of the first {_PICTURES} findings."))
    return Section(check.title, blocks, intro=check.name)


def _pictures(found: list[Check], files: Mapping[str, Path], max_megapixels: float) -> dict[str, bytes]:
    """The small pictures of what the first findings of each check are about, by file; none where the sandbox could not make them."""
    wanted = {file for check in found for _, one in _told(check)[:_PICTURES] for file in _about(one) if file in files}
    made = look.small_pictures({files[file] for file in wanted}, side_px=_SIDE_PX, max_megapixels=max_megapixels)
    return {file: made[files[file]] for file in wanted if files[file] in made}


def _told(check: Check) -> list[tuple[str, Finding]]:
    return [*(("failure", one) for one in check.failures), *(("warning", one) for one in check.warnings)]


def _about(finding: Finding) -> tuple[str, ...]:
    return (finding.file, *finding.others[:2])
