"""A dataset version is whole or absent, and a control plane that is killed while it registers one costs no work."""

from pathlib import Path

import pytest

from arc.app import App
from arc.core.recipe import Done
from arc.store import jobs as rows
from arc.testing import store_values

MADE = Done(
    metrics={},
    result={
        "dataset": "eyes", "digest": "0" * 64, "task": "classification", "layout": "folders", "classes": ["a", "b"], "counts": {}, "patients": {},
        "patients_known": True, "split_rule": "patient", "licence": "", "source": "",
        "description": "", "seal": "1" * 64, "sealed_seal": "2" * 64, "files": 1, "bytes": 7, "parameters": {}, "made_from": None,
    },
)  # fmt: skip


class Killed(BaseException):
    """The process ended here."""


def register(app: App, staging: Path, *, killed: bool = False) -> None:
    job = store_values.job(recipe="data.unpack")
    with app.store.write() as tx:
        if not killed:
            rows.insert(tx, job)
        app.datasets.register(tx, job, staging, MADE)
        if killed:
            tx._rolled_back.clear()  # a killed process undoes nothing
            raise Killed


def test_a_registration_that_was_killed_before_its_commit_is_made_good_by_the_next(app: App, tmp_path: Path) -> None:
    staging = tmp_path / "ws" / "jobs" / "one" / "attempts" / "one.1"
    for name in ("dataset", "sealed"):
        (staging / name / "images").mkdir(parents=True)
        (staging / name / "images" / "eye.png").write_bytes(name.encode())
    with pytest.raises(Killed):
        register(app, staging, killed=True)
    assert app.datasets.names() == []
    (app.layout.dataset("eyes", 1) / "images" / "eye.png").unlink()  # not even all of it was in place
    register(app, staging)
    version = app.datasets.get("eyes")
    assert version.version == 1
    assert (app.layout.stored(version.path) / "images" / "eye.png").read_bytes() == b"dataset"
    assert (app.layout.stored(version.sealed_path) / "images" / "eye.png").read_bytes() == b"sealed"


def test_a_registration_that_is_refused_leaves_nothing_in_place(app: App, tmp_path: Path) -> None:
    staging = tmp_path / "ws" / "jobs" / "one" / "attempts" / "one.1"
    (staging / "dataset").mkdir(parents=True)  # and no sealed part
    with pytest.raises(Exception, match="sealed"):
        register(app, staging)
    assert not app.layout.dataset("eyes", 1).exists()
    assert (staging / "dataset").is_dir()


def test_what_is_registered_a_second_time_unchanged_is_the_same_version(app: App, tmp_path: Path) -> None:
    staging = tmp_path / "ws" / "jobs" / "one" / "attempts" / "one.1"
    for name in ("dataset", "sealed"):
        (staging / name).mkdir(parents=True)
    register(app, staging)
    with app.store.write() as tx:
        again = app.datasets.register(tx, store_values.job("job_2", recipe="data.unpack"), staging, MADE)
    assert (again["version"], again["unchanged"]) == (1, True)
    assert len(app.datasets.versions("eyes")) == 1
