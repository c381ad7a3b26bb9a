"""The text that Prometheus reads."""

import math

from prometheus_client.parser import text_string_to_metric_families

from arc.telemetry import system
from arc.telemetry.numbers import Latency, Numbers, Snapshot


def values(numbers: Numbers) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(numbers.text().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_jobs_attempts_and_requests_are_counted() -> None:
    numbers = Numbers(lambda: Snapshot(jobs={("queued", "HIGH"): 3, ("running", "NORMAL"): 1}, attempts=1))
    numbers.request("GET", "/jobs/list", 200)
    numbers.request("GET", "/jobs/list", 200)
    found = values(numbers)
    assert found["arc_jobs", (("priority", "HIGH"), ("status", "queued"))] == 3
    assert found["arc_attempts_running", ()] == 1
    assert found["arc_http_requests_total", (("method", "GET"), ("route", "/jobs/list"), ("status", "200"))] == 2
    assert found["arc_memory_total_bytes", ()] > 0


def test_what_the_engine_counted_is_there_with_its_histograms() -> None:
    snapshot = Snapshot(
        waiting={"slot": 2, "hold": 1},
        ended={("failed", "oom"): 3, ("done", ""): 4},
        adopted=5,
        latencies={"claim": Latency([(0.5, 1), (math.inf, 3)], 7.5)},
        journal_lag_bytes=6,
    )
    found = values(Numbers(lambda: snapshot))
    assert found["arc_jobs_waiting", (("reason", "slot"),)] == 2
    assert found["arc_attempts_ended_total", (("class", "oom"), ("outcome", "failed"))] == 3
    assert found["arc_attempts_adopted_total", ()] == 5
    assert found["arc_journal_lag_bytes", ()] == 6
    assert found["arc_claim_latency_seconds_bucket", (("le", "0.5"),)] == 1
    assert found["arc_claim_latency_seconds_bucket", (("le", "+Inf"),)] == 3
    assert found["arc_claim_latency_seconds_count", ()] == 3
    assert found["arc_claim_latency_seconds_sum", ()] == 7.5


def test_gpus_are_listed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    gpu = system.GpuReading(id=0, name="H100", mem_total_gb=80, mem_free_gb=20, util=None)
    monkeypatch.setattr(system, "read_gpus", lambda: [gpu])
    found = values(Numbers(Snapshot))
    assert found["arc_gpu_memory_free_bytes", (("gpu", "0"), ("name", "H100"))] == 20 * 2**30


def test_two_control_planes_in_one_process_do_not_clash() -> None:
    assert Numbers(Snapshot).text()
    assert Numbers(Snapshot).text()
