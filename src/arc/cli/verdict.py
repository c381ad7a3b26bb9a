"""Verdict: what an evaluation found on held-out patients, with its intervals, in a few lines.

An interval stands beside every number, because a number over thirty photographs is not the one over three
thousand. What was not measured is left out, never shown as zero.
"""

from collections.abc import Mapping
from typing import Any

from arc.cli.output import say, table
from arc.core.job import Job

_NAMES = {
    "auc": "AUC",
    "auc_delong": "AUC, photographs as independent",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "precision": "precision",
    "f1": "F1",
}


def is_verdict(job: Job) -> bool:
    """Whether the job's result is that of an evaluation: metrics with intervals."""
    metrics = (job.result or {}).get("metrics")
    return isinstance(metrics, Mapping) and isinstance(metrics.get("auc"), Mapping)


def verdict(judged: Job) -> None:
    """The measured numbers of an evaluation job, with what they were measured on."""
    found: Mapping[str, Any] = judged.result or {}
    measured: Mapping[str, Any] = found.get("metrics") or {}
    say(_about(found))
    say("")
    interval = f"{round(100 * found.get('confidence', 0.95)):d} % interval"
    shown = [name for name in _NAMES if name != "auc_delong" or found.get("patients_known")]
    rows = [(_NAMES[name], _fixed(one.get("value")), _interval(one)) for name in shown if (one := measured.get(name))]
    table(("measure", "value", interval), [row for row in rows if row[1]], right=(1, 2))
    if found.get("simulated"):
        say("Simulated: these numbers say nothing about a model.")


def _about(found: Mapping[str, Any]) -> str:
    dataset: Mapping[str, Any] = found.get("dataset") or {}
    split = str(found.get("split", "sealed"))
    patients = (dataset.get("patients") or {}).get(split)
    whose = f"of {patients} patients" if patients and found.get("patients_known") else "(patients unknown)"
    seen = "never seen in training" if split == "sealed" else "seen in training only to choose by"
    name = f"{dataset.get('name')}@{dataset.get('version')}" if dataset.get("name") else "the dataset"
    threshold = f"\nCalled glaucoma from a probability of {_fixed(found['threshold'])} on." if found.get("threshold") is not None else ""
    return f"Judged on {found.get('n', '?')} photographs {whose}, {seen}: {split} split of {name}.{threshold}"


def _interval(one: Mapping[str, Any]) -> str:
    low, high = one.get("low"), one.get("high")
    return f"{_fixed(low)} to {_fixed(high)}" if low is not None and high is not None else "not defined"


def _fixed(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
