"""Retention on a real store: checkpoints, old jobs, pins, what a crash left, and the schedule."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from arc.app import App, build
from arc.core.artifact import Artifact
from arc.core.cleaning import Cleaned
from arc.core.clock import SystemClock, unix
from arc.core.errors import Conflict
from arc.core.job import Job, JobRequest
from arc.core.recipe import Done
from arc.core.states import JobStatus
from arc.jobs.verdict import Stopped
from arc.settings import Settings
from arc.store import artifacts
from arc.store import jobs as rows
from arc.testing.clock import FakeClock
from tests.integration.endings import begun, checkpoint, failed, file_of, over, submit

DAY_S = 86_400.0
STOPPED = Stopped("cancelled on request")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def app(tmp_path: Path, clock: FakeClock) -> Iterator[App]:
    built = build(Settings(workspace=tmp_path / "ws", allow_fault_jobs=True), clock=clock)
    yield built
    built.close()


def clean(app: App) -> Cleaned:
    return app.cleaning.clean(actor="test")


def gone(cleaned: Cleaned, kind: str) -> list[str]:
    return [one.path for one in cleaned.removed if one.kind == kind]


def with_checkpoints(app: App, *steps: int, best: int | None = None, experiment: str | None = "exp_1") -> tuple[Job, list[Artifact]]:
    """A failed job that left checkpoints at these steps."""
    job = begun(app, submit(app, **({"experiment_id": experiment} if experiment else {})))
    made = [checkpoint(app, job, step, best=step == best) for step in steps]
    return over(app, job), made


def there(app: App, made: list[Artifact]) -> list[int | None]:
    """The steps of those whose file and row are there; a file without its row, or a row without its file, is neither."""
    kept = {row.id for row in app.jobs.artifacts(made[0].job_id)}
    for row in made:
        assert file_of(app, row).exists() == (row.id in kept)
    return [row.step for row in made if row.id in kept]


def test_the_last_two_and_the_best_checkpoint_stay(app: App) -> None:
    _, made = with_checkpoints(app, 1, 2, 3, 4, 5, best=2)
    done = clean(app)
    assert there(app, made) == [2, 4, 5]
    assert sorted(gone(done, "checkpoint")) == [made[0].path, made[2].path]
    assert done.freed_bytes == made[0].size_bytes + made[2].size_bytes
    assert clean(app).removed == ()


def test_damaged_checkpoints_do_not_count_as_the_last_two(app: App) -> None:
    _, made = with_checkpoints(app, 1, 2, 3, 4, 5)
    file_of(app, made[4]).write_bytes(b"")
    file_of(app, made[3]).write_bytes(b"damaged")
    clean(app)
    assert there(app, made) == [2, 3, 4, 5]


def test_checkpoints_of_a_job_that_is_not_over_are_not_touched(app: App) -> None:
    job = begun(app, submit(app))
    made = [checkpoint(app, job, step) for step in (1, 2, 3, 4)]
    clean(app)
    assert there(app, made) == [1, 2, 3, 4]


def test_checkpoints_stay_while_a_job_that_resumes_through_others_is_not_over(app: App) -> None:
    job, made = with_checkpoints(app, 1, 2, 3, 4)
    second = app.jobs.resume(job.id, actor="test")
    app.jobs.cancel(second.id, actor="test")
    third = app.jobs.resume(second.id, actor="test")
    done = clean(app)
    assert there(app, made) == [1, 2, 3, 4]
    assert {one.why for one in done.kept if one.kind == "checkpoint"} == {f"job {third.id} may read it"}
    app.jobs.cancel(third.id, actor="test")
    clean(app)
    assert there(app, made) == [3, 4]


def test_a_checkpoint_that_another_job_reads_stays(app: App) -> None:
    job, made = with_checkpoints(app, 1, 2, 3)
    with app.store.write() as tx:
        rows.insert(tx, job.model_copy(update={"id": "job_other", "inputs": {"model": f"artifact:{made[0].digest}"}}))
    clean(app)
    assert there(app, made) == [1, 2, 3]


def test_a_pinned_checkpoint_survives_its_attempt_and_every_clean_up_until_it_is_unpinned(app: App) -> None:
    job = begun(app, submit(app, experiment_id="exp_1"))
    made = [checkpoint(app, job, step) for step in (1, 2, 3, 4)]
    (pinned,) = app.experiments.pin("exp_1", step=1, actor="test")
    file_of(app, made[0]).unlink()  # the running attempt clears its own away
    ended = over(app, job)
    clean(app)
    rows_now = {row.step: row for row in app.jobs.artifacts(ended.id)}
    assert sorted(rows_now) == [1, 3, 4]
    assert (rows_now[1].pinned, rows_now[1].published) == (True, True)
    bytes_ = app.artifacts.path(pinned.digest)
    assert bytes_.read_bytes() == f"{job.id} 1 1".encode()
    assert [row.step for row in app.experiments.unpin("exp_1", actor="test")] == [1]
    assert app.experiments.unpin("exp_1", actor="test") == []
    clean(app)
    assert not bytes_.exists()
    assert {row.step for row in app.jobs.artifacts(ended.id)} == {3, 4}
    kinds = [event.kind for event in app.jobs.events(subject="exp_1")]
    assert kinds == ["experiment.pinned", "experiment.unpinned"]


def test_bytes_that_another_artifact_has_too_stay(app: App) -> None:
    first, second = failed(app, "exp_1"), failed(app, "exp_2")
    for job in (first, second):
        for step in (1, 2, 3):
            checkpoint(app, job, step, data=b"the same" if step == 1 else None)
        app.experiments.pin(str(job.experiment_id), step=1, actor="test")
    app.experiments.unpin("exp_1", actor="test")
    clean(app)
    kept = [row for row in app.jobs.artifacts(second.id) if row.step == 1]
    assert app.artifacts.path(kept[0].digest).read_bytes() == b"the same"
    assert {row.step for row in app.jobs.artifacts(first.id)} == {2, 3}


def test_what_is_not_whole_is_not_pinned_and_leaves_no_bytes(app: App) -> None:
    job = failed(app)
    row = checkpoint(app, job, 1)
    file_of(app, row).write_bytes(b"damaged")
    with pytest.raises(Conflict, match="no whole checkpoint"):
        app.experiments.pin("exp_1", actor="test")
    file_of(app, row).unlink()
    with pytest.raises(Conflict, match="no whole checkpoint"):
        app.experiments.pin("exp_1", actor="test")
    assert list((app.layout.workspace / "artifacts").rglob("*/*")) == []


def test_files_of_an_old_job_without_experiment_go_and_its_row_stays(app: App, clock: FakeClock) -> None:
    young, ended = failed(app, None), failed(app, None, Done())
    checkpoint(app, young, 1)
    clock.advance(6.9 * DAY_S)
    assert clean(app).removed == ()
    clock.advance(0.2 * DAY_S)
    done = clean(app)
    assert sorted(gone(done, "job")) == sorted(f"jobs/{job.id}" for job in (young, ended))
    assert list((app.layout.workspace / "jobs").iterdir()) == []
    assert app.jobs.get(young.id).status == "failed"
    assert app.jobs.artifacts(young.id) == []
    assert [event.kind for event in app.jobs.events(subject=young.id)][-1] == "job.cleaned"
    assert clean(app).removed == ()


def test_files_of_a_job_in_an_experiment_do_not_grow_old(app: App, clock: FakeClock) -> None:
    job, made = with_checkpoints(app, 1)
    clock.advance(1000 * DAY_S)
    assert clean(app).removed == ()
    assert there(app, made) == [1]
    assert app.jobs.log_tail(job.id)


def test_an_old_job_that_a_waiting_one_may_read_stays(app: App, clock: FakeClock) -> None:
    job, made = with_checkpoints(app, 1, experiment=None)
    by_path, _ = with_checkpoints(app, 1, experiment=None)
    clock.advance(8 * DAY_S)
    again = app.jobs.resume(job.id, actor="test")
    reading = f"path:{app.layout.home(by_path) / 'logs'}"
    reader = app.jobs.submit(JobRequest(recipe="data.unpack", inputs={"archive": reading}), actor="test")
    done = clean(app)
    assert done.removed == ()
    assert {one.id: one.why for one in done.kept} == {
        job.id: f"job {again.id} may read it",
        by_path.id: f"job {reader.id} may read it",
    }
    assert there(app, made) == [1]


def test_an_old_job_with_a_pinned_checkpoint_stays(app: App, clock: FakeClock) -> None:
    job, made = with_checkpoints(app, 1, experiment=None)
    with app.store.write() as tx:
        artifacts.pin(tx, [made[0].id], pinned=True)
    clock.advance(8 * DAY_S)
    assert [one.why for one in clean(app).kept] == ["a checkpoint of it is pinned"]
    assert there(app, made) == [1]
    assert app.jobs.get(job.id)


def test_a_folder_of_no_job_that_the_store_knows_is_left_alone(app: App, clock: FakeClock) -> None:
    (app.layout.workspace / "jobs" / "job_of_another_store" / "logs").mkdir(parents=True)
    (app.layout.workspace / "experiments" / "exp_of_another_store").mkdir(parents=True)
    (app.layout.workspace / "datasets" / "eyes" / "1").mkdir(parents=True)
    (app.layout.workspace / "artifacts" / "ab").mkdir(parents=True)
    (app.layout.workspace / "artifacts" / "ab" / ("ab" * 32)).write_bytes(b"x")
    before = sorted(app.layout.workspace.rglob("*"))
    clock.advance(1000 * DAY_S)
    assert clean(app).removed == ()
    assert sorted(path for path in app.layout.workspace.rglob("*") if "arc.db" not in path.name) == [
        path for path in before if "arc.db" not in path.name
    ]


def test_temporary_files_go_after_a_day(app: App, clock: FakeClock) -> None:
    job, made = with_checkpoints(app, 1)
    part = file_of(app, made[0]).with_name(".part-ckpt-000000002.safetensors")
    part.write_bytes(b"half")
    putting = app.layout.workspace / "artifacts" / "ab" / ("." + "ab" * 32 + ".01234567")
    putting.parent.mkdir(parents=True)
    putting.write_bytes(b"half")
    notes = app.layout.experiment("exp_1") / ".part-of-my-notes"
    notes.parent.joinpath("results").mkdir()
    mine = notes.parent / "results" / ".part-mine"
    mine.write_bytes(b"a person's own")
    assert clean(app).removed == ()
    clock.advance(1.1 * DAY_S)
    assert sorted(gone(clean(app), "leftover")) == sorted(app.layout.relative(path) for path in (part, putting))
    assert (part.exists(), putting.exists(), mine.exists()) == (False, False, True)
    assert there(app, made) == [1]
    assert app.jobs.get(job.id)


def test_temporary_files_of_a_running_attempt_stay_however_old(app: App, clock: FakeClock) -> None:
    job = begun(app, submit(app))
    part = app.layout.staging(job, 1) / ".exit.json"
    part.write_bytes(b" " * 64)
    clock.advance(100 * DAY_S)
    assert clean(app).removed == ()
    assert part.exists()


def test_a_folder_that_was_set_aside_goes_when_its_experiment_did_and_comes_back_when_not(app: App, clock: FakeClock) -> None:
    failed(app, "exp_1")
    home = app.layout.experiment("exp_1")
    (home / "notes.txt").write_text("keep me")
    home.rename(home.with_name(".exp_1.01234567.deleted"))  # killed before its commit
    deleted = home.with_name(".exp_0.01234567.deleted")  # killed after it
    deleted.mkdir()
    clock.advance(1.1 * DAY_S)
    done = clean(app)
    assert [one.path for one in done.removed] == ["experiments/.exp_0.01234567.deleted"]
    assert not deleted.exists()
    assert (home / "notes.txt").read_text() == "keep me"


def test_the_staging_folder_of_a_completed_job_goes_and_its_logs_are_kept(app: App, clock: FakeClock) -> None:
    job = failed(app, None, Done())
    staging = app.layout.staging(job, 1)
    staging.mkdir(parents=True)
    (staging / "stderr.log").write_text("said")
    clock.advance(1.1 * DAY_S)
    assert gone(clean(app), "leftover") == [app.layout.relative(staging)]
    assert app.jobs.log_tail(job.id) == "said"


def test_a_dataset_folder_that_a_failed_job_moved_goes_and_another_stays(app: App, clock: FakeClock) -> None:
    job = begun(app, app.jobs.submit(JobRequest(recipe="data.unpack", params={"name": "eyes"}, inputs=_some_archive(app)), actor="test"))
    folders = [app.layout.dataset("eyes", 1), app.layout.sealed("eyes", 1), app.layout.dataset("mine", 1)]
    for folder in folders:
        folder.mkdir(parents=True)
    clock.advance(unix(SystemClock().now()) - unix(clock.now()) + 5)
    over(app, job)
    with app.store.write() as tx:  # of a package that is not installed any more
        stranger = app.jobs.get(job.id).model_copy(update={"id": "job_stranger", "recipe": "stranger.unpack"})
        rows.insert(tx, stranger)
    clock.advance(1.1 * DAY_S)
    assert sorted(gone(clean(app), "leftover")) == ["datasets/eyes/1", "sealed/eyes/1"]
    assert [folder.exists() for folder in folders] == [False, False, True]


def _some_archive(app: App) -> dict[str, str]:
    path = app.layout.workspace / "imports" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(b"PK")
    return {"archive": f"path:{os.path.realpath(path)}"}


def test_an_upload_goes_after_a_week_unless_a_job_waits_for_it(app: App, clock: FakeClock) -> None:
    folder = app.layout.workspace / "imports"
    folder.mkdir()
    waited, alone, own = (folder / name for name in ("upload_1.zip", "upload_2.zip", "mine.zip"))
    for file in (waited, alone, own):
        file.write_bytes(b"PK")
    request = JobRequest(recipe="data.unpack", params={"name": "eyes"}, inputs={"archive": f"path:{os.path.realpath(waited)}"})
    app.jobs.submit(request, actor="test")
    clock.advance(unix(SystemClock().now()) - unix(clock.now()) + 6 * DAY_S)
    assert gone(clean(app), "leftover") == []
    clock.advance(1.1 * DAY_S)
    assert gone(clean(app), "leftover") == ["imports/upload_2.zip"]
    assert [file.exists() for file in (waited, alone, own)] == [True, False, True]


def test_the_schedule_runs_once_a_day_and_takes_a_broken_experiment_only_after_the_retention(app: App, clock: FakeClock) -> None:
    failed(app)
    first = app.cleaning.scheduled()
    assert first is not None
    assert [one.why for one in first.kept] == ["it failed only lately"]
    assert app.cleaning.scheduled() is None
    clock.advance(0.9 * DAY_S)
    assert app.cleaning.scheduled() is None
    clock.advance(0.2 * DAY_S)
    assert app.cleaning.scheduled() is not None
    clock.advance(6 * DAY_S)
    last = app.cleaning.scheduled()
    assert last is not None
    assert last.experiments_cleaned == 1
    event = app.jobs.events(subject="store")[-1]
    assert (event.kind, event.actor, event.detail["experiment"]) == ("store.cleaned", "engine", 1)


def test_a_persons_clean_up_does_not_put_the_schedule_off(app: App) -> None:
    failed(app)
    clean(app)
    assert app.cleaning.scheduled() is not None


def test_the_schedule_may_be_switched_off(tmp_path: Path) -> None:
    built = build(Settings(workspace=tmp_path / "ws", clean_interval_s=0))
    assert built.cleaning.scheduled() is None
    built.close()


def test_a_job_that_the_engine_has_not_let_go_of_is_left_alone(app: App, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    job, made = with_checkpoints(app, 1, 2, 3, experiment=None)
    broken = failed(app, "exp_2")
    monkeypatch.setattr(type(app.engine), "running", property(lambda _: [job.id, broken.id]))
    clock.advance(8 * DAY_S)
    done = clean(app)
    assert done.removed == ()
    assert {one.id for one in done.kept} == {job.id, "exp_2"}
    assert there(app, made) == [1, 2, 3]
    with pytest.raises(Conflict, match="tidying up"):
        app.experiments.delete("exp_2", actor="test")


def test_a_cancelled_job_keeps_its_newest_checkpoints_to_be_resumed_from(app: App) -> None:
    job = begun(app, submit(app, experiment_id="exp_1"))
    made = [checkpoint(app, job, step) for step in (1, 2, 3)]
    assert over(app, job, STOPPED).status is JobStatus.CANCELLED
    clean(app)
    assert there(app, made) == [2, 3]
    again = app.jobs.resume(job.id, actor="test")
    with app.store.read() as tx:
        found = app.engine._claimer._checkpoints(tx, again)
    assert [Path(path).name for path, _ in found] == ["ckpt-000000003.safetensors", "ckpt-000000002.safetensors"]
