"""A dataset that failed its validation is not trained on by mistake, and by intent only with a record of it."""

from datetime import timedelta

import pytest

from arc.app import App
from arc.core.dataset import Validation
from arc.core.errors import Conflict
from arc.core.job import Job, JobRequest
from arc.jobs.resolve import Resolver
from arc.store import datasets, events
from arc.testing import store_values
from arc.testing.store_values import MOMENT


def validated(app: App, *failed: str, number: int = 1) -> None:
    with app.store.write() as tx:
        if number == 1:
            datasets.insert(tx, store_values.dataset())
        found = Validation(
            id=f"val_{number}", dataset="eyes", version=1, job_id="job_v", passed=not failed, failed=failed, summary={},
            at=MOMENT + timedelta(seconds=number),
        )  # fmt: skip
        datasets.record_validation(tx, found)


def train(app: App, dataset: str) -> Job:
    return app.jobs.submit(JobRequest(recipe="fundus.classify", inputs={"dataset": dataset}), actor="test")


def test_training_is_refused_naming_the_checks_and_how_to_accept_them(app: App) -> None:
    validated(app, "leakage.patient", "masks.values")
    with pytest.raises(Conflict, match=r"dataset:eyes@1\?accept=leakage\.patient,masks\.values") as caught:
        train(app, "dataset:eyes?accept=leakage.patient")
    assert caught.value.field == "inputs.dataset"


def test_the_newest_validation_counts(app: App) -> None:
    validated(app, "leakage.patient")
    validated(app, number=2)
    assert train(app, "dataset:eyes").inputs == {"dataset": "dataset:eyes@1"}


def test_what_was_accepted_stays_with_the_job_and_is_said_when_it_starts(app: App) -> None:
    validated(app, "leakage.patient")
    job = train(app, "dataset:eyes?accept=leakage.patient,other.check")
    assert job.inputs == {"dataset": "dataset:eyes@1?accept=leakage.patient,other.check"}
    version = app.datasets.get("eyes")
    for path, split in ((version.path, "train"), (version.path, "val")):
        folder = app.layout.stored(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.csv").touch()
    with app.store.write() as tx:
        Resolver(app.layout, app.artifacts, app.clock).resolve(tx, job, 1)
        said = [event for event in events.after(tx, 0, subject=job.id) if event.kind == "validation.overridden"]
    assert [event.detail for event in said] == [{"dataset": "eyes@1", "checks": ["leakage.patient"]}]


def test_a_validation_that_fails_while_the_job_waits_is_heeded(app: App) -> None:
    validated(app)
    job = train(app, "dataset:eyes")
    validated(app, "pictures.decode", number=2)
    with app.store.write() as tx, pytest.raises(Conflict, match=r"pictures\.decode"):
        Resolver(app.layout, app.artifacts, app.clock).resolve(tx, job, 1)
