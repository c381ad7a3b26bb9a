"""What a clean-up asks the store, on both databases."""

import pytest

from arc.core.artifact import ArtifactKind
from arc.core.states import JobStatus
from arc.store import artifacts, datasets, events, jobs, leftovers, metrics
from arc.store.engine import Store
from arc.testing.store_values import artifact, dataset, job, read, sealed_use


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def test_experiments_with_a_job_that_failed_are_named_once(store: Store) -> None:
    with store.write() as tx:
        for number, (experiment, status) in enumerate(
            [("b", "failed"), ("b", "failed"), ("a", "failed"), ("c", "completed"), (None, "failed")]
        ):
            jobs.insert(tx, job(f"job_{number}", experiment_id=experiment, status=JobStatus(status)))
    assert read(store, leftovers.failed_experiments) == ["a", "b"]


def test_a_job_is_crowded_by_its_own_unpinned_checkpoints_once_it_is_over(store: Store) -> None:
    with store.write() as tx:
        for name, status in (("job_1", "failed"), ("job_2", "running"), ("job_3", "completed")):
            jobs.insert(tx, job(name, status=JobStatus(status)))
            for step in (1, 2, 3):
                artifacts.insert(tx, artifact(f"art_{name}_{step}", name, step=step))
            artifacts.insert(tx, artifact(f"art_{name}", name, kind=ArtifactKind.MODEL))
        artifacts.pin(tx, ["art_job_3_1"], pinned=True)
        artifacts.pin(tx, [], pinned=True)
    assert read(store, lambda tx: leftovers.crowded(tx, keep=2)) == ["job_1"]
    assert read(store, lambda tx: leftovers.crowded(tx, keep=3)) == []
    pinned = [row.id for row in read(store, lambda tx: artifacts.of_job(tx, "job_3")) if row.pinned]
    assert pinned == ["art_job_3_1"]


def test_who_needs_reads_made_and_used(store: Store) -> None:
    with store.write() as tx:
        jobs.insert(tx, job("job_1"))
        jobs.insert(tx, job("job_2", needs=("job_1",), status=JobStatus.CANCELLED))
        jobs.insert(tx, job("job_3", inputs={"archive": "path:/data/exp_1%/x.zip", "other": "path:/data/exp_1%x"}))
        jobs.insert(tx, job("job_4", inputs={"archive": "path:/data/exp_1%"}, status=JobStatus.COMPLETED))
        datasets.insert(tx, dataset(job_id="job_1"))
        datasets.record_sealed_use(tx, sealed_use(job_id="job_1"))
        metrics.append(tx, job_id="job_1", attempt=1, points={"loss": [(1.0, None, 1.0)]})
        artifacts.insert(tx, artifact())
    assert read(store, lambda tx: leftovers.needing(tx, ["job_1"])) == ["job_2"]
    assert read(store, lambda tx: leftovers.needing(tx, ["job_1", "job_2"])) == []
    assert read(store, lambda tx: leftovers.datasets_made(tx, ["job_1", "job_2"])) == ["eyes@1"]
    assert read(store, lambda tx: leftovers.sealed_used(tx, ["job_1"])) == ["eyes@1"]
    assert read(store, lambda tx: leftovers.sealed_used(tx, ["job_2"])) == []
    assert [read(store, lambda tx, one=one: leftovers.reported(tx, [one])) for one in ("job_1", "job_2")] == [True, False]
    assert [read(store, lambda tx, one=one: leftovers.is_named(tx, one * 32)) for one in ("ab", "cd")] == [True, False]
    assert read(store, lambda tx: leftovers.reading_below(tx, "/data/exp_1%")) == ["job_3"]
    assert read(store, lambda tx: leftovers.reading_below(tx, "/data/exp_11")) == []
    assert read(store, lambda tx: leftovers.reading_below(tx, "/data/exp_1%/x.zip")) == ["job_3"]


def test_events_by_kind_and_the_newest_of_an_actor(store: Store) -> None:
    with store.write() as tx:
        for kind, actor in (("store.cleaned", "engine"), ("store.cleaned", "ann"), ("store.upkept", "engine")):
            events.append(tx, subject="store", kind=kind, actor=actor)
        events.append(tx, subject="other", kind="store.cleaned", actor="engine")
    assert [event.seq for event in read(store, lambda tx: events.of_kind(tx, "store", "store.cleaned"))] == [1, 2]
    newest = read(store, lambda tx: events.newest(tx, "store", "store.cleaned", actor="engine"))
    assert newest is not None
    assert newest.seq == 1
    assert read(store, lambda tx: events.newest(tx, "store", "store.cleaned", actor="bob")) is None
