"""What every store must do for metric points and artifact rows; a part of `StoreContract`."""

import math

import pytest

from arc.core.artifact import Artifact, ArtifactKind
from arc.core.errors import Conflict, InvalidSpec
from arc.store import artifacts, metrics
from arc.store.engine import Store
from arc.store.metrics import Curve
from arc.testing.store_values import artifact, job, put, read

Values = list[tuple[float, float | None]]


def report(store: Store, number: int, **series: Values) -> None:
    """Record (step, value) points of an attempt of job_1."""
    with store.write() as tx:
        metrics.append(
            tx, job_id="job_1", attempt=number, points={name: [(s, v, 0.5) for s, v in points] for name, points in series.items()}
        )


def curve(store: Store, name: str = "loss", **limits: int) -> Curve:
    """The curve of job_1."""
    return read(store, lambda tx: metrics.curve(tx, "job_1", name, **limits))


class MetricsContract:
    """Points in, a curve out."""

    def test_points_read_back_in_order_whatever_the_batches(self, store: Store) -> None:
        put(store, job())
        points: Values = [(i, math.sin(i)) for i in range(3000)]
        for first, last in [(0, 1), (1, 1020), (1020, 1024), (1024, 1025), (1025, 3000)]:
            report(store, 1, loss=points[first:last])
        whole = curve(store, max_points=3000)
        assert list(zip(whole.steps, whole.values, strict=True)) == points
        assert (whole.n_total, whole.downsampled) == (3000, False)

    def test_a_value_that_is_no_number_is_a_gap(self, store: Store) -> None:
        put(store, job())
        report(store, 1, loss=[(0, 1.0), (1, None), (2, 3.0)], accuracy=[(0, 0.5), (1, None)])
        assert curve(store).values == [1.0, None, 3.0]
        assert read(store, lambda tx: metrics.last(tx, "job_1")) == {"loss": 3.0}
        assert read(store, lambda tx: metrics.names(tx, "job_1")) == ["accuracy", "loss"]

    def test_a_later_attempt_supersedes_from_its_first_step(self, store: Store) -> None:
        put(store, job())
        report(store, 1, loss=[(float(i), 1.0) for i in range(2000)])
        report(store, 2, loss=[(float(i), 2.0) for i in range(1500, 1600)])
        report(store, 3, loss=[(1550.0, 3.0)])
        whole = curve(store, max_points=5000)
        assert whole.steps == [float(i) for i in range(1551)]
        assert whole.values == [1.0] * 1500 + [2.0] * 50 + [3.0]
        assert read(store, lambda tx: metrics.last(tx, "job_1")) == {"loss": 3.0}

    def test_a_long_curve_comes_downsampled_with_its_ends_and_its_spike(self, store: Store) -> None:
        put(store, job())
        points: Values = [(i, 0.0) for i in range(20_000)]
        points[7_777] = (7_777, 100.0)
        report(store, 1, loss=points)
        short = curve(store, max_points=100)
        assert (len(short.steps), short.n_total, short.downsampled) == (100, 20_000, True)
        assert (short.steps[0], short.steps[-1]) == (0, 19_999)
        assert 7_777 in short.steps
        assert short.steps == sorted(set(short.steps))

    def test_a_curve_that_nobody_reported_is_empty(self, store: Store) -> None:
        put(store, job())
        assert curve(store, "nothing") == Curve(name="nothing", steps=[], values=[], n_total=0, downsampled=False)
        with pytest.raises(InvalidSpec):
            curve(store, max_points=2)

    def test_jobs_and_names_do_not_mix(self, store: Store) -> None:
        put(store, job(), job("job_2"))
        report(store, 1, loss=[(0, 1.0)], Loss=[(0, 2.0)])
        with store.write() as tx:
            metrics.append(tx, job_id="job_2", attempt=1, points={"loss": [(0, 9.0, 0.0)]})
        assert curve(store).values == [1.0]
        assert curve(store, "Loss").values == [2.0]


class ArtifactRowsContract:
    """Staged, published, forgotten."""

    def test_an_artifact_is_found_by_digest_once_published(self, store: Store) -> None:
        put(store, job(experiment_id="e"), job("job_2"))
        with store.write() as tx:
            for one in (artifact("art_1"), artifact("art_2"), artifact("art_3", "job_2", digest="ef" * 32)):
                artifacts.insert(tx, one)
        assert read(store, lambda tx: artifacts.by_digest(tx, "ab" * 32)) is None
        with store.write() as tx:
            artifacts.publish(tx, "art_2", path="artifacts/ab/x")
        published = artifact("art_2", published=True, path="artifacts/ab/x", name="art_2.safetensors")
        assert read(store, lambda tx: artifacts.by_digest(tx, "ab" * 32)) == published
        assert read(store, lambda tx: artifacts.of_job(tx, "job_1")) == [artifact("art_1"), published]
        assert read(store, lambda tx: artifacts.of_experiment(tx, "e")) == [artifact("art_1"), published]
        with store.write() as tx:
            artifacts.forget(tx, ["art_2", "art_x"])
            artifacts.forget(tx, [])
        assert read(store, lambda tx: artifacts.of_job(tx, "job_1")) == [artifact("art_1")]

    def test_the_newest_checkpoint_comes_first(self, store: Store) -> None:
        put(store, job())
        made: list[Artifact] = [
            artifact("art_1", step=30),
            artifact("art_2", step=40),
            artifact("art_3", step=35, attempt=2),
            artifact("art_4", step=None, kind=ArtifactKind.REPORT, attempt=3),
        ]
        with store.write() as tx:
            for one in made:
                artifacts.insert(tx, one)
        assert [one.id for one in read(store, lambda tx: artifacts.checkpoints(tx, "job_1"))] == ["art_3", "art_2", "art_1"]

    def test_what_belongs_to_no_job_is_refused(self, store: Store) -> None:
        with pytest.raises(Conflict), store.write() as tx:
            artifacts.insert(tx, artifact(job_id="job_x"))
