"""How work on a dataset ended, in the terminal: the version that was made, or the verdict on one."""

from typing import Any, Final

from arc.cli.output import note, number, plural, say, table
from arc.core.job import Job
from arc.core.states import JobStatus

_MAKES: Final = ("data.unpack", "data.register", "data.preprocess", "data.split")
_SHOWN: Final = 6  # warnings


def is_dataset_work(job: Job) -> bool:
    """Whether a job made or judged a dataset, and completed."""
    return job.status is JobStatus.COMPLETED and job.recipe in (*_MAKES, "data.validate", "data.drift") and bool(job.result)


def failed_validation(job: Job) -> bool:
    """Whether a validation completed and found that the dataset does not hold."""
    return job.recipe == "data.validate" and bool(job.result) and job.result is not None and job.result.get("passed") is False


def dataset_outcome(job: Job) -> None:
    """The outcome of work on a dataset."""
    result = job.result or {}
    if job.recipe in _MAKES:
        _version(result)
    elif job.recipe == "data.validate":
        _verdict(job, result)
    else:
        drifted = int((job.metrics or {}).get("drifted_features", 0))
        say(f"{plural(drifted, 'feature has', 'features have')} drifted" + ("; hold until somebody has looked" if drifted else ""))
        _page(job, "drift.html")


def _version(result: dict[str, Any]) -> None:
    counts = "; ".join(
        f"{split} " + ", ".join(f"{count} {label}" for label, count in each.items()) for split, each in result.get("counts", {}).items()
    )
    was = " (unchanged: it was there already)" if result.get("unchanged") else ""
    say(f"{result.get('dataset')}@{result.get('version')}: {plural(int(result.get('files', 0)), 'photograph')}{was}  {counts}")
    _warn(result.get("warnings", []))


def _verdict(job: Job, result: dict[str, Any]) -> None:
    told = [one for one in result["validations"] if one["failed"] or one["warned"]]
    if told:
        table(("check", "answer", "failures", "warnings", "such as"), (_line(one) for one in told), right=(2, 3))
    held = f"{result['dataset']} holds" if result["passed"] else f"{result['dataset']} does not hold: {', '.join(result['failed'])}"
    say(f"{held} ({number(len(result['validations']))} checks)")
    _page(job, "validation.html")


def _line(one: dict[str, Any]) -> tuple[object, ...]:
    first = (one["failures"] or one["warnings"])[0]
    what = f"{first['file']}: {first['what']}" if first["file"] else first["what"]
    return one["check"], "passed" if one["passed"] else "failed", one["failed"], one["warned"], what


def _warn(warnings: list[str]) -> None:
    for warning in warnings[:_SHOWN]:
        note(f"Note: {warning}")
    if len(warnings) > _SHOWN:
        note(f"Note: and {len(warnings) - _SHOWN} more (arc jobs show, or --json)")


def _page(job: Job, name: str) -> None:
    home = f"experiments/{job.experiment_id}" if job.experiment_id else f"jobs/{job.id}"
    note(f"With pictures: {home}/results/{name} in the workspace")
