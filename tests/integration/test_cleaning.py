"""Auto-clean on a real store: what goes, what stays and why, and what remains of what went."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from arc.app import App
from arc.core.cleaning import Cleaned, Finding
from arc.core.dataset import SealedUse
from arc.core.errors import NotFound
from arc.core.job import JobRequest
from arc.core.recipe import Done
from arc.jobs import lifecycle
from arc.jobs.verdict import Stopped
from arc.store import datasets, experiments, metrics
from arc.store import jobs as rows
from tests.integration.endings import BROKEN, TRACEBACK, begun, checkpoint, failed, over, submit


def clean(app: App, *, dry_run: bool = False) -> Cleaned:
    return app.cleaning.clean(actor="test", dry_run=dry_run)


def finding(cleaned: Cleaned, name: str = "exp_1") -> Finding:
    (found,) = [one for one in (*cleaned.removed, *cleaned.kept) if one.id == name]
    return found


def test_a_broken_experiment_goes_and_leaves_a_tombstone_with_cause_and_log(app: App) -> None:
    job = failed(app)
    done = clean(app)
    assert (done.experiments_cleaned, finding(done).path) == (1, "experiments/exp_1")
    assert done.freed_bytes > 0
    for look in (lambda: app.experiments.get("exp_1"), lambda: app.jobs.get(job.id)):
        with pytest.raises(NotFound):
            look()
    assert list((app.layout.workspace / "experiments").iterdir()) == []
    stone = json.loads((app.layout.workspace / "tombstones" / "exp_1.json").read_text())
    assert (stone["cause"], stone["removed_by"]) == ("exception: RuntimeError: told to fail", "test")
    assert stone["log_tail"] == "RuntimeError: told to fail"
    assert stone["jobs"][0]["params"] == job.params
    assert stone["jobs"][0]["attempts"][0]["stderr"] == TRACEBACK.rstrip("\n")
    (event,) = [event for event in app.jobs.events(subject="exp_1") if event.kind == "experiment.cleaned"]
    assert event.detail == {"cause": stone["cause"], "log_tail": stone["log_tail"], "tombstone": "tombstones/exp_1.json"}
    assert event.actor == "test"
    assert clean(app).removed == ()


def test_a_dry_run_says_the_same_and_changes_nothing(app: App) -> None:
    failed(app)
    failed(app, "exp_2", Done())
    before = sorted(app.layout.workspace.rglob("*"))
    dry = clean(app, dry_run=True)
    assert dry.dry_run
    assert sorted(app.layout.workspace.rglob("*")) == before
    assert app.cleaning.plan() == dry
    assert clean(app).removed == dry.removed


def test_a_second_experiment_of_the_same_name_gets_a_tombstone_of_its_own(app: App) -> None:
    for _ in range(2):
        failed(app)
        clean(app)
    assert sorted(path.name for path in (app.layout.workspace / "tombstones").iterdir()) == ["exp_1.2.json", "exp_1.json"]


def _folder(app: App) -> Path:
    return app.layout.experiment("exp_1")


def _write(relative: str, data: bytes = b"x") -> Callable[[App], None]:
    def act(app: App) -> None:
        path = _folder(app) / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return act


def _link(app: App) -> None:
    (_folder(app) / "elsewhere").symlink_to(app.layout.workspace)


def _metric(app: App) -> None:
    with app.store.write() as tx:
        metrics.append(tx, job_id=app.experiments.jobs("exp_1")[0].id, attempt=1, points={"loss": [(1.0, 0.5, 1.0)]})


def _checkpoint(app: App) -> None:
    checkpoint(app, app.experiments.jobs("exp_1")[0], 3)


def _pinned_checkpoint(app: App) -> None:
    _checkpoint(app)
    app.experiments.pin("exp_1", actor="test")


def _archive(app: App) -> None:
    app.experiments.archive("exp_1", actor="test")


def _change(**columns: object) -> Callable[[App], None]:
    def act(app: App) -> None:
        with app.store.write() as tx:
            experiments.update(tx, "exp_1", **columns)

    return act


def _reader(app: App) -> None:
    job = app.experiments.jobs("exp_1")[0]
    other = submit(app)
    with app.store.write() as tx:
        rows.insert(tx, other.model_copy(update={"id": "job_reader", "inputs": {"model": f"job:{job.id}/model"}}))


def _needer(app: App) -> None:
    job = app.experiments.jobs("exp_1")[0]
    other = submit(app)
    with app.store.write() as tx:
        rows.insert(tx, other.model_copy(update={"id": "job_needer", "needs": (job.id,)}))


def _path_reader(app: App) -> None:
    (_folder(app) / "logs").mkdir(exist_ok=True)
    archive = f"path:{_folder(app) / 'logs'}"
    app.jobs.submit(JobRequest(recipe="data.unpack", inputs={"archive": archive}), actor="test")


def _sealed_use(app: App) -> None:
    job = app.experiments.jobs("exp_1")[0]
    use = SealedUse(dataset="d", version=1, job_id=job.id, attempt=1, actor="a", reason="r", use=0, at=app.clock.now())
    with app.store.write() as tx:
        datasets.record_sealed_use(tx, use)


def _resumed(app: App) -> None:
    app.jobs.resume(app.experiments.jobs("exp_1")[0].id, actor="test")


def _second(verdict: object) -> Callable[[App], None]:
    def act(app: App) -> None:
        over(app, begun(app, submit(app, experiment_id="exp_1")), verdict)  # type: ignore[arg-type]

    return act


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_write("checkpoints/model.safetensors"), "has a checkpoint: checkpoints/model.safetensors"),
        (_write("deep/er/last.PT"), "has a checkpoint"),
        (_write("attempts/a.1/x.pth"), "has a checkpoint"),
        (_write("weights.ckpt"), "has a checkpoint"),
        (_write("pytorch_model.bin"), "has a checkpoint"),
        (_checkpoint, "has a checkpoint"),
        (_pinned_checkpoint, "pinned"),
        (_write("notes.txt"), "holds notes.txt"),
        (_link, "holds elsewhere"),
        (_write("logs/job.1.stdout.log", b"line\n" * 41), "more than the header"),
        (_write("logs/job.1.stderr.log", b"x" * 70_000), "more than the header"),
        (_write("logs/job.1.journal.jsonl", b'{"k":"metrics","s":1,"v":{"loss":1},"at":1}\n'), "more than the header"),
        (_write("logs/job.1.journal.jsonl", b'{"k":"progress","done":2,"unit":"step","values":{},"at":1}\n'), "more than the header"),
        (_write("logs/job.1.journal.jsonl", b"what is this\n"), "more than the header"),
        (_metric, "reported metrics"),
        (_archive, "archived"),
        (_change(metrics={"auc": 0.9}), "results"),
        (_change(training_metrics={"auc": 0.9}), "results"),
        (_change(study="study_1"), "study_1"),
        (_reader, "job_reader reads"),
        (_needer, "job_needer needed it"),
        (_path_reader, "reads from the folder"),
        (_sealed_use, "ledger"),
        (_resumed, "is queued"),
        (_second(Done()), "completed"),
        (_second(Stopped("cancelled on request")), "can be resumed"),
    ],
)
def test_whatever_speaks_for_an_experiment_keeps_it_and_is_named(app: App, act: Callable[[App], None], said: str) -> None:
    failed(app)
    act(app)
    files = sorted(_folder(app).rglob("*"))
    found = finding(clean(app))
    assert not found.goes
    assert said in found.why
    assert sorted(_folder(app).rglob("*")) == files
    assert app.experiments.get("exp_1")


@pytest.mark.parametrize(
    "act",
    [
        _write("checkpoints/model.safetensors", b""),
        _write("attempts/a.1/checkpoints/.part-ckpt-000000001.safetensors"),
        _write(".metadata.json.part"),
        _write("notes.txt", b""),
        _write("logs/job.1.journal.jsonl", b'{"k":"started","pid":1,"at":1}\n{"k":"metrics","s":1,"v"'),
        _write("logs/job.1.journal.jsonl", b'{"k":"progress","done":0,"unit":"step","values":{},"at":1}\n'),
    ],
)
def test_what_is_empty_or_was_never_whole_speaks_for_nothing(app: App, act: Callable[[App], None]) -> None:
    failed(app)
    act(app)
    assert finding(clean(app)).goes


def test_a_checkpoint_whose_bytes_were_damaged_is_none(app: App) -> None:
    row = checkpoint(app, failed(app), 3)
    (app.layout.workspace / row.path).write_bytes(b"damaged")
    assert finding(clean(app)).goes
    assert not (app.layout.workspace / row.path).exists()


def test_what_was_cancelled_for_the_failure_does_not_keep_the_experiment(app: App) -> None:
    job = begun(app, submit(app, experiment_id="exp_1"))
    waiting = submit(app, experiment_id="exp_1", needs=[job.id])
    over(app, job)
    assert app.jobs.get(waiting.id).status == "cancelled"
    assert finding(clean(app)).goes


def test_an_experiment_that_was_only_cancelled_is_not_even_near(app: App) -> None:
    job = submit(app, experiment_id="exp_1")
    app.jobs.cancel(job.id, actor="test")
    done = clean(app)
    assert (done.removed, done.kept) == ((), ())
    assert app.jobs.get(job.id)


def test_a_job_that_waits_for_its_retry_or_runs_keeps_its_experiment(app: App) -> None:
    failed(app)
    begun(app, submit(app, experiment_id="exp_1"))
    assert "is running" in finding(clean(app)).why


def test_a_folder_that_changes_between_look_and_removal_stays(app: App) -> None:
    failed(app)
    steps = app.cleaning._experiments(timedelta())
    found, act = next(steps)
    assert found.goes
    assert act is not None
    (_folder(app) / "model.pt").write_bytes(b"x")
    assert act("test") == "its folder has changed just now"
    assert (_folder(app) / "model.pt").exists()
    assert not list((app.layout.workspace / "tombstones").glob("*"))


def test_an_experiment_that_is_resumed_between_look_and_removal_stays(app: App) -> None:
    job = failed(app)
    _, act = next(app.cleaning._experiments(timedelta()))
    again = app.jobs.resume(job.id, actor="test")
    assert act is not None
    assert again.id in str(act("test"))
    assert app.jobs.get(again.id).status == "queued"


def test_when_the_removal_fails_half_way_everything_is_as_before(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    job = failed(app)
    files = sorted(_folder(app).rglob("*"))

    def refuse(*_: object) -> None:
        raise OSError("the disk does not want to")

    monkeypatch.setattr("arc.store.experiments.delete", refuse)
    found = finding(clean(app))
    assert "the disk does not want to" in found.why
    assert sorted(_folder(app).rglob("*")) == files
    assert app.jobs.get(job.id)
    assert list((app.layout.workspace / "tombstones").iterdir()) == []


def test_a_job_whose_inputs_could_not_be_had_never_had_a_folder_and_goes_too(app: App) -> None:
    job = submit(app, experiment_id="exp_1")
    with app.store.write() as tx:
        lifecycle.fail_waiting(tx, job, BROKEN, clock=app.clock)
    assert finding(clean(app)).goes
    assert (app.layout.workspace / "tombstones" / "exp_1.json").exists()


def test_an_experiment_whose_folder_is_not_there_stays(app: App) -> None:
    failed(app)
    _folder(app).rename(_folder(app).with_name("moved"))
    assert "not in its place" in finding(clean(app)).why
